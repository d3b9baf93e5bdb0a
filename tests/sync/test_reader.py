"""Pages from many threads, which wait for the target without filling the memory."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tap_siro.api import pages
from tap_siro.api.client import PATH, Client
from tap_siro.api.decoding import decode
from tap_siro.api.retries import Request
from tap_siro.settings import CONFIG, Settings
from tap_siro.sync.query import Query
from tap_siro.sync.reader import DECODED_PAGES, Done, Failed, Reader
from tap_siro.sync.slice_fetcher import RecordingsPage, SliceFetcher
from tests.sandbox import Sandbox
from tests.sandbox.data import plain
from tests.support.in_process import Clock, asleep_after, threads_left
from tests.support.process import config_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

THREADS = 8
PAGE_SIZE = 5
DATA = plain(400, sections=1, extractions=1)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(DATA) as sandbox:
        yield sandbox


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Return a clock that raises an error if a wait is too long."""
    clock = Clock()
    timer = threading.Timer(30, clock.stop)
    timer.start()
    yield clock
    timer.cancel()


@pytest.fixture
def client(sandbox: Sandbox, clock: Clock) -> Iterator[Client]:
    defaults = {name: one["default"] for name, one in CONFIG["properties"].items() if "default" in one}
    config = {**defaults, **config_for(sandbox, concurrency=THREADS, page_size=PAGE_SIZE)}
    settings, faults = Settings.read(config, version="0")
    assert settings, faults
    client = Client(settings, clock)
    yield client
    client.close()


class Recordings(SliceFetcher):
    """A source of all recordings, with a function that handles a page before there is room for the next."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self.reader = Reader(clock, THREADS)
        super().__init__(
            client, self.reader, Query(None, None, None, None, {}, frozenset(), PAGE_SIZE), set(), position=None
        )
        self.pages = 0
        self.ids: set[str] = set()
        self.arrived: Callable[[RecordingsPage], object] = lambda _: None
        self.details: Callable[[RecordingsPage], list[Callable[[], RecordingsPage]]] = lambda _: []
        self._waiting: Counter[int] = Counter()

    def read(self) -> Recordings:
        self.reader.read(self)
        return self

    def receive(self, event: RecordingsPage | tuple[RecordingsPage] | Done | Failed) -> None:
        """A page is received again once its details have arrived."""
        match event:
            case RecordingsPage():
                if id(event) not in self._waiting:
                    self.pages += 1
                    self.ids |= {record["id"] for record in event.page.records}
                    self.arrived(event)
                    jobs = self.details(event)
                    self._waiting[id(event)] = len(jobs)
                    self.reader.submit(jobs) if jobs else self._write(event)
                else:
                    self._waiting[id(event)] -= 1
                    if not self._waiting[id(event)]:
                        self._write(event)
            case Done():
                with self.reader.changed:
                    self.slice_read(event.task)
            case Failed():
                raise event.error

    def _write(self, page: RecordingsPage) -> None:
        del self._waiting[id(page)]
        with self.reader.changed:
            self.page_written(page.part)
        self.reader.free_slot()

    def tick(self) -> None:
        pass


@pytest.fixture
def source(client: Client, clock: Clock) -> Recordings:
    return Recordings(client, clock)


def test_pages_that_wait_for_the_target_are_not_decoded(
    source: Recordings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a warehouse is slow, memory would grow with `concurrency`, by a dozen megabytes per few threads."""
    decoded, slept = list[int](), list[int]()

    def counted(body: bytes) -> Any:
        decoded.append(len(body))
        return decode(body)

    def written(_: RecordingsPage) -> None:
        if source.pages == len(DATA) // PAGE_SIZE // 2:
            slept.append(asleep_after(sandbox))
            assert len(decoded) <= source.pages - 1 + DECODED_PAGES
            assert slept[0] > len(decoded) + 1

    monkeypatch.setattr(pages, "decode", counted)
    source.arrived = written
    source.read()
    assert slept


def test_there_are_no_more_threads_than_asked_for(source: Recordings) -> None:
    """The tap would send more parallel requests than `concurrency` allows."""
    seen: list[list[str]] = []

    def names(*kinds: str) -> list[str]:
        return sorted(f"siro-{kind}-{number}" for kind in kinds for number in range(1, THREADS + 1))

    source.arrived = lambda _: seen.append(sorted(threads_left(0))) if source.pages < 3 else None
    source.details = lambda page: [lambda: page]
    source.read()
    assert seen == [names("pages"), names("pages", "details")]
    assert threads_left() == []


def test_after_the_last_page_nothing_is_left(source: Recordings) -> None:
    """The log's estimate of the remaining time depends on it."""
    assert source.planner.rows_left() is None
    assert source.read().ids == {row["id"] for row in DATA}
    assert source.planner.rows_left() == 0


def test_answers_that_are_no_pages_take_no_room(source: Recordings, sandbox: Sandbox) -> None:
    """After a few of these during a full sync, the sync would hang."""
    fault = sandbox.fault("html", on=2 * DECODED_PAGES, when=lambda request: request.number > 1)
    assert source.read().ids == {row["id"] for row in DATA}
    assert fault.hits == 2 * DECODED_PAGES


def test_whoever_waits_for_room_is_let_go_when_the_source_ends(source: Recordings, sandbox: Sandbox) -> None:
    """After an error, threads would remain, each with a response in memory."""

    def fails(_: RecordingsPage) -> None:
        asleep_after(sandbox)
        assert len(threads_left(0)) == THREADS
        raise OSError

    source.arrived = fails
    with pytest.raises(OSError, match=r"^$"):
        source.read()
    assert threads_left() == []


def test_what_breaks_in_a_thread_ends_the_run(source: Recordings) -> None:
    """The main thread would wait endlessly for the page of a dead thread."""

    def breaks() -> RecordingsPage:
        raise ZeroDivisionError

    source.details = lambda _: [breaks]
    with pytest.raises(ZeroDivisionError):
        source.read()
    assert threads_left() == []


def test_details_are_fetched_while_pages_wait_for_room(source: Recordings, client: Client, sandbox: Sandbox) -> None:
    """With transcripts, only the threads whose pages are in hand would work, whatever `concurrency` is, or there would
    be more parallel requests than it allows."""
    sandbox.latency = 0.01

    def fetch(page: RecordingsPage, recording: str) -> RecordingsPage:
        client.get(f"{PATH}/{recording}", {}, decode=decode)
        return page

    source.details = lambda page: [
        lambda recording=record["id"]: fetch(page, recording)  # type: ignore[misc]
        for record in page.page.records
    ]
    assert source.read().ids == {row["id"] for row in DATA}
    details = [request for request in sandbox.all_requests if request.route != PATH]
    assert len(details) >= len(DATA)
    assert {request.status for request in details} == {200}
    assert DECODED_PAGES < sandbox.max_in_flight <= THREADS


def test_waiting_for_memory_is_not_trying(client: Client, sandbox: Sandbox, clock: Clock) -> None:
    """A target that slept for longer than `max_retry_seconds` would make the next fault fatal."""

    @contextmanager
    def slow() -> Iterator[None]:
        clock.sleep(100_000)
        yield

    sandbox.fault("html", on=2)
    query = {"pageSize": str(PAGE_SIZE)}
    page, _ = client.send(Request(client.api, PATH, query, pages.read_recordings, page_slot=slow))
    assert page is not None
    assert len(page.records) == PAGE_SIZE
    assert len(sandbox.requests) == 3
