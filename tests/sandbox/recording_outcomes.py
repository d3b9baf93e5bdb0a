"""Recordings with their outcomes, as the user host lists them."""

from __future__ import annotations

import base64
import random
from typing import TYPE_CHECKING

from tests.sandbox import oracle, timestamps
from tests.sandbox.listing import MADE, Listing, answered, asked, limited
from tests.sandbox.oracle import columns, each, known, text
from tests.sandbox.query import BadRequestError
from tests.sandbox.routes import RECORDINGS, USER_API

if TYPE_CHECKING:
    from tests.sandbox.kinds import Answer, Lists, Recording, Request, Row, Rows

OUTCOMES = f"{USER_API}{RECORDINGS}"
"""Name of the route in the log: the other host has the same path."""
_RESULTS = {"WON": "closed", "LOST": "not closed", "OPEN": "in progress"}


class Outcomes(Listing):
    """The recordings of the first host."""

    name = "recording_outcomes"
    path = RECORDINGS
    base = USER_API
    label = OUTCOMES
    key = "recordingId"
    left_out = (
        "id", "repFirstName", "repLastName", "title", "userId", "durationInMilliseconds", "result",
        "extractedCustomOutcomes",
    )  # fmt: skip
    columns = columns(
        "recordingId universalOutcomeLabel outcomeExtractionId trigger",
        moments="dateCreated",
        flags="isPrivate isVideo discoverable",
        outcomes=each(known(customLabel=text, universalLabel=text, description=text)),
    )

    def make(self, lists: Lists, data: list[Recording]) -> list[Row]:
        return [_recording(recording) for recording in data]

    def answer(self, lists: Lists, request: Request) -> Answer:
        """Answer with the newest first; recordings created while pages are read do not move the others."""
        values = asked(request, "limit", "dateCreated:gt", "dateCreated:lt", "organizationId", "cursor")
        size = min(limited(values, 100), lists.page_size)
        bounds = [timestamps.parse_exact(values.get(f"dateCreated:{side}", MADE)) for side in ("gt", "lt")]
        if None in bounds:
            raise BadRequestError("dateCreated is not a date of the form YYYY-MM-DDTHH:mm:ss.sssZ")
        after = values.get("dateCreated:gt", "")
        before = values.get("dateCreated:lt", "9")
        place = base64.b64decode(values.get("cursor", "")).decode()
        found = sorted(
            (f"{row['dateCreated']} {row['id']}", row)
            for row in lists.recording_outcomes
            if after < row["dateCreated"] < before
        )
        rows = [(key, row) for key, row in reversed(found) if not place or key < place]
        page = [row for _, row in rows[:size]]
        cursor = base64.b64encode(rows[size - 1][0].encode()).decode() if len(rows) > size else None
        return answered(lists, page, {"data": page, "cursor": cursor}, [row for _, row in rows])

    def expected(self, lists: Lists) -> dict[str, Rows]:
        rows: Rows = {}
        for item in lists.recording_outcomes:
            whole = item | (item.get("extractedCustomOutcomes") or {}) | {"recordingId": item["id"]}
            rows[(text(item["id"]),)] = oracle.row(whole, self.columns, self.left_out)
        return {self.name: rows}


def _recording(recording: Recording) -> Row:
    rng = random.Random(f"outcome {recording['id']}")
    outcome = {"customLabel": "Price too high", "universalLabel": "NEGATIVE", "description": "The price ended it."}
    kinds: tuple[Row, ...] = (
        {"universalOutcomeLabel": "NEGATIVE", "extractedCustomOutcomes": _extracted(outcome)},
        {
            "universalOutcomeLabel": "POSITIVE",
            "extractedCustomOutcomes": _extracted({**outcome, "universalLabel": None}),
        },
        {
            "universalOutcomeLabel": "NEUTRAL",
            "extractedCustomOutcomes": _extracted(outcome, {"customLabel": "Asks at home"}),
        },
        {"universalOutcomeLabel": None, "extractedCustomOutcomes": _extracted()},
        {"extractedCustomOutcomes": None},
        {},
    )
    return {
        "id": recording["id"],
        "repFirstName": "Ada",
        "repLastName": "Byron",
        "dateCreated": timestamps.from_ms(timestamps.parse(recording.get("createdAt") or MADE) or 0),
        "durationInMilliseconds": recording.get("durationInMilliseconds"),
        "result": _RESULTS.get(str(recording.get("result"))),
        "title": recording.get("title"),
        "isPrivate": rng.random() < 0.1,
        "userId": recording.get("userId"),
        "discoverable": True,
        "isVideo": False,
        "trigger": rng.choice(("button-press", "deeplink", "mobile-sdk")),
        **rng.choice(kinds),
    }


def _extracted(*outcomes: Row) -> Row:
    return {"outcomeExtractionId": "extraction-1", "outcomes": list(outcomes)}
