"""The routes of what recordings point to, and the rows that a sync of them has to deliver."""

from __future__ import annotations

import base64
import functools
import json
from typing import TYPE_CHECKING, Any

from tests.sandbox import timestamps
from tests.sandbox.expected import _boolean, _moment, _number, _text
from tests.sandbox.faults import Answer, message
from tests.sandbox.query import BadRequestError
from tests.sandbox.routes import Request, Route
from tests.sandbox.store import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.directory_data import Directory
    from tests.sandbox.expected import Rows

Row = dict[str, Any]

IDENTITY = "/v1/core/auth/caller-identity"
ORGANIZATIONS = "/v1/core/organizations"
USERS = "/v1/core/users"
TEAMS = "/v1/core/organizations/{orgId}/teams"
CONNECTIONS = "/v1/core/integrations/connections"
ENGAGEMENTS = "/v1/integrations/engagements"
OPPORTUNITIES = "/v1/integrations/opportunities"
EVENTS = "/v1/core/mobile-events"

PATHS = {
    "users": USERS,
    "teams": TEAMS,
    "integration_connections": CONNECTIONS,
    "engagements": ENGAGEMENTS,
    "opportunities": OPPORTUNITIES,
    "mobile_events": EVENTS,
}
"""The address of each stream that is asked for."""
KEYS = {
    "users": ("id",),
    "teams": ("id",),
    "team_members": ("teamId", "userId", "role"),
    "integration_connections": ("id",),
    "engagements": ("id",),
    "engagement_users": ("engagementId", "ordinal"),
    "opportunities": ("id",),
    "opportunity_users": ("opportunityId", "ordinal"),
    "mobile_events": ("id",),
}
"""The key columns of each stream."""
DEFAULT = ("users", "teams", "team_members", "integration_connections")
"""The streams that are selected by default."""
LARGEST_EVENTS = 1000


def routes(directory: Directory) -> list[Route]:
    """The routes that serve a directory, as it is when they are asked."""
    answers: dict[str, Callable[[Directory, Request], Answer]] = {
        IDENTITY: _identity,
        ORGANIZATIONS: _organizations,
        USERS: _users,
        TEAMS: _teams,
        CONNECTIONS: _connections,
        ENGAGEMENTS: functools.partial(_listed, "engagements"),
        OPPORTUNITIES: functools.partial(_listed, "opportunities"),
        EVENTS: _events,
    }
    return [Route(path, functools.partial(answer, directory)) for path, answer in answers.items()]


def _identity(directory: Directory, _: Request) -> Answer:
    identity = {
        "tokenId": "token-1",
        "tokenName": "Warehouse",
        "organizationId": directory.organization,
        "authorizedOrgGroupId": "group-1" if directory.group else None,
        "parentOrgGroupTokenId": None,
        "createdAt": "2024-03-01T09:00:00.000Z",
        "createdBy": None,
    }
    return Answer(200, encode(identity))


def _organizations(directory: Directory, request: Request) -> Answer:
    rows = [{"id": each, "industries": [], "integrations": [], "teams": []} for each in directory.group]
    return _counted(directory, rows, _asked(request, "cursor"))


def _users(directory: Directory, request: Request) -> Answer:
    asked = _asked(request, "disabled", "excludeSiroUsers", "pageSize", "cursor")
    rows = directory.users
    if asked.get("excludeSiroUsers") == "true":
        rows = [row for row in rows if not str(row.get("email")).endswith("@siro.ai")]
    if "disabled" in asked or directory.disabled_apart:
        wanted = asked.get("disabled") == "true"
        rows = [row for row in rows if row.get("disabled", False) is wanted]
    return _counted(directory, rows, asked)


def _teams(directory: Directory, request: Request) -> Answer:
    organization = request.values["orgId"]
    if organization not in {directory.organization, *directory.group} - directory.refused:
        return message(403, "Forbidden")
    rows = [row for row in directory.teams if row.get("organizationId", organization) == organization]
    return _counted(directory, rows, _asked(request, "pageSize", "cursor"))


