"""Child records of lists, derived from cleaned records. Pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_siro.records.recording import Record


def team_members(team: Record) -> list[Record]:
    """Return the users in a team, each once in each role."""
    return [
        {"teamId": team["id"], "userId": user_id, "role": role, "ordinal": ordinal}
        for role, column in (("member", "memberUids"), ("coach", "coachUids"))
        for ordinal, user_id in enumerate(dict.fromkeys(filter(None, team[column] or ())))
    ]


def engagement_users(engagement: Record) -> list[Record]:
    """Return the CRM users of an appointment."""
    return _crm_users(engagement, "engagementId", "engagementUsers")


def opportunity_users(opportunity: Record) -> list[Record]:
    """Return the CRM users of a deal."""
    return _crm_users(opportunity, "opportunityId", "opportunityUsers")


def _crm_users(parent: Record, key: str, column: str) -> list[Record]:
    return [
        {
            key: parent["id"],
            "ordinal": ordinal,
            "id": item.get("id"),
            "userId": item.get("userId"),
            "externalId": item.get("externalId"),
        }
        for ordinal, item in enumerate(parent[column] or ())
        if item is not None
    ]
