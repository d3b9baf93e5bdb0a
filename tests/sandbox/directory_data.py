"""What recordings point to: users, teams, connections, appointments, deals and events, made to fit a data set."""

from __future__ import annotations

import functools
import pickle
import random
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from tests.sandbox import timestamps
from tests.sandbox.data import ORGANIZATION, recordings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.sandbox.store import Recording

Row = dict[str, Any]


MADE = "2024-03-01T09:00:00.000Z"
FIRST = ("Ana", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gina", "Hugo", "Ida", "Jon")
LAST = ("Marsh", "Okafor", "Pruitt", "Quinn", "Reyes", "Stone", "Tran", "Ueda")
TEAMS = ("North", "South", "East", "West")
_HOUR = 3_600_000


@dataclass
class Directory:
    """The rows of every endpoint, as the API sends them, and how it sends them."""

    users: list[Row] = field(default_factory=list)
    teams: list[Row] = field(default_factory=list)
    connections: list[Row] = field(default_factory=list)
    engagements: list[Row] = field(default_factory=list)
    opportunities: list[Row] = field(default_factory=list)
    mobile_events: list[Row] = field(default_factory=list)
    organization: str = ORGANIZATION
    group: list[str] = field(default_factory=list)
    """The organizations of a token that is for a group of them."""
    refused: set[str] = field(default_factory=set)
    """Those of them whose teams it may not read."""
    page_size: int = 100
    """The largest page, and the one that is sent where `pageSize` cannot be asked for."""
    disabled_apart: bool = False
    """Whether disabled users come with `disabled=true` alone."""
    bare: bool = False
    """Whether lists come without `data` around them; events, as a list in that list."""

    @classmethod
    def of(cls, data: Iterable[Recording], **options: Any) -> Self:
        """Make what some recordings point to, and a little that nothing points to."""
        rng = random.Random("directory")
        data = [each for each in data if isinstance(each.get("id"), str)]
        ids = sorted({str(each["userId"]) for each in data if isinstance(each.get("userId"), str)})
        made = cls(**options)
        made.users = [_user(number, user_id, made.organization) for number, user_id in enumerate(ids)]
        made.users += [
            _user(len(ids), f"{'former':>028}", made.organization, disabled=True),
            _user(len(ids) + 1, f"{'staff':>028}", made.organization, email="bot@siro.ai"),
        ]
        made.teams = [_team(number, name, made.users, made.organization) for number, name in enumerate(TEAMS)]
        crms = [(each, crm) for each in data if isinstance(crm := each.get("crm"), dict)]
        connections = {str(crm.get("integrationConnectionId")) for _, crm in crms} - {"None"}
        made.connections = [
            _connection(number, each, made.organization)
            for number, each in enumerate([*sorted(connections), "connection-unused"])
        ]
        for recording, crm in crms:
            engagement, opportunity = _linked(crm, "engagement"), _linked(crm, "opportunity")
            if engagement:
                made.engagements.append(_engagement(rng, engagement, opportunity, recording, made.organization))
            if opportunity:
                made.opportunities.append(_opportunity(rng, opportunity, recording, made.organization))
        made.engagements += [
            _engagement(rng, {"id": f"unrecorded-{number}", "externalId": f"{number:09d}"}, None, None, ORGANIZATION)
            for number in range(5)
        ]
        for recording in data[:40]:
            made.mobile_events += _events(rng, recording, made.organization)
        return made

    def copy(self) -> Self:
        """A copy that can be changed."""
        return deepcopy(self)


def default_directory() -> Directory:
    """What a sandbox serves if it is not given another: that of a small data set."""
    made: Directory = pickle.loads(_default())  # noqa: S301
    return made


@functools.cache
def _default() -> bytes:
    """Pickled, which is ten times as fast to copy: every sandbox has its own."""
    return pickle.dumps(Directory.of(recordings(60, odd=False)))


def _linked(crm: Row, name: str) -> Row | None:
    link = crm.get(name)
    return link if isinstance(link, dict) and isinstance(link.get("id"), str) else None


def _user(number: int, user_id: str, organization: str, **changes: Any) -> Row:
    first, last = FIRST[number % len(FIRST)], LAST[number % len(LAST)]
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
        **changes,
    }


def _team(number: int, name: str, users: list[Row], organization: str) -> Row:
    team_id = f"team-{number}"
    members, coaches = users[number :: len(TEAMS)], users[number + 1 :: len(TEAMS)][:1]
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


def _crm_users(rng: random.Random) -> list[Row]:
    return [
        {"id": f"entry-{rng.randrange(10**9)}", "userId": f"crm-{rng.randrange(90)}", "externalId": f"{number}"}
        for number in range(rng.randrange(3))
    ]


def _engagement(
    rng: random.Random, link: Row, opportunity: Row | None, recording: Recording | None, organization: str
) -> Row:
    start = timestamps.parse(recording.get("createdAt") if recording else MADE) or 0
    made = {
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
        "engagementUsers": _crm_users(rng),
    }
    if recording:
        made["recordingId"] = recording["id"]
    if opportunity:
        made["opportunityId"] = opportunity["id"]
    return made


def _opportunity(rng: random.Random, link: Row, recording: Recording, organization: str) -> Row:
    disposition = rng.choice(("WON", "LOST", "OPEN"))
    closed = timestamps.parse(recording.get("createdAt")) or 0
    return {
        "id": link["id"],
        "externalId": link.get("externalId"),
        "name": "New roof",
        "amount": rng.randrange(1_000, 90_000) + rng.choice((0, 0.5, 0.25)),
        **({} if disposition == "OPEN" else {"closedAt": timestamps.from_ms(closed + 24 * _HOUR)}),
        "disposition": disposition,
        "createdAt": timestamps.from_ms(closed - 24 * _HOUR),
        "updatedAt": timestamps.from_ms(closed),
        "recordingId": recording["id"],
        "accountId": f"{rng.randrange(10**6)}",
        "organizationId": organization,
        "account": None,
        "opportunityUsers": _crm_users(rng),
    }


def _events(rng: random.Random, recording: Recording, organization: str) -> list[Row]:
    """A recording's start and stop, and what is logged in the same millisecond."""
    created = timestamps.parse(recording.get("createdAt")) or 0
    kinds: tuple[tuple[int, str, Row], ...] = (
        (0, "recorderStateChange", {"value": "start", "trigger": "buttonPress"}),
        (0, "consentStatusChanged", {"status": "granted"}),
        (60_000, "recorderStateChange", {"value": "stop", "trigger": "buttonPress"}),
    )
    return [
        {
            "id": f"event-{rng.getrandbits(64):016x}",
            "recordingId": recording["id"] if code == "recorderStateChange" else None,
            "externalOpportunityIds": [f"{rng.randrange(10**6)}"],
            "userId": recording.get("userId"),
            "organizationId": organization,
            "eventCode": code,
            "event": event,
            "value": event.get("value"),
            "createdAt": timestamps.from_ms(created + after),
        }
        for after, code, event in kinds
    ]
