"""Details: what is asked for recording by recording, while the page that lists the recordings is in hand.

The thread that has fetched a page puts a task for each request into one queue and works on it until the page is
complete; threads that find nothing else to do, or wait for room for a page of theirs, help. So a page counts as written
only with its details.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from tap_siro.api.client import PATH
from tap_siro.api.decoding import decode_object, decode_transcript, pack
from tap_siro.api.paginator import CursorPaginator
from tap_siro.errors import CursorRefusedError, RefusedError, TapSiroError
from tap_siro.records.details import FollowupCleaner, UtteranceCleaner, named
from tap_siro.singer.signals import STEP

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable

    from tap_siro.api.client import Client
    from tap_siro.api.decoding import Page
    from tap_siro.records.cleaning import FieldWarnings
    from tap_siro.records.recording import Record

MOST_REREADS = 3
"""How often a transcript is read again because a cursor in it was refused."""
GONE = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
"""A recording of which nothing is left but its entry in the list has no details."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Detail:
    """What a stream needs of each recording besides its entry in the list."""

    stream: str
    needed: Callable[[Record], bool]
    """Whether a cleaned recording can have any."""
    fetch: Callable[[Client, str], list[Any]]
    """Asks for the items of a recording, by its id."""
    key: str
    """The column that tells a recording's records apart."""
    cleaner: Callable[[FieldWarnings], Callable[[Record, list[Any]], list[Record]]]
    """Makes the stream's records of a cleaned recording and its items."""


class Wanted(NamedTuple):
    """A detail that a recording of a page needs."""

    place: int
    """The recording's place on the page."""
    recording: Record
    detail: Detail
    clean: Callable[[Record, list[Any]], list[Record]]
    """Makes the stream's records."""


def _is_processed(recording: Record) -> bool:
    """One that is not comes again when it is: by `updatedAt`, the lookback or the daily recheck."""
    return recording["isProcessingDone"] is not False


def _fetch_followups(client: Client, recording_id: str) -> list[Any]:
    """The follow-ups in full. If there is no list of them, it is missed: the list of recordings has some."""
    answer = client.get(_path(recording_id), {"showFollowups": "true"}, decode=decode_object)
    if isinstance(answer.get("data"), dict):
        answer = answer["data"]  # as on the user's host
    items = answer.get("followups")
    return items if isinstance(items, list) else [items]


def _fetch_utterances(client: Client, recording_id: str) -> list[Any]:
    """All utterances: the pages are numbered, and have 100,000 unless the API caps them."""
    for rereads in range(MOST_REREADS + 1):
        try:
            return _follow(client, f"{_path(recording_id)}/utterances")
        except CursorRefusedError as error:
            if rereads == MOST_REREADS:
                message = f"{error} That happened {rereads + 1} times over: run the sync again later."
                raise TapSiroError(message) from None
            logger.warning("%s Reading that transcript again from its beginning.", error)
    raise AssertionError


def _follow(client: Client, path: str) -> list[Any]:
    paginator = CursorPaginator()
    utterances: list[Any] = []
    speakers: dict[str, Any] = {}
    while True:
        query = {} if paginator.cursor is None else {"cursor": paginator.cursor}
        page = client.get(path, query, decode=decode_transcript, host=client.user_host)
        utterances += page.records
        speakers |= page.speakers
        if not paginator.advance(len(page.records), page.cursor):
            return named(utterances, speakers)


def _path(recording_id: str) -> str:
    return f"{PATH}/{quote(recording_id, safe='')}"


FOLLOWUPS = Detail(
    "recording_followup_details",
    lambda recording: _is_processed(recording) and bool(recording["followups"]),
    _fetch_followups,
    "followupId",
    FollowupCleaner,
)
UTTERANCES = Detail("recording_utterances", _is_processed, _fetch_utterances, "ordinal", UtteranceCleaner)


class DetailReader:
    """Fetches the details of the pages of one pass. Every method may be called from any thread."""

    def __init__(
        self,
        client: Client,
        wanted: Callable[[Page], Iterable[Wanted]],
        changed: threading.Condition,
        check_going: Callable[[], None],
    ) -> None:
        """Prepare to fetch.

        Args:
            client: Sends the requests.
            wanted: The details that a page needs.
            changed: Notified when there is something to do or something is done.
            check_going: Raises a `StoppedError` when the pass has ended.
        """
        self._client = client
        self._wanted = wanted
        self._check_going = check_going
        self._changed = changed
        self.tasks: deque[_Task] = deque()
        """What is left to fetch, for threads that find nothing else to do."""
        self.fetched = 0
        """How many details have been fetched: those of two streams are two, of the same recording."""

    def complete(self, page: Page) -> None:
        """Fetch all details of a page into its `details`.

        Raises:
            TapSiroError: One could not be had.
            StoppedError: The pass has ended.
        """
        job = _Job(page)
        tasks = [_Task(job, wanted) for wanted in self._wanted(page)]
        job.left = len(tasks)
        with self._changed:
            self.tasks.extend(tasks)
            self._changed.notify_all()
        while job.left and job.error is None:
            self._check_going()
            if not self.help():
                self._wait(job)
        if job.error is not None:
            raise job.error

    def help(self) -> bool:
        """Work on the earliest task that is left; False if there is none."""
        with self._changed:
            if not self.tasks:
                return False
            task = self.tasks.popleft()
        packed = b""
        error = task.job.error
        if error is None:  # else the page is given up anyway
            try:
                packed = self._load(task.wanted)
            except BaseException as raised:  # noqa: BLE001 - raised again by the thread whose page it is
                error = raised
        with self._changed:
            place, _, detail, _ = task.wanted
            task.job.page.details.setdefault(place, {})[detail.stream] = packed
            task.job.error = task.job.error or error
            task.job.left -= 1
            self.fetched += 1
            self._changed.notify_all()
        return True

    def _wait(self, job: _Job) -> None:
        with self._changed:
            if job.left and not self.tasks:
                self._changed.wait(STEP)

    def _load(self, wanted: Wanted) -> bytes:
        """The packed records; nothing at all if the recording is gone."""
        _, recording, detail, clean = wanted
        try:
            return pack(clean(recording, detail.fetch(self._client, recording["id"])))
        except RefusedError as error:
            if error.status in GONE:
                return b""
            raise TapSiroError(
                f"'{detail.stream}' cannot be loaded. {error} If you can do without, deselect the stream."
            ) from None


@dataclass(eq=False, slots=True)
class _Job:
    """A page whose details are being fetched."""

    page: Page
    left: int = 0
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class _Task:
    job: _Job
    wanted: Wanted
