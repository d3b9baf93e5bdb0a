"""Appointments in the CRM."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.sandbox import timestamps
from tests.sandbox.listing import CRM_USERS, MADE, CrmListing, crm_links
from tests.sandbox.oracle import columns, json_text

if TYPE_CHECKING:
    from tests.sandbox.kinds import Lists, Recording, Row

ENGAGEMENTS = "/v1/integrations/engagements"
_HOUR = 3_600_000


class Engagements(CrmListing):
    """The appointments that recordings are linked to, and five without a recording."""

    name = "engagements"
    path = ENGAGEMENTS
    derived = {"engagement_users": ("engagementId", "ordinal")}
    users = "engagementUsers"
    columns = columns(
        "id externalId engagementType direction subject content startTimeLocalized recordingId opportunityId accountId "
        "organizationId",
        moments="startTime endTime createdAt updatedAt",
        account=json_text,
        engagementUsers=CRM_USERS,
    )

    def make(self, lists: Lists, data: list[Recording]) -> list[Row]:
        rng = random.Random("engagements")
        deals = {each["id"]: link["id"] for each, link in crm_links(data, "opportunity")}
        made = []
        for recording, link in crm_links(data, "engagement"):
            row = _engagement(rng, link, recording.get("createdAt"), lists.organization)
            row["recordingId"] = recording["id"]
            if recording["id"] in deals:
                row["opportunityId"] = deals[recording["id"]]
            made.append(row)
        others = ({"id": f"unrecorded-{number}", "externalId": f"{number:09d}"} for number in range(5))
        return made + [_engagement(rng, link, MADE, lists.organization) for link in others]


def crm_users(rng: random.Random) -> list[Row]:
    """Make up to two CRM users."""
    return [
        {"id": f"entry-{rng.randrange(10**9)}", "userId": f"crm-{rng.randrange(90)}", "externalId": f"{number}"}
        for number in range(rng.randrange(3))
    ]


def _engagement(rng: random.Random, link: Row, created: object, organization: str) -> Row:
    start = timestamps.parse(created) or 0
    return {
        "id": link["id"],
        "externalId": link.get("externalId"),
        "engagementType": rng.choice(("APPOINTMENT", "CALL")),
        "direction": "OUTBOUND",
        "subject": "Roof inspection",
        "startTime": timestamps.from_ms(start),
        "startTimeLocalized": timestamps.from_ms(start - 6 * _HOUR).removesuffix("Z"),
        "endTime": timestamps.from_ms(start + _HOUR),
        "createdAt": timestamps.from_ms(start - 24 * _HOUR),
        "updatedAt": timestamps.from_ms(start),
        "accountId": f"{rng.randrange(10**6)}_{rng.randrange(10**6)}",
        "organizationId": organization,
        "account": {"name": "Household", "address": {"city": "Omaha"}} if rng.random() < 0.5 else None,
        "engagementUsers": crm_users(rng),
    }
