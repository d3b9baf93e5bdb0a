"""The users of the organization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.sandbox.listing import MADE, Listing, asked, counted
from tests.sandbox.oracle import boolean, columns, known, texts

if TYPE_CHECKING:
    from tests.sandbox.kinds import Answer, Lists, Recording, Request, Row

USERS = "/v1/core/users"
_FIRST = ("Ana", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gina", "Hugo", "Ida", "Jon")
_LAST = ("Marsh", "Okafor", "Pruitt", "Quinn", "Reyes", "Stone", "Tran", "Ueda")


class Users(Listing):
    """Reps, a disabled user, and one of Siro's own staff."""

    name = "users"
    path = USERS
    default = True
    columns = columns(
        "id email organizationId phoneNumber firstName lastName memberTeamId externalId",
        moments="createdAt",
        flags="disabled billable",
        coachTeamIds=texts,
        contactSettings=known(suppressEmails=boolean, suppressEmailErrors=boolean),
    )

    def make(self, lists: Lists, data: list[Recording]) -> list[Row]:
        ids = sorted({str(each["userId"]) for each in data if isinstance(each.get("userId"), str)})
        others: dict[str, dict[str, Any]] = {"former": {"disabled": True}, "staff": {"email": "bot@siro.ai"}}
        made = [_user(number, user_id, lists.organization) for number, user_id in enumerate(ids)]
        for number, (name, changes) in enumerate(others.items(), len(ids)):
            made.append(_user(number, f"{name:>028}", lists.organization) | changes)
        return made

    def answer(self, lists: Lists, request: Request) -> Answer:
        values = asked(request, "disabled", "excludeSiroUsers", "pageSize", "cursor")
        rows: list[Row] = lists.users
        if values.get("excludeSiroUsers") == "true":
            rows = [row for row in rows if not str(row.get("email")).endswith("@siro.ai")]
        if "disabled" in values or lists.disabled_apart:
            wanted = values.get("disabled") == "true"
            rows = [row for row in rows if row.get("disabled", False) is wanted]
        return counted(lists, rows, values)


def _user(number: int, user_id: str, organization: str) -> Row:
    first, last = _FIRST[number % len(_FIRST)], _LAST[number % len(_LAST)]
    return {
        "id": user_id,
        "email": f"{first}.{last}.{number}@example.com".lower(),
        "organizationId": organization,
        "phoneNumber": None,
        "firstName": first,
        "lastName": f"{last} {number}",
        "memberTeamId": None,
        "coachTeamIds": [],
        "externalId": f"technician-{number:04d}",
        "createdAt": MADE,
        "disabled": False,
        "billable": True,
        "contactSettings": {"suppressEmails": number % 2 == 0, "suppressEmailErrors": False},
    }
