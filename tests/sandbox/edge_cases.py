"""Odd recordings: values that the API may return, but that its documentation does not show.

Each kind turns a full recording into an odd one. Every recording keeps its string id.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from tests.sandbox.store import Recording

Spoil: TypeAlias = Callable[[Recording], object]

REQUIRED = (
    "organizationId",
    "userId",
    "title",
    "durationInMilliseconds",
    "latitude",
    "longitude",
    "result",
    "createdAt",
    "updatedAt",
    "deleted",
    "links",
)
OPTIONAL = ("rootDataPurgedAt", "deletedAt", "isProcessingDone", "isEntityExtractionDone", "isSummaryDone")

TEXT = (
    "emoji \U0001f469\u200d\U0001f4bb\U0001f44d, \u05e9\u05dc\u05d5\u05dd \u202eright to left\u202c, "
    "separators \u2028 and \u2029, lines\r\nand\ttabs, \"quotes\" and 'single' ones, back\\slash, "
    "commas, <b>&amp;</b>, \u00e9 and e\u0301, \x07 and \x7f"
)
_MAPPING = {"crmModelName": "Contact", "crmFieldName": "customer_notes"}
_OTHER_MAPPING = {"crmModelName": "Account", "crmFieldName": "roof_type"}
_LINK = {"id": "link-1", "externalId": "0001"}

SCALARS: tuple[Any, ...] = ("1", 1, 0, -7, 1.5, 1.10, 1.0, 2**53 + 1, True, False, "true", "null", "[]", TEXT)
NESTED: tuple[Any, ...] = (
    [],
    ["a", 1, None, True],
    ["a", "b"],
    [TEXT, 1.5, 2**53 + 1, []],
    {},
    {"city": "Köln", "lines": ["a", {"b": None}], "n": 1.5, "": False},
    [{"a": 1}, {"a": [2]}],
)


def _without(*fields: str) -> Spoil:
    return lambda recording: [recording.pop(field) for field in fields]


def _with(**changes: Any) -> Spoil:
    return lambda recording: recording.update(changes)


def _crm(**changes: Any) -> Spoil:
    return lambda recording: recording["crm"].update(changes)


def _values(*values: Any) -> Spoil:
    return _with(
        entityExtractions=[
            {"name": f"Field {number}", "value": value, "mappings": [_MAPPING]} for number, value in enumerate(values)
        ]
    )


def _extractions(*items: dict[str, Any]) -> Spoil:
    return _with(entityExtractions=list(items))


def _deleted(recording: Recording) -> None:
    recording.update(deleted=True, deletedAt=recording["updatedAt"])


def _purged(recording: Recording) -> None:
    recording.update(rootDataPurgedAt=recording["updatedAt"], crm=None, summary=[], entityExtractions=[], followups=[])


def _crm_without_connection(recording: Recording) -> None:
    del recording["crm"]["integrationConnectionId"]


ODD: dict[str, Spoil] = {
    **{f"{field} missing": _without(field) for field in REQUIRED},
    **{f"{field} null": _with(**{field: None}) for field in REQUIRED},
    "no dates at all": _without("createdAt", "updatedAt"),
    "optional fields missing": _without(*OPTIONAL),
    "optional fields null": _with(**dict.fromkeys(OPTIONAL)),
    "links partial": _with(links={"web": {}}),
    "links web null": _with(links={"web": None}),
    "coordinates whole numbers": _with(latitude=0, longitude=-180),
    "crm missing": _without("crm"),
    "crm null": _with(crm=None),
    "crm empty": _with(crm={}),
    "crm with account and contacts only": _crm(engagement=None, opportunity=None, users=None),
    "crm partial": _with(crm={"integrationConnectionId": "connection-0001", "account": _LINK}),
    "crm users empty": _crm(users=[], contacts=[]),
    "crm users several": _crm(
        users=[{"id": f"user-{number}", "externalId": f"{number}"} for number in range(12)], contacts=[_LINK, _LINK]
    ),
    "crm without connection": _crm_without_connection,
    "crm externalId null or missing": _crm(lead={"id": "lead-1", "externalId": None}, account={"id": "account-1"}),
    "summary missing": _without("summary"),
    "summary null": _with(summary=None),
    "summary empty": _with(summary=[]),
    "summary sections odd": _with(
        summary=[
            {"id": "s-1", "name": "Same", "content": ""},
            {"id": "s-2", "name": "Same", "content": "again"},
            {"id": "s-2", "name": "", "content": None},
            {"name": None},
            {},
        ]
    ),
    "extractions missing": _without("entityExtractions"),
    "extractions null": _with(entityExtractions=None),
    "extractions empty": _with(entityExtractions=[]),
    "extraction scalars": _values(*SCALARS),
    "extraction value null or missing": _extractions(
        {"name": "Null", "value": None, "mappings": [_MAPPING]},
        {"name": "Missing", "mappings": [_MAPPING]},
        {"name": "Empty", "value": "", "mappings": [_MAPPING]},
    ),
    "extraction nested": _values(*NESTED),
    "extraction value long": _values("long " * 40_000),
    "extraction mappings odd": _extractions(
        {"name": "Null", "value": "a", "mappings": None},
        {"name": "Missing", "value": "b"},
        {"name": "Empty", "value": "c", "mappings": []},
        {"name": "Several", "value": ["d"], "mappings": [_MAPPING, _OTHER_MAPPING, _MAPPING]},
        {"name": "Partial", "value": 5, "mappings": [{"crmModelName": "Lead"}, {"crmFieldName": None}, {}]},
    ),
    "extraction names odd": _extractions(
        {"name": "Same", "value": "a", "mappings": [_MAPPING]},
        {"name": "Same", "value": 2, "mappings": [_MAPPING]},
        {"name": "", "value": "b", "mappings": [_MAPPING]},
        {"name": "long " * 2_048, "value": "c", "mappings": [_MAPPING]},
        {"name": None, "value": "d", "mappings": [_MAPPING]},
        {"value": "e", "mappings": [_MAPPING]},
    ),
    "deleted": _deleted,
    "purged": _purged,
    "score and followups missing": _without("evaluationScore", "followups"),
    "score and followups null": _with(evaluationScore=None, followups=None),
    "followups odd": _with(
        evaluationScore=0,
        followups=[{"id": "f-1", "score": None}, {"id": "f-1"}, {"score": 0.5}, {"id": None, "score": 100}, {}],
    ),
    "text": _with(
        title=TEXT,
        userId=TEXT,
        summary=[{"id": TEXT, "name": TEXT, "content": TEXT}],
        entityExtractions=[
            {"name": TEXT, "value": TEXT, "mappings": [{"crmModelName": TEXT, "crmFieldName": TEXT}]},
            {"name": TEXT, "value": [TEXT], "mappings": []},
        ],
    ),
}
