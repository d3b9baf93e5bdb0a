"""The oracle: which rows a sync has to deliver, computed slowly, plainly and without any of the tap's code."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from tests.sandbox import timestamps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Row: TypeAlias = dict[str, Any]
Rows: TypeAlias = dict[tuple[Any, ...], Row]

KEYS = {
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

# NUL characters and lone surrogates are what Postgres refuses.
_REFUSED = re.compile(r"[\x00\ud800-\udfff]")


def expected_rows(recordings: Iterable[Row], *, since: str | datetime | None = None) -> dict[str, Rows]:
    """Compute the rows of all six streams, by their keys.

    Everything is taken as selected and every flag as on. Recordings without an id have no rows.

    Args:
        recordings: Stored recordings.
        since: Leave out the recordings updated before; those without a readable `updatedAt` stay in.
    """
    start = timestamps.to_ms(since) if isinstance(since, datetime) else timestamps.parse(since)
    if since is not None and start is None:
        raise ValueError(f"{since} is not a moment")
    streams: dict[str, Rows] = {
        "recordings": {},
        "recording_crm_links": {},
        "recording_summary_sections": {},
        "recording_entity_extractions": {},
        "recording_entity_mappings": {},
        "recording_followups": {},
    }
    for recording in recordings:
        updated = timestamps.parse(recording.get("updatedAt"))
        too_old = start is not None and updated is not None and updated < start
        if too_old or not _text(recording.get("id")):
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
    columns: dict[str, Callable[[Any], Any]] = {
        "id": _text,
        "organizationId": _text,
        "userId": _text,
        "title": _text,
        "durationInMilliseconds": _number,
        "latitude": _number,
        "longitude": _number,
        "result": _text,
        "createdAt": _moment,
        "updatedAt": _moment,
        "rootDataPurgedAt": _moment,
        "deleted": _boolean,
        "deletedAt": _moment,
        "links": _links,
        "isProcessingDone": _boolean,
        "isEntityExtractionDone": _boolean,
        "isSummaryDone": _boolean,
        "crm": _crm,
        "summary": lambda value: _each(value, _section),
        "entityExtractions": lambda value: _each(value, _extraction),
        "evaluationScore": _number,
        "followups": lambda value: _each(value, _followup),
    }
    row = {name: clean(recording.get(name)) for name, clean in columns.items()}
    others = _unknown(recording, {**dict.fromkeys(columns), "links": {"web": {"self": None}}, "crm": _CRM})
    return row | {"otherFields": json.dumps(others, separators=(",", ":"), ensure_ascii=False) if others else None}


_CRM = dict.fromkeys(("integrationConnectionId", *LINKS)) | {
    field: dict.fromkeys(("id", "externalId")) for field in LINKS if field not in {"users", "contacts"}
}


def _unknown(value: Row, known: Row) -> Row:
    """What an object has besides what is known of it, in its place; nothing from inside lists."""
    found: Row = {}
    for name, item in value.items():
        if name not in known:
            found[_REFUSED.sub("", name)] = _deep(item)
        elif known[name] and isinstance(item, dict) and (inner := _unknown(item, known[name])):
            found[name] = inner
    return found


def _add_links(streams: dict[str, Rows], parent: Row, recording: Row) -> None:
    crm = recording.get("crm")
    if not isinstance(crm, dict):
        return
    for field, kind in LINKS.items():
        items = crm.get(field)
        if field not in {"users", "contacts"}:
            items = [items]
        for ordinal, item in enumerate(_items(items)):
            if isinstance(item, dict):
                streams["recording_crm_links"][(parent["recordingId"], kind, ordinal)] = parent | {
                    "objectType": kind,
                    "ordinal": ordinal,
                    "id": _text(item.get("id")),
                    "externalId": _text(item.get("externalId")),
                    "integrationConnectionId": _text(crm.get("integrationConnectionId")),
                }


def _add_sections(streams: dict[str, Rows], parent: Row, recording: Row) -> None:
    for ordinal, item in enumerate(_items(recording.get("summary"))):
        if isinstance(item, dict):
            streams["recording_summary_sections"][(parent["recordingId"], ordinal)] = parent | {
                "ordinal": ordinal,
                "id": _text(item.get("id")),
                "name": _text(item.get("name")),
                "content": _text(item.get("content")),
            }


def _add_extractions(streams: dict[str, Rows], parent: Row, recording: Row) -> None:
    for ordinal, item in enumerate(_items(recording.get("entityExtractions"))):
        if not isinstance(item, dict):
            continue
        value, kind = typed(item.get("value"))
        named = {"name": _text(item.get("name")), "value": value, "valueType": kind}
        key = (parent["recordingId"], ordinal)
        streams["recording_entity_extractions"][key] = parent | {"ordinal": ordinal} | named
        for number, mapping in enumerate(_items(item.get("mappings"))):
            if isinstance(mapping, dict):
                streams["recording_entity_mappings"][(*key, number)] = (
                    parent
                    | {
                        "extractionOrdinal": ordinal,
                        "ordinal": number,
                        "crmModelName": _text(mapping.get("crmModelName")),
                        "crmFieldName": _text(mapping.get("crmFieldName")),
                    }
                    | named
                )


def _add_followups(streams: dict[str, Rows], parent: Row, recording: Row) -> None:
    for ordinal, item in enumerate(_items(recording.get("followups"))):
        if isinstance(item, dict):
            streams["recording_followups"][(parent["recordingId"], ordinal)] = parent | {
                "ordinal": ordinal,
                "id": _text(item.get("id")),
                "score": _number(item.get("score")),
            }


def typed(value: object) -> tuple[str | None, str]:
    """Tell an extraction's value as text, and its type."""
    if value is None:
        return None, "null"
    if isinstance(value, str):
        return _text(value), "string"
    text = _text(json.dumps(_deep(value), separators=(",", ":"), ensure_ascii=False))
    if isinstance(value, bool):
        return text, "boolean"
    if isinstance(value, int | float):
        return text, "number"
    return text, "array" if isinstance(value, list) else "object"


