"""Connections to CRMs and other platforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sandbox.listing import MADE, Listing, answered, asked
from tests.sandbox.oracle import columns, each, known

if TYPE_CHECKING:
    from tests.sandbox.kinds import Answer, Lists, Recording, Request, Row

CONNECTIONS = "/v1/core/integrations/connections"


class Connections(Listing):
    """The connections that CRM links name, and one that is not used."""

    name = "integration_connections"
    path = CONNECTIONS
    default = True
    columns = columns(
        "id name externalAccountId organizationId integrationPlatform",
        moments="createdAt updatedAt",
        flags="isActive syncTranscript",
        syncStatus=each(
            known(**columns("id modelName modelSyncStatus", moments="modelModifiedAfter createdAt updatedAt"))
        ),
    )

    def make(self, lists: Lists, data: list[Recording]) -> list[Row]:
        crms = [crm for each in data if isinstance(crm := each.get("crm"), dict)]
        used = {str(crm["integrationConnectionId"]) for crm in crms if crm.get("integrationConnectionId")}
        names = [*sorted(used), "connection-unused"]
        return [_connection(number, name, lists.organization) for number, name in enumerate(names)]

    def answer(self, lists: Lists, request: Request) -> Answer:
        asked(request)
        rows: list[Row] = lists.integration_connections
        return answered(lists, rows, {"data": rows, "cursor": None}, rows)


def _connection(number: int, connection_id: str, organization: str) -> Row:
    platform = ("SERVICE_TITAN", "SALESFORCE", "MERGE")[number % 3]
    return {
        "id": connection_id,
        "name": platform.replace("_", " ").title(),
        "externalAccountId": f"account-{number}",
        "organizationId": organization,
        "integrationPlatform": platform,
        "createdAt": MADE,
        "updatedAt": MADE,
        "isActive": number == 0,
        "syncStatus": [
            {
                "id": f"{connection_id}-{model}",
                "modelName": model,
                "modelSyncStatus": "UP_TO_DATE",
                "modelModifiedAfter": None,
                "createdAt": MADE,
                "updatedAt": MADE,
            }
            for model in ("Opportunity", "Engagement")
        ],
        "syncTranscript": False,
    }
