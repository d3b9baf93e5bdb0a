"""Teams, and the organizations that have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sandbox.faults import Answer
from tests.sandbox.listing import MADE, Listing, asked, counted
from tests.sandbox.oracle import columns, texts
from tests.sandbox.store import Recording, encode

if TYPE_CHECKING:
    from tests.sandbox.kinds import Lists, Request, Row, Rows

IDENTITY = "/v1/core/auth/caller-identity"
ORGANIZATIONS = "/v1/core/organizations"
TEAMS = "/v1/core/organizations/{orgId}/teams"
NAMES = ("North", "South", "East", "West")


class Teams(Listing):
    """Four teams, among which the users are divided."""

    name = "teams"
    path = TEAMS
    default = True
    derived = {"team_members": ("teamId", "userId", "role")}
    columns = columns(
        "id name organizationId",
        moments="createdAt",
        coachUids=texts,
        memberUids=texts,
        newUserDefaultConversationTypes=texts,
    )
    left_out = ("coachManifest", "memberManifest")

    def make(self, lists: Lists, data: list[Recording]) -> list[Row]:
        return [_team(number, name, lists.users, lists.organization) for number, name in enumerate(NAMES)]

    def answer(self, lists: Lists, request: Request) -> Answer:
        organization = request.values["orgId"]
        if organization not in {lists.organization, *lists.group} - lists.refused:
            return self.error(403)
        rows = [row for row in lists.teams if row.get("organizationId", organization) == organization]
        return counted(lists, rows, asked(request, "pageSize", "cursor"))

    def expected(self, lists: Lists) -> dict[str, Rows]:
        rows = super().expected(lists)
        for team in rows["teams"].values():
            for role in ("member", "coach"):
                users = [user for user in team[f"{role}Uids"] or () if user]
                for ordinal, user in enumerate(sorted(set(users), key=users.index)):
                    key = {"teamId": team["id"], "userId": user, "role": role}
                    rows["team_members"][team["id"], user, role] = {**key, "ordinal": ordinal}
        return rows


def identity(lists: Lists, _: Request) -> Answer:
    """Answer with the organization of the token."""
    values = {
        "tokenId": "token-1",
        "tokenName": "Warehouse",
        "organizationId": lists.organization,
        "authorizedOrgGroupId": "group-1" if lists.group else None,
        "parentOrgGroupTokenId": None,
        "createdAt": MADE,
        "createdBy": None,
    }
    return Answer(200, encode(values))


def organizations(lists: Lists, request: Request) -> Answer:
    """Answer with the organizations of a group."""
    rows = [{"id": each, "industries": [], "integrations": [], "teams": []} for each in lists.group]
    return counted(lists, rows, asked(request, "cursor"))


def _team(number: int, name: str, users: list[Row], organization: str) -> Row:
    team_id = f"team-{number}"
    members, coaches = users[number :: len(NAMES)], users[number + 1 :: len(NAMES)][:1]
    for member in members:
        member["memberTeamId"] = team_id
    for coach in coaches:
        coach["coachTeamIds"].append(team_id)
    return {
        "id": team_id,
        "name": name,
        "organizationId": organization,
        "coachUids": [coach["id"] for coach in coaches],
        "coachManifest": _manifest(coaches),
        "memberUids": [member["id"] for member in members],
        "memberManifest": _manifest(members),
        "newUserDefaultConversationTypes": ["first-visit"],
        "createdAt": MADE,
    }


def _manifest(users: list[Row]) -> Row:
    return {user["id"]: {name: user[name] for name in ("email", "firstName", "lastName")} for user in users}