def _connections(directory: Directory, request: Request) -> Answer:
    _asked(request)
    return _answer(directory.connections, {"data": directory.connections, "cursor": None})


def _listed(name: str, directory: Directory, request: Request) -> Answer:
    """What the CRM integrations serve: a cursor that is a number, on the last page too, and `hasNextPage`."""
    start = int(_asked(request, "cursor").get("cursor", "0"))
    rows: list[Row] = getattr(directory, name)
    end = start + directory.page_size
    if directory.bare:
        return _answer(rows, rows)
    page = {"data": rows[start:end], "cursor": end, "pageSize": directory.page_size, "total": len(rows)}
    return _answer(rows[start:end], {**page, "hasNextPage": end < len(rows)})


def _events(directory: Directory, request: Request) -> Answer:
    """The newest first; the cursor is the moment of the last row, and what comes next was created before it."""
    asked = _asked(request, "createdAtGt", "createdAtLt", "pageSize", "cursor")
    after = timestamps.parse(asked.get("createdAtGt"))
    bounds = [timestamps.parse(asked.get("createdAtLt"))]
    if "cursor" in asked:
        bounds.append(int(base64.b64decode(asked["cursor"])))
    before = min((bound for bound in bounds if bound is not None), default=None)
    rows = sorted(((timestamps.parse(row["createdAt"]) or 0, row) for row in directory.mobile_events), key=_moment_of)
    found = [
        (created, row)
        for created, row in reversed(rows)
        if (after is None or created > after) and (before is None or created < before)
    ]
    size = min(int(asked.get("pageSize", "100")), LARGEST_EVENTS, directory.page_size)
    served = [row for _, row in found[:size]]
    cursor = base64.b64encode(str(found[size - 1][0]).encode()).decode() if len(found) > size else None
    return _answer(served, {"data": [served] if directory.bare else served, "cursor": cursor})


def _moment_of(row: tuple[int, Row]) -> int:
    return row[0]


def _asked(request: Request, *known: str) -> dict[str, str]:
    if unknown := request.params.keys() - {*known}:
        raise BadRequestError(f"unknown parameter {', '.join(sorted(unknown))}")
    return request.params


def _answer(rows: list[Row], body: object) -> Answer:
    return Answer(200, encode(body), rows=len(rows))


def _counted(directory: Directory, rows: list[Row], asked: dict[str, str]) -> Answer:
    """A page of rows, with a cursor that counts them."""
    start = int(asked.get("cursor", "0"))
    end = start + min(int(asked.get("pageSize", directory.page_size)), directory.page_size)
    if directory.bare:
        return _answer(rows, rows)
    return _answer(rows[start:end], {"data": rows[start:end], "cursor": str(end) if end < len(rows) else None})


def expected_directory(directory: Directory) -> dict[str, Rows]:
    """Compute the rows of all directory streams, by their keys. Rows without an id have none."""
    rows: dict[str, Rows] = {stream: {} for stream in KEYS}
    for stream in PATHS:
        source: list[Row] = getattr(directory, stream.removeprefix("integration_"))
        for row in source:
            if key := _text(row.get("id")):
                rows[stream][(key,)] = _row(row, COLUMNS[stream])
    rows["team_members"] = _team_members(rows["teams"])
    for parents, name in (("engagements", "engagement"), ("opportunities", "opportunity")):
        for parent in rows[parents].values():
            for ordinal, item in enumerate(parent[f"{name}Users"] or ()):
                if item is not None:
                    row = {f"{name}Id": parent["id"], "ordinal": ordinal}
                    row |= {column: item.get(column) for column in ("id", "userId", "externalId")}
                    rows[f"{name}_users"][(parent["id"], ordinal)] = row
    return rows