def _deep(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return [_deep(item) for item in value]
    if isinstance(value, dict):
        return {_text(name): _deep(item) for name, item in value.items()}
    return value


def _text(value: object) -> str | None:
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return _REFUSED.sub("", value) if isinstance(value, str) else None


def _number(value: object) -> int | float | None:
    if isinstance(value, str) and re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", value, re.ASCII):
        value = json.loads(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else {"true": True, "false": False}.get(str(value))


def _moment(value: object) -> str | None:
    """Write a moment in UTC with a Z. What has one already is left alone, if it is a moment at all."""
    ms = timestamps.parse(value)
    if ms is None or (isinstance(value, str) and value.endswith("Z")):
        return None if ms is None else str(value)
    return timestamps.from_ms(ms)


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _each(value: object, clean: Callable[[Any], Any]) -> list[Any] | None:
    return [clean(item) for item in value] if isinstance(value, list) else None


def _known(value: object, /, **fields: Callable[[Any], Any]) -> Row | None:
    """Keep the known keys of an object that are there."""
    if not isinstance(value, dict):
        return None
    return {name: clean(value[name]) for name, clean in fields.items() if name in value}


def _links(value: object) -> Row | None:
    return _known(value, web=lambda web: _known(web, self=_text))


def _link(value: object) -> Row | None:
    return _known(value, id=_text, externalId=_text)


def _crm(value: object) -> Row | None:
    return _known(
        value,
        integrationConnectionId=_text,
        users=lambda items: _each(items, _link),
        engagement=_link,
        opportunity=_link,
        contacts=lambda items: _each(items, _link),
        account=_link,
        lead=_link,
    )


def _section(value: object) -> Row | None:
    return _known(value, id=_text, name=_text, content=_text)


def _followup(value: object) -> Row | None:
    return _known(value, id=_text, score=_number)


def _extraction(value: object) -> Row | None:
    if not isinstance(value, dict):
        return None
    text, kind = typed(value.get("value"))
    return {
        "name": _text(value.get("name")),
        "value": text,
        "valueType": kind,
        "mappings": _each(value.get("mappings"), lambda item: _known(item, crmModelName=_text, crmFieldName=_text)),
    }
