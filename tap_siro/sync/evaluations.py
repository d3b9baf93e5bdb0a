"""Search for the scorecard that evaluated a recording, with few requests."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tap_siro import timestamps
from tap_siro.api.chain import Chain
from tap_siro.api.pages import read_page
from tap_siro.api.responses import GONE
from tap_siro.api.retries import Request
from tap_siro.errors import RefusedError, TapSiroError
from tap_siro.records.scorecards import is_evaluated

if TYPE_CHECKING:
    from tap_siro.api.client import Client
    from tap_siro.records.recording import Record
    from tap_siro.sync.details import DetailClient

SCORECARDS_PATH, SCORECARDS_NAME = "/v1/core/scorecards/instances", "scorecardInstances"
EVALUATIONS_PATH = "/v1/core/scorecards/evaluated-instances"
MARGIN = 2 * timestamps.DAY
"""Milliseconds around a recording's creation in which its evaluation is looked for. From a production client."""


class Evaluations:
    """Evaluations of recordings. One serves a run; every method may be called from any thread."""

    def __init__(self, client: Client, details: DetailClient) -> None:
        self._client = client
        self._details = details
        self._lock = threading.Lock()
        self._scorecards: list[str] | TapSiroError | None = None
        self._last: dict[str | None, str] = {}
        """The scorecard that last evaluated a recording of a user."""

    def of(self, recording: Record) -> list[Any]:
        """Return the evaluation by the one scorecard that evaluated a recording; nothing if none did.

        The scorecard that last evaluated a recording of the same user is tried first, because each user mostly has one;
        then the active ones, then the others.
        """
        created, user = timestamps.parse(recording["createdAt"]), recording["userId"]
        begin, end = (0, timestamps.now()) if created is None else (created, created)
        query = {
            "startAt": timestamps.text(begin - MARGIN),
            "endAt": timestamps.text(end + MARGIN),
            "filterBy": "RECORDING",
            "filterByIds": recording["id"],
        }
        gone: RefusedError | None = None
        for scorecard in sorted(self._all(), key=lambda each: each != self._last.get(user)):
            path = f"{EVALUATIONS_PATH}/{quote(scorecard, safe='')}"
            try:
                answer = self._details.get(path, query, on_user_host=True)
            except RefusedError as error:
                if error.status not in GONE:
                    raise
                gone = error  # the scorecard, or the recording: another scorecard may have evaluated it
                continue
            if answer is not None and is_evaluated(answer):
                self._last[user] = scorecard
                return [answer | {"id": scorecard}]  # some answers have a template's id
        if gone is not None:
            raise gone
        return []

    def _all(self) -> list[str]:
        """Return the ids of all scorecards, requested once in a run, the active ones first."""
        with self._lock:
            if self._scorecards is None:
                try:
                    self._scorecards = self._request()
                except TapSiroError as error:
                    self._scorecards = TapSiroError(str(error))  # a fault of the stream, not of one recording
            if isinstance(self._scorecards, TapSiroError):
                raise self._scorecards
            return self._scorecards

    def _request(self) -> list[str]:
        read = functools.partial(read_page, name=SCORECARDS_NAME)
        is_active: dict[str, bool] = {}
        for organization in self._client.organizations()[0]:
            query = {"organizationId": organization}
            for page in Chain(self._client, Request(self._client.user_host, SCORECARDS_PATH, query, read)):
                for each in page.records:
                    if isinstance(each, dict) and each.get("id"):
                        is_active[str(each["id"])] = each.get("isActive") is not False
        return sorted(is_active, key=lambda each: not is_active[each])
