"""Details: one request for each recording, made while the page that lists it is in hand.

The main thread says which recordings of a page need some, workers fetch them, and the page is written when all have
come. A recording whose details cannot be loaded loses its rows of that stream and nothing else.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tap_siro.api.chain import Chain
from tap_siro.api.client import PATH
from tap_siro.api.decoding import decode_object, pack, unpack
from tap_siro.api.pages import read_optional_page
from tap_siro.api.responses import GONE
from tap_siro.api.retries import Request
from tap_siro.errors import ChainError, GaveUpError, RefusedError, TapSiroError
from tap_siro.records.cleaning import RecordCleaner
from tap_siro.records.utterances import name_speakers
from tap_siro.sync.evaluations import Evaluations
from tap_siro.sync.reporting import FailedRecordings, Fault, RecordsWithoutId

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_siro.api.client import Client
    from tap_siro.api.host import Host
    from tap_siro.api.pages import Page
    from tap_siro.records.cleaning import FieldWarnings
    from tap_siro.records.recording import Record
    from tap_siro.singer.writer import StreamWriter
    from tap_siro.sync.stream_kinds import DetailStream

FIRST_REQUESTS = 20
"""If the first requests of a run all fail, the stream is given up."""

logger = logging.getLogger(__name__)


def recording_path(recording: Record) -> str:
    """Return the path of a single recording."""
    return f"{PATH}/{quote(recording['id'], safe='')}"


class DetailClient:
    """Requests for details, as a stream makes them. One serves a run."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.evaluations = Evaluations(client, self)

    def get(self, path: str, query: dict[str, str], *, on_user_host: bool = False) -> dict[str, Any] | None:
        """Return the object that an address answers, or its `data`; None if there is nothing."""
        host = self._client.user_host if on_user_host else self._client.api
        request = Request(host, path, query, decode_object, may_be_empty=True)
        answer, _ = self._client.send(request)
        data = None if answer is None else answer.get("data", answer)
        return data if isinstance(data, dict) else answer

    def pages(self, path: str, name: str) -> Iterator[Page]:
        """Yield the pages of a named list at `user_api_url`."""
        request = Request(self._client.user_host, path, {}, read_optional_page(name), may_be_empty=True)
        return iter(Chain(self._client, request, name=f"a recording's {name}"))

    def utterances(self, path: str) -> list[Any]:
        """Return the utterances of all pages. The speakers of any page are those of all."""
        utterances: list[Any] = []
        speakers: dict[str, Any] = {}
        for page in self.pages(path, "utterances"):
            if page.number == 1:
                utterances.clear()
            utterances += page.records
            names = page.answer.get("speakerMap")
            speakers |= names if isinstance(names, dict) else {}
        return name_speakers(utterances, speakers)

    def check_host(self) -> None:
        """Make sure that `user_api_url` is the API, if all it said is that it has nothing. Raises a `TapSiroError`."""
        host = self._client.user_host
        if not host.successes:
            try:
                self._client.get(PATH, {"limit": "1"}, decode=decode_object, host=host)
            except RefusedError as error:
                if error.status != HTTPStatus.FORBIDDEN:
                    message = (
                        f"{host.name} answered {error.status} to a request for recordings. Check `{host.setting}`."
                    )
                    raise TapSiroError(message) from None
            host.successes += 1

    def host_of(self, source: type[DetailStream]) -> Host:
        """Return the host that a stream's details are on."""
        return self._client.user_host if source.on_user_host else self._client.api


@dataclass(slots=True)
class DetailRequest:
    """The details of one kind that a recording of a page needs."""

    detail: Detail
    page: Any
    """The page that waits for it."""
    place: int
    """The recording's place on the page."""
    recording: Record
    created: int | None
    items: bytes | list[Any] = b"[]"
    """The items of the response, encoded as JSON while the page waits."""
    gone: bool = False
    """Nothing is left of the recording."""
    error: TapSiroError | None = None
    """Reason why nothing came."""

    def __call__(self) -> DetailRequest:
        """Fetch. Called in a worker thread."""
        if self.detail.given_up is None:
            try:
                self.items = pack(self.detail.fetch(self))
            except TapSiroError as error:
                self.error = error
        return self


