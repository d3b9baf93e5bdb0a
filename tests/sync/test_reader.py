"""Pages come from many threads, and wait for the target without filling the memory."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tap_siro.api import decoding
from tap_siro.api.client import Client
from tap_siro.settings import CONFIG, Settings
from tap_siro.singer.signals import Stop
from tap_siro.sync.details import Detail, Wanted
from tap_siro.sync.query import Query
from tap_siro.sync.reader import DECODED_PAGES, PassReader
from tap_siro.sync.slices import Slice
from tests.sandbox import Sandbox
from tests.sandbox.data import plain
from tests.support.in_process import Clock, asleep_after, threads_left
from tests.support.process import config_for

if TYPE_CHECKING:
    from collections.abc import Iterator

THREADS = 8
PAGE_SIZE = 5
DATA = plain(400, sections=1, extractions=1)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(DATA) as sandbox:
        yield sandbox


@pytest.fixture
def clock() -> Iterator[Clock]:
    with Clock().running() as clock:
        yield clock


@pytest.fixture
def client(sandbox: Sandbox, clock: Clock) -> Iterator[Client]:
    """Fetches pages; whoever waits too long is stopped, which is an error."""
    defaults = {name: one["default"] for name, one in CONFIG["properties"].items() if "default" in one}
    config = {**defaults, **config_for(sandbox, concurrency=THREADS, page_size=PAGE_SIZE, requests_per_minute=100_000)}
    settings, faults = Settings.read(config, version="0")
    assert settings, faults
    stop = Stop()
    timer = threading.Timer(30, stop.set)
    timer.start()
    client = Client(settings, stop)
    yield client
    timer.cancel()
    client.close()


@pytest.fixture
def reader(client: Client) -> PassReader:
    """Reads all recordings."""
    return PassReader(
        client, Query(None, None, None, None, {}, frozenset(), PAGE_SIZE), Slice(), threads=THREADS, stop=client._stop
    )


def test_pages_that_wait_for_the_target_are_not_decoded(
    reader: PassReader, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory would grow with `concurrency`, a dozen megabytes for each few threads, while a warehouse is slow."""
    decoded, decode = [], decoding.decode

    def counted(body: bytes) -> decoding.Page:
        decoded.append(len(body))
        return decode(body)

    monkeypatch.setattr(decoding, "decode", counted)
    for written, _ in enumerate(reader):
        if written == len(DATA) // PAGE_SIZE // 2:
            asked = asleep_after(sandbox)
            assert len(decoded) <= written + DECODED_PAGES
            assert asked > len(decoded) + 1


def test_there_are_no_more_threads_than_asked_for(reader: PassReader) -> None:
    """An API would see more requests at once than `concurrency` says."""
    pages_read = iter(reader)
    next(pages_read)
    assert sorted(threads_left(0)) == [f"siro-{number}" for number in range(1, THREADS + 1)]
    assert list(pages_read)


def test_after_the_last_page_nothing_is_left(reader: PassReader) -> None:
    """The log's guess at the time that is left comes from it."""
    assert reader.rows_left() != 0
    assert sum(len(page.records) for page in reader) >= len(DATA)
    assert reader.rows_left() == 0


def test_answers_that_are_no_pages_take_no_room(reader: PassReader, sandbox: Sandbox) -> None:
    """After a few of them over a whole history, the sync would wait for ever."""
    fault = sandbox.fault("html", on=2 * DECODED_PAGES, when=lambda request: request.number > 1)
    ids = {row["id"] for page in reader for row in page.records}
    assert ids == {row["id"] for row in DATA}
    assert fault.hits == 2 * DECODED_PAGES


def test_whoever_waits_for_room_is_let_go_when_the_pass_ends(reader: PassReader, sandbox: Sandbox) -> None:
    """After an error, threads would stay behind, each with an answer in memory."""
    pages_read = iter(reader)
    next(pages_read)
    asleep_after(sandbox)
    assert isinstance(pages_read, Generator)
    pages_read.close()
    assert threads_left() == []


def test_a_thread_that_waits_for_room_fetches_details(client: Client) -> None:
    """With transcripts, only the threads whose pages are in hand would do anything, whatever `concurrency` is."""
    both = threading.Barrier(2, timeout=10)

    def fetch(_: Client, recording_id: str) -> list[Any]:
        both.wait()
        return [recording_id]

    def clean(_: dict[str, Any], items: list[Any]) -> list[dict[str, Any]]:
        return [{"id": item} for item in items]

    detail = Detail("followups", bool, fetch, "id", lambda _: clean)
    query = Query(None, None, None, None, {}, frozenset(), PAGE_SIZE)
    reader = PassReader(
        client, query, Slice(), threads=THREADS, stop=client._stop,
        wanted_details=lambda page: [Wanted(place, each, detail, clean) for place, each in enumerate(page.records)],
    )  # fmt: skip
    page = decoding.Page([{"id": "a"}, {"id": "b"}], None)
    with ExitStack() as others:
        for _ in range(DECODED_PAGES):
            others.enter_context(reader._decoding())
        threads = [threading.Thread(target=reader._details.complete, args=(page,))]
        threads.append(threading.Thread(target=lambda: others.enter_context(reader._decoding())))
        for thread in threads:
            thread.start()
        threads[0].join(20)
        assert not both.broken
        assert {place: decoding.unpack(each["followups"]) for place, each in page.details.items()} == {
            0: [{"id": "a"}],
            1: [{"id": "b"}],
        }
        reader._make_room()
        threads[1].join(20)
        assert not threads[1].is_alive()


def test_waiting_for_memory_is_not_trying(client: Client, sandbox: Sandbox, clock: Clock) -> None:
    """A target that slept for longer than `max_retry_seconds` would make the next fault fatal."""

    @contextmanager
    def slow() -> Iterator[None]:
        clock.sleep(100_000)
        yield

    sandbox.fault("html", on=2)
    assert len(client.page({"pageSize": str(PAGE_SIZE)}, slow).records) == PAGE_SIZE
    assert len(sandbox.requests) == 3
