"""Follow-ups in full, as in the response for a single recording."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from tests.sandbox import timestamps
from tests.sandbox.detail import SENTENCES, Detail
from tests.sandbox.edge_cases import TEXT
from tests.sandbox.faults import Answer
from tests.sandbox.opportunities import OPPORTUNITY
from tests.sandbox.oracle import columns, each, json_text, known, row, text
from tests.sandbox.query import FLAGS, BadRequestError
from tests.sandbox.routes import RECORDINGS
from tests.sandbox.store import encode

if TYPE_CHECKING:
    from tests.sandbox.kinds import Details, Recording, Request, Row

RECORDING = f"{RECORDINGS}/{{id}}"
_HOUR = 3_600_000


class FollowupDetails(Detail):
    """The follow-ups inside a recording."""

    path = RECORDING
    keys = {"recording_followup_details": ("followupId",)}
    own = "followups"

    def make(self, details: Details, recording: Recording) -> Any:
        return make_followups(recording)

    def answer(self, details: Details, request: Request) -> Answer:
        recording = details.recording(request.values["id"])
        if recording is None:
            return self.error(404)
        if details.is_gone(recording):
            return self.error(410)
        if unknown := request.params.keys() - FLAGS.keys():
            raise BadRequestError(f"unknown parameters {', '.join(sorted(unknown))}")
        if isinstance(recording.get("followups"), list):
            recording["followups"] = details.of(self, recording)
        for flag, block in FLAGS.items():
            if request.params.get(flag) != "true":
                recording.pop(block, None)
        return Answer(200, encode(recording), rows=1)

    def expected(self, details: Details, recording: Recording) -> dict[str, list[Row]]:
        return {
            "recording_followup_details": [row(item, COLUMNS, ("recordingId",)) for item in details.of(self, recording)]
        }


_CUSTOMER = columns(
    "id name crmUrl customerType emailAddress phoneNumber externalId disposition recordingId matchingSource accountId "
    "opportunityAccountName contactId opportunityContactName opportunityId engagementId address organizationId "
    "integrationConnectionId integrationPlatform integrationName",
    moments="lastActivityAt createdAt updatedAt closedAt lastRecordingDate",
    numbers="amount numRecordings",
    opportunity=OPPORTUNITY,
    opportunities=known(data=each(OPPORTUNITY), cursor=text),
    opportunityUsers=json_text,
    contactAccount=known(id=text, name=text, externalId=text),
)
COLUMNS = columns(
    "followupId recordingTitle repName repId teamName teamId followupType followupAction status thinking crmUrl note "
    "completedBy",
    moments="dateCreated updatedAt completedAt",
    numbers="score",
    flags="starred hasFollowupComment completed",
    context=each(known(header=text, value=text)),
    metadata=json_text,
    history=each(known(**columns("id updatedBy updatedByUserId note status", moments="createdAt"))),
    crmCustomer=known(**_CUSTOMER),
)


def make_followups(recording: Recording) -> list[dict[str, Any]]:
    """Make the follow-ups of a recording in full, of those that its list entry has with an id.

    Odd values occur at regular intervals.
    """
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
            {"header": "MAIN_OBJECTION", "value": rng.choice(SENTENCES)},
            {"header": "OVERALL_COST", "value": "12,500"},
        ],
        "updatedAt": moments[1],
        "metadata": [{"source": "model", "version": "3"}, {"window": "2 days"}],
        "starred": rng.random() < 0.2,
        "status": status,
        "thinking": rng.choice(SENTENCES),
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
        # Both are untyped in the documentation.
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
