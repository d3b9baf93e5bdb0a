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


def _items(block: list[Record | None] | None) -> list[tuple[int, Record]]:
    """Return the objects of a list, each with its place."""
    return [(ordinal, item) for ordinal, item in enumerate(block or ()) if item is not None]


def crm_links(recording: Record) -> list[Record]:
    """Return the CRM records that a recording is linked to."""
    crm = recording["crm"]
    if not crm:
        return []
    recording_id, updated_at = recording["id"], recording["updatedAt"]
    connection = crm.get("integrationConnectionId")
    records = []
    for object_type, name in _LINKS:
        linked = crm.get(name)
        if linked is None:
            continue
        for ordinal, item in _items(linked if isinstance(linked, list) else [linked]):
            records.append(
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
    return records


def summary_sections(recording: Record) -> list[Record]:
    """Return the sections of a recording's summary."""
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


def entity_extractions(recording: Record) -> list[Record]:
    """Return the values extracted from a recording."""
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


def entity_mappings(recording: Record) -> list[Record]:
    """Return the CRM fields that a recording's extracted values map to."""
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


def followups(recording: Record) -> list[Record]:
    """Return a recording's follow-ups."""
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
