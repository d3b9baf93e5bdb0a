"""Rows: one recording, cleaned, and the child rows that are cut from it. Pure functions.

`Recording` cleans; the functions below it each make the rows of one child stream. A child row's `ordinal` is the
place in the API's list, so that a row that was replaced is overwritten in a target that upserts.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from tap_siro import schemas
from tap_siro.cleaning import Oddities, cleaner, fitting

if TYPE_CHECKING:
    from collections.abc import Mapping

Row = dict[str, Any]


_encode = msgspec.json.Encoder(decimal_format="number").encode

_LINKS = (
    ("user", "users"),
    ("engagement", "engagement"),
    ("opportunity", "opportunity"),
    ("contact", "contacts"),
    ("account", "account"),
    ("lead", "lead"),
)


def value_text(value: Any) -> tuple[str | None, str]:
    """An extracted value as text, and its JSON type.

    A string stays as it is and null stays null; anything else becomes JSON text with every digit it had, so that
    nothing is lost and every target can store it.
    """
    if isinstance(value, str):
        return value, "string"
    if value is None:
        return None, "null"
    return _encode(value).decode(), _TYPES[type(value)]


_TYPES = {bool: "boolean", int: "number", float: "number", Decimal: "number", list: "array", dict: "object"}


class RecordingCleaner:
    """Makes a recording of the API fit the columns of `recordings`."""

    def __init__(self, oddities: Oddities) -> None:
        """Clean, and tell `oddities` of what does not fit."""
        columns = schemas.RECORDINGS["properties"]
        self._clean = cleaner(schemas.RECORDINGS, "", oddities)
        self._oddities = oddities
        self._fitting = fitting(schemas.RECORDINGS)
        self._instants = [
            (name, cleaner(column, name, oddities))
            for name, column in columns.items()
            if column.get("format") == "date-time"
        ]
        self._empty = dict.fromkeys(columns)

    def __call__(self, recording: Mapping[str, Any]) -> Row:
        """The recording with all columns; those that the API left out are null."""
        extractions = recording.get("entityExtractions")
        if isinstance(extractions, list):
            recording = {**recording, "entityExtractions": [self._typed(item) for item in extractions]}
        try:
            msgspec.convert(recording, self._fitting)
        except msgspec.ValidationError:
            return {**self._empty, **self._clean(recording)}
        # Nearly always, and several times faster.
        row = {**self._empty, **recording}
        for name, clean in self._instants:
            if row[name] is not None:
                row[name] = clean(row[name])
        return row

    def _typed(self, extraction: Any) -> Any:
        if not isinstance(extraction, dict):
            return extraction
        try:
            value, value_type = value_text(extraction.get("value"))
        except RecursionError:
            self._oddities.odd("entityExtractions.value", "something that is nested less than 900 times")
            value, value_type = None, "null"
        mappings = extraction.get("mappings")
        return {"name": None, **extraction, "value": value, "valueType": value_type, "mappings": mappings}


def _items(block: list[Row | None] | None) -> list[tuple[int, Row]]:
    """The items of a list that are objects, with their places."""
    return [(ordinal, item) for ordinal, item in enumerate(block or ()) if item is not None]


def crm_links(recording: Row) -> list[Row]:
    """The CRM records that a recording is linked to."""
    crm = recording["crm"]
    if not crm:
        return []
    recording_id, updated_at = recording["id"], recording["updatedAt"]
    connection = crm.get("integrationConnectionId")
    rows = []
    for object_type, name in _LINKS:
        linked = crm.get(name)
        if linked is None:
            continue
        for ordinal, item in _items(linked if isinstance(linked, list) else [linked]):
            rows.append(
                {
                    "recordingId": recording_id,
                    "recordingUpdatedAt": updated_at,
                    "objectType": object_type,
                    "ordinal": ordinal,
                    "id": item.get("id"),
                    "externalId": item.get("externalId"),
                    "integrationConnectionId": connection,
                }
            )
    return rows


def summary_sections(recording: Row) -> list[Row]:
    """The sections of a recording's summary."""
    recording_id, updated_at = recording["id"], recording["updatedAt"]
    return [
        {
            "recordingId": recording_id,
            "recordingUpdatedAt": updated_at,
            "ordinal": ordinal,
            "id": item.get("id"),
            "name": item.get("name"),
            "content": item.get("content"),
        }
        for ordinal, item in _items(recording["summary"])
    ]


def entity_extractions(recording: Row) -> list[Row]:
    """The values extracted from a recording."""
    recording_id, updated_at = recording["id"], recording["updatedAt"]
    return [
        {
            "recordingId": recording_id,
            "recordingUpdatedAt": updated_at,
            "ordinal": ordinal,
            "name": item["name"],
            "value": item["value"],
            "valueType": item["valueType"],
        }
        for ordinal, item in _items(recording["entityExtractions"])
    ]


def entity_mappings(recording: Row) -> list[Row]:
    """The CRM fields that a recording's extracted values map to."""
    recording_id, updated_at = recording["id"], recording["updatedAt"]
    return [
        {
            "recordingId": recording_id,
            "recordingUpdatedAt": updated_at,
            "extractionOrdinal": extraction_ordinal,
            "ordinal": ordinal,
            "crmModelName": mapping.get("crmModelName"),
            "crmFieldName": mapping.get("crmFieldName"),
            "name": item["name"],
            "value": item["value"],
            "valueType": item["valueType"],
        }
        for extraction_ordinal, item in _items(recording["entityExtractions"])
        for ordinal, mapping in _items(item["mappings"])
    ]


def followups(recording: Row) -> list[Row]:
    """A recording's follow-ups."""
    recording_id, updated_at = recording["id"], recording["updatedAt"]
    return [
        {
            "recordingId": recording_id,
            "recordingUpdatedAt": updated_at,
            "ordinal": ordinal,
            "id": item.get("id"),
            "score": item.get("score"),
        }
        for ordinal, item in _items(recording["followups"])
    ]
