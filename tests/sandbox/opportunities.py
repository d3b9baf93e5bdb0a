"""Deals in the CRM."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.sandbox import timestamps
from tests.sandbox.engagements import crm_users
from tests.sandbox.listing import CRM_USERS, CrmListing, crm_links
from tests.sandbox.oracle import columns, json_text, known

if TYPE_CHECKING:
    from tests.sandbox.kinds import Lists, Recording, Row

OPPORTUNITIES = "/v1/integrations/opportunities"
_DAY = 86_400_000
COLUMNS = columns(
    "id externalId name disposition recordingId accountId organizationId",
    moments="closedAt createdAt updatedAt",
    numbers="amount",
    account=json_text,
)
OPPORTUNITY = known(**COLUMNS, opportunityUsers=json_text)
"""Return a deal as it is inside a follow-up's customer."""


class Opportunities(CrmListing):
    """The deals that recordings are linked to."""

    name = "opportunities"
    path = OPPORTUNITIES
    derived = {"opportunity_users": ("opportunityId", "ordinal")}
    users = "opportunityUsers"
    columns = COLUMNS | {"opportunityUsers": CRM_USERS}

    def make(self, lists: Lists, data: list[Recording]) -> list[Row]:
        rng = random.Random("opportunities")
        return [_opportunity(rng, link, each, lists.organization) for each, link in crm_links(data, "opportunity")]


def _opportunity(rng: random.Random, link: Row, recording: Recording, organization: str) -> Row:
    disposition = rng.choice(("WON", "LOST", "OPEN"))
    closed = timestamps.parse(recording.get("createdAt")) or 0
    return {
        "id": link["id"],
        "externalId": link.get("externalId"),
        "name": "New roof",
        "amount": rng.randrange(1_000, 90_000) + rng.choice((0, 0.5, 0.25)),
        **({} if disposition == "OPEN" else {"closedAt": timestamps.from_ms(closed + _DAY)}),
        "disposition": disposition,
        "createdAt": timestamps.from_ms(closed - _DAY),
        "updatedAt": timestamps.from_ms(closed),
        "recordingId": recording["id"],
        "accountId": f"{rng.randrange(10**6)}",
        "organizationId": organization,
        "account": None,
        "opportunityUsers": crm_users(rng),
    }