class Detail:
    """Details of one kind in this run: the streams that get their rows, and how their requests went."""

    def __init__(self, streams: Sequence[StreamWriter], client: DetailClient, field_warnings: FieldWarnings) -> None:
        """Take the selected streams of one kind of detail: the stream itself, and what is derived from it."""
        assert streams[0].detail is not None  # noqa: S101 - that is how they were chosen
        self.source: type[DetailStream] = streams[0].detail
        self.streams = list(streams)
        self.fetched = 0
        self.given_up: TapSiroError | None = None
        """Reason why no more is requested in this run."""
        self.is_frozen = False
        """True if something failed that may come later: the bookmarks stay."""
        self._client = client
        self._field_warnings = field_warnings
        self._cleaners = {
            stream: RecordCleaner(
                stream.stream.columns,
                field_warnings,
                self.source.field_path,
                left_out=stream.stream.left_out,
                keeps_others=stream.keeps_others,
            )
            for stream in streams
        }
        names = " and ".join(f"'{stream.name}'" for stream in streams)
        self._without_id = RecordsWithoutId(f"record(s) of {names}, of recordings")
        self._names = names
        self._failures = FailedRecordings()
        self._found = self._gone = 0

    def is_needed(self, recording: Record) -> bool:
        """Return True if a cleaned recording can have some."""
        return self.given_up is None and self.source.is_needed(recording)

    def fetch(self, request: DetailRequest) -> list[Any]:
        """Return a recording's items. Called in a worker thread."""
        try:
            return self.source.fetch(self._client, request.recording)
        except RefusedError as error:
            if error.status not in GONE:
                raise
            if self.source.on_user_host:
                self._client.check_host()
            if not error.is_json:
                raise
        request.gone = True
        return []

    @property
    def may_save(self) -> bool:
        """True unless the bookmarks must stay: something may come later, or the address may be wrong."""
        return not self.is_frozen and bool(self._client.host_of(self.source).successes or not self._gone)

    def finish(self, request: DetailRequest) -> None:
        """Take note of how a request went."""
        self.fetched += 1
        error = request.error
        if self.given_up is not None:
            return
        if error is None:
            self._gone += request.gone
            self._found += not request.gone
        elif isinstance(error, RefusedError) and error.status != HTTPStatus.UNAUTHORIZED:
            self._failures.add(request.recording, request.created, error)
        elif isinstance(error, ChainError) or (isinstance(error, GaveUpError) and not error.unreachable):
            self._failures.add(request.recording, request.created, error)
            self.is_frozen = True
        else:
            self._give_up(error)
        if error is not None and len(self._failures) >= FIRST_REQUESTS and not self._found + self._gone:
            self._give_up(error)

    def _give_up(self, error: TapSiroError) -> None:
        self.given_up, self.is_frozen = error, True
        logger.warning("%s is not loaded any further in this run: %s", self._names, error)

    def records(self, request: DetailRequest) -> Iterator[tuple[StreamWriter, list[Record]]]:
        """Yield the records of a finished request, by stream."""
        if request.error is not None or self.given_up is not None:
            return
        recording, items = request.recording, unpack(request.items)
        parent = {"recordingId": recording["id"], "recordingUpdatedAt": recording["updatedAt"]}
        for stream, clean in self._cleaners.items():
            records = []
            has_ordinal = "ordinal" in stream.keys
            for ordinal, row in enumerate(row for item in items for row in stream.stream.flatten(item)):
                if has_ordinal and not isinstance(row, dict):
                    then = "other items are skipped"
                    self._field_warnings.wrong_type(self.source.field_path, "a list of objects", then=then)
                    continue
                record = clean({**(row if isinstance(row, dict) else {}), **parent})
                if has_ordinal:
                    record["ordinal"] = ordinal
                if any(record[key] in {None, ""} for key in stream.keys):
                    self._without_id.add(record, request.created)
                else:
                    records.append(record)
            yield stream, records

    def faults(self) -> Iterator[Fault]:
        """Yield what could not be loaded."""
        streams = [stream.name for stream in self.streams]
        if self.given_up is not None:
            yield Fault(str(self.given_up), streams)
        elif self._failures:
            later = "The next run tries again." if self.is_frozen else "Their bookmark has moved."
            yield self._failures.fault(self._names, later)
        yield from self._without_id.faults()