def _team_members(teams: Rows) -> Rows:
    rows: Rows = {}
    for team in teams.values():
        for role in ("member", "coach"):
            users = [user for user in team[f"{role}Uids"] or () if user]
            for ordinal, user in enumerate(sorted(set(users), key=users.index)):
                key = {"teamId": team["id"], "userId": user, "role": role}
                rows[(team["id"], user, role)] = {**key, "ordinal": ordinal}
    return rows


def _row(row: Row, columns: dict[str, Callable[[Any], Any]]) -> Row:
    others = {name: value for name, value in row.items() if name not in {*columns, *_LEFT_OUT}}
    return {**{name: clean(row.get(name)) for name, clean in columns.items()}, "otherFields": _json(others or None)}


_LEFT_OUT = {"coachManifest", "memberManifest"}


def _texts(value: object) -> list[Any] | None:
    return [_text(item) for item in value] if isinstance(value, list) else None


def _json(value: object) -> str | None:
    return None if value is None else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _object(columns: dict[str, Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def clean(value: object) -> Row | None:
        if not isinstance(value, dict):
            return None
        return {name: clean(value[name]) for name, clean in columns.items() if name in value}

    return clean


def _objects(columns: dict[str, Callable[[Any], Any]]) -> Callable[[Any], Any]:
    return lambda value: [_object(columns)(item) for item in value] if isinstance(value, list) else None


_CRM_USERS = _objects({"id": _text, "userId": _text, "externalId": _text})
COLUMNS: dict[str, dict[str, Callable[[Any], Any]]] = {
    "users": {
        "id": _text,
        "email": _text,
        "organizationId": _text,
        "phoneNumber": _text,
        "firstName": _text,
        "lastName": _text,
        "memberTeamId": _text,
        "coachTeamIds": _texts,
        "externalId": _text,
        "createdAt": _moment,
        "disabled": _boolean,
        "billable": _boolean,
        "contactSettings": _object({"suppressEmails": _boolean, "suppressEmailErrors": _boolean}),
    },
    "teams": {
        "id": _text,
        "name": _text,
        "organizationId": _text,
        "coachUids": _texts,
        "memberUids": _texts,
        "newUserDefaultConversationTypes": _texts,
        "createdAt": _moment,
    },
    "integration_connections": {
        "id": _text,
        "name": _text,
        "externalAccountId": _text,
        "organizationId": _text,
        "integrationPlatform": _text,
        "createdAt": _moment,
        "updatedAt": _moment,
        "isActive": _boolean,
        "syncStatus": _objects(
            {
                "id": _text,
                "modelName": _text,
                "modelSyncStatus": _text,
                "modelModifiedAfter": _moment,
                "createdAt": _moment,
                "updatedAt": _moment,
            }
        ),
        "syncTranscript": _boolean,
    },
    "engagements": {
        "id": _text,
        "externalId": _text,
        "engagementType": _text,
        "direction": _text,
        "subject": _text,
        "content": _text,
        "startTime": _moment,
        "startTimeLocalized": _text,
        "endTime": _moment,
        "createdAt": _moment,
        "updatedAt": _moment,
        "recordingId": _text,
        "opportunityId": _text,
        "accountId": _text,
        "organizationId": _text,
        "account": _json,
        "engagementUsers": _CRM_USERS,
    },
    "opportunities": {
        "id": _text,
        "externalId": _text,
        "name": _text,
        "amount": _number,
        "closedAt": _moment,
        "disposition": _text,
        "createdAt": _moment,
        "updatedAt": _moment,
        "recordingId": _text,
        "accountId": _text,
        "organizationId": _text,
        "account": _json,
        "opportunityUsers": _CRM_USERS,
    },
    "mobile_events": {
        "id": _text,
        "recordingId": _text,
        "externalOpportunityIds": _texts,
        "userId": _text,
        "organizationId": _text,
        "eventCode": _text,
        "event": _json,
        "value": _text,
        "createdAt": _moment,
    },
}
