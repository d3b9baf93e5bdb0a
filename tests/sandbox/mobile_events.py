"""Events of the mobile app."""

from __future__ import annotations

import base64
import random
from operator import itemgetter
from typing import TYPE_CHECKING

from tests.sandbox import timestamps
from tests.sandbox.faults import Answer
from tests.sandbox.listing import Listing, asked
from tests.sandbox.oracle import columns, json_text, texts
from tests.sandbox.store import Recording, encode

if TYPE_CHECKING:
    from tests.sandbox.kinds import Lists, Request, Row

EVENTS = "/v1/core/mobile-events"
_LARGEST_PAGE = 1000


class MobileEvents(Listing):
    """Starts and stops of some recordings, with several events in the same millisecond."""

    name = "mobile_events"
    path = EVENTS
    columns = columns(
        "id recordingId userId organizationId eventCode value",
        moments="createdAt",
        externalOpportunityIds=texts,
        event=json_text,
    )

    def make(self, lists: Lists, data: list[Recording]) -> list[Row]:
        rng = random.Random("events")
        return [event for recording in data[:40] for event in _events(rng, recording, lists.organization)]

    def answer(self, lists: Lists, request: Request) -> Answer:
        values = asked(request, "createdAtGt", "createdAtLt", "pageSize", "cursor")
        after = timestamps.parse(values.get("createdAtGt"))
        bounds = [timestamps.parse(values.get("createdAtLt"))]
        if "cursor" in values:
            bounds.append(int(base64.b64decode(values["cursor"])))
        before = min((bound for bound in bounds if bound is not None), default=None)
        dated = [(timestamps.parse(row["createdAt"]) or 0, row) for row in lists.mobile_events]
        found = [
            (created, row)
            for created, row in sorted(dated, key=itemgetter(0), reverse=True)
            if (after is None or created > after) and (before is None or created < before)
        ]
        size = min(int(values.get("pageSize", "100")), _LARGEST_PAGE, lists.page_size)
        served = [row for _, row in found[:size]]
        cursor = base64.b64encode(str(found[size - 1][0]).encode()).decode() if len(found) > size else None
        # In the documentation, this is a list of lists.
        body = {"data": [served] if lists.bare else served, "cursor": cursor}
        return Answer(200, encode(body), rows=len(served))


def _events(rng: random.Random, recording: Recording, organization: str) -> list[Row]:
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
