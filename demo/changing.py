"""Changes of the recordings between the two syncs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sandbox import timestamps
from tests.sandbox.data import recordings

if TYPE_CHECKING:
    from tests.sandbox import Sandbox

RENAMED = 40
DESCRIPTION = (
    f"{RENAMED} recordings get a new title and result, one loses sections of its summary, one is deleted,\n"
    "one is new, and one is linked to another appointment in the CRM"
)
WRITTEN_BACK = [
    ("Outcome", "Agreed to a second visit", "Engagement", "outcome", "appointment-2"),
    ("Amount", "18400", "Opportunity", "amount", "opportunity-1"),
    ("Roof type", "Slate", "Account", "roof_type", "account-1"),
]


def change(sandbox: Sandbox) -> tuple[set[str], str]:
    """Change recordings of the sandbox.

    Returns:
        The ids of the changed recordings, and the id of the one with another appointment.
    """
    whole = [each for each in sandbox.recordings if each.get("crm") and len(each.get("summary") or ()) > 1]
    shorter, deleted, linked, *others = [each["id"] for each in whole[: RENAMED + 3]]
    for name in others:
        sandbox.update(name, title="Visit, second offer", result="WON")
    summary = next(each["summary"] for each in whole if each["id"] == shorter)
    sandbox.update(shorter, summary=summary[:1])
    now = timestamps.from_ms(timestamps.to_ms(sandbox.now()))
    sandbox.update(deleted, deleted=True, deletedAt=now)
    new = recordings(1, seed=8, odd=False)[0] | {"createdAt": now, "updatedAt": now}
    sandbox.add(new)
    _link_anew(sandbox, linked)
    return {shorter, deleted, linked, new["id"], *others}, linked


def _link_anew(sandbox: Sandbox, name: str) -> None:
    sandbox.update(
        name,
        crm={
            "integrationConnectionId": "connection-0001",
            "users": [{"id": "siro-1", "externalId": "user-1"}],
            "contacts": [],
            **{
                row[2].lower(): {"id": f"siro-{number}", "externalId": row[4]}
                for number, row in enumerate(WRITTEN_BACK, 2)
            },
        },
        entityExtractions=[
            {
                "name": row[0],
                "value": int(row[1]) if row[1].isdigit() else row[1],
                "mappings": [{"crmModelName": row[2], "crmFieldName": row[3]}],
            }
            for row in WRITTEN_BACK
        ],
    )
