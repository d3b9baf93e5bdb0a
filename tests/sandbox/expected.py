"""The oracle: the rows that a sync must deliver, computed in a simple and slow way, without the tap's code."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from tests.sandbox import timestamps
from tests.sandbox.oracle import columns, each, items, json_text, known, number, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.sandbox.kinds import Keys, Row, Rows

KEYS: Keys = {
    "recordings": ("id",),
    "recording_crm_links": ("recordingId", "objectType", "ordinal"),
    "recording_summary_sections": ("recordingId", "ordinal"),
    "recording_entity_extractions": ("recordingId", "ordinal"),
    "recording_entity_mappings": ("recordingId", "extractionOrdinal", "ordinal"),
    "recording_followups": ("recordingId", "ordinal"),
}
"""The key columns of each stream."""
LINKS = {
    "users": "user",
    "engagement": "engagement",
    "opportunity": "opportunity",
    "contacts": "contact",
    "account": "account",
    "lead": "lead",
}


def expected_rows(recordings: Iterable[Row], *, since: str | datetime | None = None) -> dict[str, Rows]:
    """Compute the rows of all six streams, by their keys.

    All streams count as selected, and all flags as on. Recordings without an id have no rows.

    Args:
        recordings: Stored recordings.
        since: Leaves out recordings updated before it, except those without a readable `updatedAt`.
    """
    start = timestamps.to_ms(since) if isinstance(since, datetime) else timestamps.parse(since)
    if since is not None and start is None:
        raise ValueError(f"{since} is not a moment")
    streams: dict[str, Rows] = {stream: {} for stream in KEYS}
    for recording in recordings:
        updated = timestamps.parse(recording.get("updatedAt"))
        too_old = start is not None and updated is not None and updated < start
        if too_old or not text(recording.get("id")):
            continue
        row = _recording(recording)
        parent = {"recordingId": row["id"], "recordingUpdatedAt": row["updatedAt"]}
        streams["recordings"][(row["id"],)] = row
        _add_links(streams, parent, recording)
        _add_sections(streams, parent, recording)
        _add_extractions(streams, parent, recording)
        _add_followups(streams, parent, recording)
    return streams


def _recording(recording: Row) -> Row:
    row = {name: clean(recording.get(name)) for name, clean in _COLUMNS.items()}
    others = _unknown(recording, {**dict.fromkeys(_COLUMNS), "links": {"web": {"self": None}}, "crm": _CRM})
    return row | {"otherFields": json_text(others or None)}


_CRM = dict.fromkeys(("integrationConnectionId", *LINKS)) | {
    field: dict.fromkeys(("id", "externalId")) for field in LINKS if field not in {"users", "contacts"}
}


def _unknown(value: Row, columns: Row) -> Row:
    """Return the unknown fields of an object, nested as they were; none from inside lists."""
    found: Row = {}
    for name, item in value.items():
        if name not in columns:
            found[name] = item
        elif columns[name] and isinstance(item, dict) and (inner := _unknown(item, columns[name])):
            found[name] = inner
    return found


def _add_links(streams: dict[str, Rows], parent: Row, recording: Row) -> None:
    crm = recording.get("crm")
    if not isinstance(crm, dict):
        return
    for field, kind in LINKS.items():
        several = field in {"users", "contacts"}
        for ordinal, item in enumerate(items(crm.get(field)) if several else [crm.get(field)]):
            if isinstance(item, dict):
                streams["recording_crm_links"][(parent["recordingId"], kind, ordinal)] = parent | {
                    "objectType": kind,
                    "ordinal": ordinal,
                    "id": text(item.get("id")),
                    "externalId": text(item.get("externalId")),
                    "integrationConnectionId": text(crm.get("integrationConnectionId")),
                }


def _add_sections(streams: dict[str, Rows], parent: Row, recording: Row) -> None:
    for ordinal, item in enumerate(items(recording.get("summary"))):
        if isinstance(item, dict):
            streams["recording_summary_sections"][(parent["recordingId"], ordinal)] = parent | {
                "ordinal": ordinal,
                "id": text(item.get("id")),
                "name": text(item.get("name")),
                "content": text(item.get("content")),
            }


def _add_extractions(streams: dict[str, Rows], parent: Row, recording: Row) -> None:
    for ordinal, item in enumerate(items(recording.get("entityExtractions"))):
        if not isinstance(item, dict):
            continue
        value, kind = typed(item.get("value"))
        named = {"name": text(item.get("name")), "value": value, "valueType": kind}
        key = (parent["recordingId"], ordinal)
        streams["recording_entity_extractions"][key] = parent | {"ordinal": ordinal} | named
        for place, mapping in enumerate(items(item.get("mappings"))):
            if isinstance(mapping, dict):
                streams["recording_entity_mappings"][(*key, place)] = (
                    parent
                    | {
                        "extractionOrdinal": ordinal,
                        "ordinal": place,
                        "crmModelName": text(mapping.get("crmModelName")),
                        "crmFieldName": text(mapping.get("crmFieldName")),
                    }
                    | named
                )


def _add_followups(streams: dict[str, Rows], parent: Row, recording: Row) -> None:
    for ordinal, item in enumerate(items(recording.get("followups"))):
        if isinstance(item, dict):
            streams["recording_followups"][(parent["recordingId"], ordinal)] = parent | {
                "ordinal": ordinal,
                "id": text(item.get("id")),
                "score": number(item.get("score")),
            }


def typed(value: object) -> tuple[str | None, str]:
    """Return an extraction's value as text, and its type."""
    if isinstance(value, str):
        return text(value), "string"
    kinds = {bool: "boolean", int: "number", float: "number", list: "array", dict: "object", type(None): "null"}
    return json_text(value), kinds[type(value)]


def _extraction(value: object) -> Row | None:
    if not isinstance(value, dict):
        return None
    written, kind = typed(value.get("value"))
    return {
        "name": text(value.get("name")),
        "value": written,
        "valueType": kind,
        "mappings": each(known(crmModelName=text, crmFieldName=text))(value.get("mappings")),
    }


_LINK = known(id=text, externalId=text)
_COLUMNS = columns(
    "id organizationId userId title result",
    moments="createdAt updatedAt rootDataPurgedAt deletedAt",
    numbers="durationInMilliseconds latitude longitude evaluationScore",
    flags="deleted isProcessingDone isEntityExtractionDone isSummaryDone",
    links=known(web=known(self=text)),
    crm=known(
        integrationConnectionId=text,
        users=each(_LINK),
        contacts=each(_LINK),
        **dict.fromkeys(("engagement", "opportunity", "account", "lead"), _LINK),
    ),
    summary=each(known(id=text, name=text, content=text)),
    entityExtractions=each(_extraction),
    followups=each(known(id=text, score=number)),
)
