"""What Siro has of a single recording: its follow-ups in full, and its transcript on another host.

Both are made from the recording's id and its list entry, so that any data set has them; a test can put its own in
their place. Each kind of follow-up and transcript that is odd comes up once every few recordings.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from tests.sandbox import timestamps
from tests.sandbox.edge_cases import TEXT
from tests.sandbox.faults import Answer, message
from tests.sandbox.query import FLAGS, BadRequestError
from tests.sandbox.routes import RECORDINGS, Request, Route
from tests.sandbox.store import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.store import Recording, Store

RECORDING = f"{RECORDINGS}/{{id}}"
UTTERANCES = f"{RECORDING}/utterances"
USER_API = "/user-api"
"""What stands for the second host."""

_HOUR = 3_600_000
_SENTENCES = ("The price is what worries me.", "We can start next week.", "Let me ask my wife first.", TEXT)


class Details:
    """The two addresses. The sandbox has one as `sandbox.details`."""

    def __init__(self, store: Store, allows: Callable[[Request], bool]) -> None:
        """Take the recordings, and who may read transcripts."""
        self.followups: dict[str, list[Any]] = {}
        """Follow-ups in place of those that are made, by the recording's id."""
        self.transcripts: dict[str, dict[str, Any] | None] = {}
        """Transcripts in place of those that are made; None if there is none."""
        self.gone: set[str] = set()
        """Recordings that single requests get a 410 for; deleted ones are among them anyway."""
        self.utterances_a_page = 5
        """The most that a page has; the documentation speaks of 100,000."""
        self._store = store
        self.routes = (
            Route(RECORDING, self._recording),
            Route(UTTERANCES, self._utterances, base=USER_API, allows=allows),
        )

    def followups_of(self, recording: Recording) -> list[Any]:
        """Follow-ups in full."""
        found = self.followups.get(recording["id"])
        return make_followups(recording) if found is None else found

    def transcript_of(self, recording: Recording) -> dict[str, Any] | None:
        """A transcript, with all its utterances."""
        name = recording["id"]
        return self.transcripts[name] if name in self.transcripts else make_transcript(recording)

    def is_gone(self, recording: Recording) -> bool:
        """Whether single requests for it are refused."""
        return recording["id"] in self.gone or recording.get("deleted") is True

    def _recording(self, request: Request) -> Answer:
        recording = self._store.get(request.values["id"])
        if recording is None:
            return message(404, "Not Found")
        if self.is_gone(recording):
            return message(410, "Gone")
        if unknown := request.params.keys() - FLAGS.keys():
            raise BadRequestError(f"unknown parameters {', '.join(sorted(unknown))}")
        if isinstance(recording.get("followups"), list):
            recording["followups"] = self.followups_of(recording)
        for flag, block in FLAGS.items():
            if request.params.get(flag) != "true":
                recording.pop(block, None)
        return Answer(200, encode(recording), rows=1)

    def _utterances(self, request: Request) -> Answer:
        recording = self._store.get(request.values["id"])
        transcript = None if recording is None or self.is_gone(recording) else self.transcript_of(recording)
        if transcript is None:
            return message(404, "Not Found")
        size = min(_number(request, "pageSize", 100_000), self.utterances_a_page)
        page = _number(request, "cursor", 1)
        start, end = (page - 1) * size, page * size
        lines = transcript["utterances"]
        more = end < len(lines)
        data = {**transcript, "utterances": lines[start:end]}
        if page > 1 and len(lines) % 3:
            data.pop("speakerMap", None)  # whether each page has it is not documented
        answer = {"data": data, "cursor": page + 1 if more else None}
        if len(lines) % 2:
            # Elsewhere in the API, an answer may have a cursor at the end too, and say that it is one.
            answer |= {"cursor": page + 1, "hasNextPage": more}
        return Answer(200, encode(answer), rows=len(lines[start:end]))


def _number(request: Request, name: str, default: int) -> int:
    text = request.params.get(name, str(default))
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise BadRequestError(f"{name} is not a number from 1")
    return int(text)


def make_followups(recording: Recording) -> list[dict[str, Any]]:
    """Make the follow-ups of a recording in full, of those that its list entry has with an id."""
    listed = {item["id"]: item for item in recording.get("followups") or [] if isinstance(item.get("id"), str)}
    return [_followup(recording, item) for item in listed.values()]


def _followup(recording: Recording, listed: dict[str, Any]) -> dict[str, Any]:
    rng = random.Random(f"follow-up {recording['id']} {listed['id']}")
    created = timestamps.parse(recording.get("createdAt")) or 0
    moments = [timestamps.from_ms(created + number * _HOUR) for number in range(4)]
    status = rng.choice(("TO_DO", "IN_PROGRESS", "COMPLETE"))
    done = status == "COMPLETE"
    made: dict[str, Any] = {
        "recordingId": recording["id"],
        "recordingTitle": recording.get("title"),
        "repName": "Ada Byron",
        "repId": recording.get("userId"),
        "teamName": rng.choice(("North", None)),
        "teamId": "team-1",
        "followupId": listed["id"],
        "dateCreated": moments[0],
        "followupType": rng.choice(("REHASH", "CROSS_SELL")),
        "score": listed.get("score"),
        "followupAction": rng.choice(("Call again with the new price.", None)),
        "context": [
            {"header": "MAIN_OBJECTION", "value": rng.choice(_SENTENCES)},
            {"header": "OVERALL_COST", "value": "12,500"},
        ],
        "updatedAt": moments[1],
        "metadata": [{"source": "model", "version": "3"}, {"window": "2 days"}],
        "starred": rng.random() < 0.2,
        "status": status,
        "thinking": rng.choice(_SENTENCES),
        "history": [_change(rng, number, moment) for number, moment in enumerate(moments[1:3])],
        "crmUrl": None,
        "crmCustomer": _customer(recording, rng, moments),
        "hasFollowupComment": False,
        "note": "Left a message." if done else None,
        "completed": done,
        "completedBy": recording.get("userId") if done else None,
        "completedAt": moments[3] if done else None,
    }
    for name, value in rng.choice(_ODD_FOLLOWUPS).items():
        if value is ...:
            del made[name]
        else:
            made[name] = value
    return made


