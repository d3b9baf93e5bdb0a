"""Changes of recordings between two syncs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sandbox import Sandbox
    from tests.sandbox.oracle import Row


def change(sandbox: Sandbox) -> None:
    """Make lists shorter, link recordings to other appointments, and delete or purge some recordings."""
    whole = [
        each
        for each in sandbox.recordings
        if each.get("updatedAt") and len(each.get("summary") or []) > 1 and (each.get("crm") or {}).get("users")
    ]
    for number, each in enumerate(whole[:30]):
        name, moment = each["id"], "2026-11-20T08:00:00.000Z"
        match number % 5:
            case 0:
                sandbox.update(name, summary=each["summary"][:1], entityExtractions=[])
            case 1:
                sandbox.update(name, crm=each["crm"] | {"engagement": {"id": "e", "externalId": f"new {number}"}})
            case 2:
                sandbox.update(name, deleted=True, deletedAt=moment)
            case 3:
                sandbox.update(name, deleted=None, deletedAt=moment)
            case 4:
                sandbox.update(name, rootDataPurgedAt=moment, summary=[], entityExtractions=[], followups=[], crm=None)


def is_deleted(recording: Row) -> bool:
    return recording.get("deleted") is True or isinstance(recording.get("deletedAt"), str)
