"""Records of the child streams, derived from a cleaned recording. Pure functions.

A child record's `ordinal` is its place in the API's list, so that a record that was replaced is overwritten in a target
that upserts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_siro.records.recording import Record

_LINKS = (
    ("user", "users"),
    ("engagement", "engagement"),
    ("opportunity", "opportunity"),
    ("contact", "contacts"),
    ("account", "account"),
    ("lead", "lead"),
)
_LINK = dict.fromkeys(("id", "externalId"))
_SECTION = dict.fromkeys(("id", "name", "content"))
_MAPPING = dict.fromkeys(("crmModelName", "crmFieldName"))
_FOLLOWUP = dict.fromkeys(("id", "score"))


def _rows(parent: Record, block: list[Record | None] | None, empty: Record) -> list[Record]:
    """Return a row for each object of a list: the parent's columns, the object's place, and all columns it can have."""
    return [
        {**parent, "ordinal": ordinal, **empty, **item} for ordinal, item in enumerate(block or ()) if item is not None
    ]


def _parent(recording: Record) -> Record:
    return {"recordingId": recording["id"], "recordingUpdatedAt": recording["updatedAt"]}


def _value(extraction: Record) -> Record:
    return {"name": extraction["name"], "value": extraction["value"], "valueType": extraction["valueType"]}


def crm_links(recording: Record) -> list[Record]:
    """Return the CRM records that a recording is linked to."""
    crm = recording["crm"]
    if not crm:
        return []
    parent = {**_parent(recording), "integrationConnectionId": crm.get("integrationConnectionId")}
    rows = []
    for object_type, name in _LINKS:
        if (linked := crm.get(name)) is not None:
            block = linked if isinstance(linked, list) else [linked]
            rows += _rows({**parent, "objectType": object_type}, block, _LINK)
    return rows


def summary_sections(recording: Record) -> list[Record]:
    """Return the sections of a recording's summary."""
    return _rows(_parent(recording), recording["summary"], _SECTION)


def entity_extractions(recording: Record) -> list[Record]:
    """Return the values extracted from a recording."""
    extractions = recording["entityExtractions"]
    return _rows(_parent(recording), extractions and [item and _value(item) for item in extractions], {})


def entity_mappings(recording: Record) -> list[Record]:
    """Return the CRM fields that a recording's extracted values map to."""
    parent, rows = _parent(recording), []
    for place, item in enumerate(recording["entityExtractions"] or ()):
        if item is not None and item["mappings"]:
            rows += _rows({**parent, "extractionOrdinal": place, **_value(item)}, item["mappings"], _MAPPING)
    return rows


def followups(recording: Record) -> list[Record]:
    """Return a recording's follow-ups."""
    return _rows(_parent(recording), recording["followups"], _FOLLOWUP)
