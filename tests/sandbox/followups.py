"""All follow-ups of the organization, on the user host, with their current status."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from tests.sandbox import timestamps
from tests.sandbox.listing import Listing, answered, asked, limited
from tests.sandbox.oracle import text
from tests.sandbox.query import BadRequestError
from tests.sandbox.recording_followup_details import COLUMNS, make_followups
from tests.sandbox.routes import USER_API

if TYPE_CHECKING:
    from tests.sandbox.kinds import Answer, Lists, Recording, Request, Row

FOLLOWUPS = "/v1/core/followups"


class Followups(Listing):
    """The follow-ups of recordings. Without `minimumScore`, only those with a score of 3 or more are returned."""

    name = "followups"
    path = FOLLOWUPS
    base = USER_API
    key = "followupId"
    columns = COLUMNS | {"recordingId": text}

    def make(self, lists: Lists, data: list[Recording]) -> list[Row]:
        made = [row for recording in data for row in make_followups(recording)]
        return [row | {"score": 1 + place % 5} for place, row in enumerate(made)]

    def answer(self, lists: Lists, request: Request) -> Answer:
        values = asked(request, "organizationId", "limit", "minimumScore", "includeHistory", "createdAfter", "cursor")
        if refusal := self.of_organization(lists, values):
            return refusal
        least, size = values.get("minimumScore", "3"), min(limited(values, 25), lists.page_size)
        after = timestamps.parse(values.get("createdAfter", "0001-01-01"))
        if least not in {"1", "2", "3", "4", "5"} or values.get("includeHistory", "false") not in {"true", "false"}:
            raise BadRequestError("minimumScore or includeHistory is wrong")
        if after is None:
            raise BadRequestError("createdAfter is no moment")
        rows: list[Row] = [
            row
            for row in lists.followups
            if row["score"] >= int(least) and (timestamps.parse(row["dateCreated"]) or 0) > after
        ]
        if values.get("includeHistory") != "true":
            rows = [row | {"history": None} for row in rows]
        start = int(base64.b64decode(values["cursor"])) if "cursor" in values else 0
        page, more = rows[start : start + size], start + size < len(rows)
        cursor = base64.b64encode(str(start + size).encode()).decode() if more else None
        body = {"data": {"totalCount": len(rows), "followups": page}, "cursor": cursor, "limit": size}
        return answered(lists, page, body | {"total": len(rows), "hasNextPage": more}, rows)