_ODD_FOLLOWUPS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"context": [], "history": None, "crmCustomer": None, "metadata": []},
    {"context": None, "history": ..., "crmCustomer": ..., "crmUrl": ..., "metadata": None, "status": None},
    {"context": [{"header": None}, {}], "history": [{"id": "h"}, {}], "thinking": TEXT, "recordingTitle": TEXT},
    {"recordingId": ..., "recordingTitle": ..., "score": 4.5, "dateCreated": "2025-03-01T12:00:00+02:00"},
)


def _change(rng: random.Random, number: int, moment: str) -> dict[str, Any]:
    by_system = rng.random() < 0.5
    change = {
        "id": f"history-{number}",
        "updatedBy": "Siro" if by_system else "Ada Byron",
        "updatedByUserId": None if by_system else "SandboxUser0000000000000000a",
        "createdAt": moment,
    }
    return change | ({"status": "IN_PROGRESS"} if by_system else {"note": "Called, no answer."})


def _customer(recording: Recording, rng: random.Random, moments: list[str]) -> dict[str, Any]:
    opportunity = {
        "id": "opportunity-1",
        "externalId": "J-100",
        "name": "Roof",
        "amount": rng.choice((12_500, 980.5)),
        "disposition": "OPEN",
        "createdAt": moments[0],
        "updatedAt": moments[1],
        "organizationId": recording.get("organizationId"),
        # Neither has a type in the documentation.
        "account": {"name": "Lovelace"},
        "opportunityUsers": [{"id": 1}, "two"],
    }
    customer: dict[str, Any] = {
        "id": f"customer-{rng.randrange(1000)}",
        "name": rng.choice(("Grace Lovelace", None)),
        "crmUrl": "https://crm.example/customers/1",
        "customerType": rng.choice(("ACCOUNT", "OPPORTUNITY", "DMS_OPPORTUNITY")),
        "createdAt": moments[0],
        "updatedAt": moments[1],
        "closedAt": None,
        "emailAddress": "grace@example.com",
        "amount": rng.choice((12_500, None)),
        "recordingId": recording["id"],
        "numRecordings": rng.randrange(1, 5),
        "matchingSource": rng.choice(("DIRECT", "FUZZY", None)),
        "opportunityUsers": [{"id": "user-1"}],
        "organizationId": recording.get("organizationId"),
        "integrationPlatform": "SERVICE_TITAN",
    }
    more: tuple[dict[str, Any], ...] = (
        {},
        {"opportunity": opportunity, "contactAccount": {"id": "account-1", "name": None}},
        {"opportunities": {"data": [opportunity, opportunity], "cursor": None}, "opportunity": None},
    )
    return customer | rng.choice(more)


def make_transcript(recording: Recording) -> dict[str, Any] | None:
    """Make the transcript of a recording; None if it has none."""
    rng = random.Random(f"transcript {recording['id']}")
    if recording.get("isProcessingDone") is False or recording.get("rootDataPurgedAt"):
        return None
    kind = rng.randrange(10)
    if kind == 0:
        return None
    length = 0 if kind == 1 else rng.randrange(1, 14)
    transcript: dict[str, Any] = {"utterances": [_utterance(rng, number) for number in range(length)]}
    maps: tuple[Any, ...] = ({"0": "Ada Byron", "1": "Customer"}, {"0": TEXT, "1": None}, {}, None, ...)
    speakers = maps[0] if kind > 5 else rng.choice(maps)
    return transcript if speakers is ... else {**transcript, "speakerMap": speakers}


def _utterance(rng: random.Random, number: int) -> dict[str, Any]:
    made: dict[str, Any] = {
        "utterance": rng.choice(_SENTENCES),
        "startTimeInMillis": number * 4_000,
        "endTimeInMillis": number * 4_000 + rng.randrange(500, 4_000),
        "speakerTag": rng.choice(("0", "1", "2")),
        "redacted": False,
        "confidence": round(rng.random(), 4),
    }
    changes: tuple[dict[str, Any], ...] = (
        {},
        {},
        {},
        {"redacted": True, "utterance": "[REDACTED]"},
        {"redacted": True, "utterance": None},
        {"speakerTag": rng.randrange(3), "confidence": 1},
        {"speakerTag": None, "confidence": None, "redacted": None, "startTimeInMillis": 1_500.5},
    )
    return made | rng.choice(changes)
