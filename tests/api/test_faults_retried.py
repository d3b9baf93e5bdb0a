"""Temporary faults are retried: no row is lost or duplicated."""

from __future__ import annotations

import json
import socket
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox import Sandbox
from tests.sandbox.data import plain
from tests.sandbox.expected import expected_rows
from tests.support.in_process import HANGS, RETRIED, Clock, Outcome, loaded, place, served, sync, threads_left
from tests.support.process import config_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_siro.api.client import Client
    from tests.sandbox import Request

PLACES = ("first", "middle", "last")
DATA = plain(40, sections=1, extractions=1)
EXPECTED = expected_rows(DATA)
SLOW = {"page_size": 5}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(DATA) as sandbox:
        yield sandbox


def check(outcome: Outcome, sandbox: Sandbox) -> None:
    """Check that all rows arrived, each at most as often as the sandbox has sent it in a good page."""
    assert loaded(outcome) == EXPECTED
    assert outcome.count()["recordings"] <= served(sandbox)
    assert outcome.state["bookmarks"]["recordings"]["replication_key_value"] == max(row["updatedAt"] for row in DATA)
    assert threads_left() == []


@pytest.mark.parametrize(
    ("kind", "where", "threads"),
    [
        *((kind, "middle", 1 + 3 * (number % 2)) for number, kind in enumerate(RETRIED)),
        *((kind, where, 4) for kind in ("500", "reset", "cut JSON", "cursor a number") for where in ("first", "last")),
    ],
)
def test_a_passing_fault_costs_no_row(sandbox: Sandbox, kind: str, where: str, threads: int) -> None:
    """Each fault of the network would lose the rest of a full sync, or load rows twice."""
    name, options = RETRIED[kind]
    fault = sandbox.fault(name, when=place(sandbox, where), **options)
    clock = Clock()
    outcome = sync(config_for(sandbox, concurrency=threads, **SLOW, **HANGS.get(kind, {})), clock=clock)
    check(outcome, sandbox)
    assert fault.hits == 1
    assert len(outcome.warnings) == len(clock.waits) == 1
    assert "Retrying in" in outcome.warnings[0]
    assert outcome.errors == []


@pytest.mark.parametrize("where", PLACES)
def test_with_one_thread_a_fault_changes_nothing_that_is_written(sandbox: Sandbox, where: str) -> None:
    """The order or number of rows would change, and two full syncs could not be compared."""

    def rows(outcome: Outcome) -> list[Any]:
        return [(m["stream"], m["record"]) for m in outcome.messages if m["type"] == "RECORD"]

    config = config_for(sandbox, concurrency=1, **SLOW)
    without = sync(config)
    sandbox.clear()
    fault = sandbox.fault("short", when=place(sandbox, where))
    assert rows(sync(config)) == rows(without)
    assert fault.hits == 1


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("where", PLACES)
def test_an_api_that_is_away_for_a_while_costs_no_row(sandbox: Sandbox, where: str, threads: int) -> None:
    """While Siro restarts, it refuses connections: a nightly sync would fail or miss rows."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        clock, urls = Clock(), iter([gone, gone, gone])

        def on_wait(client: Client) -> None:
            client.api.url = next(urls, sandbox.url)

        clock.on_wait = on_wait
        fault = sandbox.fault("reset", when=place(sandbox, where))
        outcome = sync(config_for(sandbox, concurrency=threads, **SLOW), clock=clock)
    check(outcome, sandbox)
    assert fault.hits == 1
    assert len(outcome.warnings) == len(clock.waits) >= 4


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("where", PLACES)
def test_a_rate_limit_of_more_than_a_minute_is_sat_out(sandbox: Sandbox, where: str, threads: int) -> None:
    """Siro's limit is per minute and token: with less patience, each sync would fail."""
    clock, hit, is_there = Clock(), threading.Event(), place(sandbox, where)

    def limited(request: Request) -> bool:
        if is_there(request):
            hit.set()
        return hit.is_set() and clock.slept < 75

    fault = sandbox.fault("status", on=None, when=limited, status=429)
    outcome = sync(config_for(sandbox, concurrency=threads, **SLOW), clock=clock)
    check(outcome, sandbox)
    assert clock.slept >= 75
    assert len(outcome.warnings) == len(clock.waits) == fault.hits <= 8 * threads
    assert all("429" in warning for warning in outcome.warnings)


def test_waits_grow_and_differ_between_threads() -> None:
    """All threads would repeat their requests to an overloaded API at the same time."""
    clocks = []
    for _ in range(2):
        with Sandbox(DATA) as sandbox:
            sandbox.fault("status", on=8, status=503)
            clock = Clock()
            check(sync(config_for(sandbox, concurrency=1, **SLOW), clock=clock), sandbox)
            clocks.append(clock)
    one, other = (clock.waits for clock in clocks)
    assert one != other
    for waits in (one, other):
        assert len(waits) == 8
        assert 1 <= waits[0] <= 2
        assert all(after >= before for before, after in pairwise(waits[:5]))
        assert all(30 <= wait <= 60 for wait in waits[5:])


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_in_seconds_is_kept(sandbox: Sandbox, status: int) -> None:
    """A retry before the requested time prolongs the limit."""
    sandbox.fault("status", status=status, headers={"Retry-After": "41"})
    clock = Clock()
    check(sync(config_for(sandbox, **SLOW), clock=clock), sandbox)
    (wait,) = clock.waits
    assert 41 <= wait <= 60


@pytest.mark.parametrize("clock_of_server", ["2026-01-01T00:00:00+00:00", "2041-01-01T00:00:00+00:00"])
def test_retry_after_as_a_date_is_kept_by_the_servers_clock(clock_of_server: str) -> None:
    """If either clock is wrong, the tap would retry without pause, or wait for years."""
    now = datetime.fromisoformat(clock_of_server)
    with Sandbox(DATA, now=lambda: now) as sandbox:
        until = format_datetime((now + timedelta(seconds=41)).astimezone(UTC), usegmt=True)
        sandbox.fault("status", status=429, headers={"Retry-After": until})
        clock = Clock()
        outcome = sync(config_for(sandbox, **SLOW), clock=clock)
    (wait,) = clock.waits
    assert 41 <= wait <= 60
    assert loaded(outcome) == EXPECTED


@pytest.mark.parametrize(
    "value",
    [
        "",
        "0",
        "-5",
        "1.5",
        "soon",
        "٣",
        "Mon, 01 Jan 2024 00:00:00 GMT",
        "Mon, 01 Jan 0000 00:00:00 GMT",
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2024 99999999999:00:00 GMT",
        "Mon, 01 Jan 2024 00:00:00 +9999",
    ],
)
def test_a_senseless_retry_after_is_no_reason_to_fail_or_to_hammer(sandbox: Sandbox, value: str) -> None:
    """An odd header of a proxy would end the sync with a traceback, or cause a busy loop."""
    sandbox.fault("status", on=3, status=429, headers={"Retry-After": value})
    clock = Clock()
    check(sync(config_for(sandbox, **SLOW), clock=clock), sandbox)
    assert len(clock.waits) == 3
    assert all(1 <= wait <= 60 for wait in clock.waits)


@pytest.mark.parametrize("value", ["86400", "9" * 400])
def test_a_retry_after_beyond_all_patience_ends_the_sync_at_once(sandbox: Sandbox, value: str) -> None:
    """A job would hang for a day instead of failing visibly."""
    sandbox.fault("status", on=None, status=429, headers={"Retry-After": value})
    clock = Clock()
    outcome = sync(config_for(sandbox, **SLOW), clock=clock, status=1)
    assert clock.waits == []
    assert len(sandbox.requests) == 1
    (error,) = outcome.errors
    assert "max_retry_seconds" in error


@pytest.mark.parametrize(
    "date", ["", "today", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 01 Jan 0100 00:00:00 GMT"]
)
def test_a_senseless_date_header_costs_no_row(sandbox: Sandbox, date: str) -> None:
    """An odd header of a proxy would end the sync with a traceback."""
    page = json.dumps({"data": DATA, "cursor": None}).encode()
    sandbox.fault("status", status=200, body=page, headers={"Date": date})
    outcome = sync(config_for(sandbox, **SLOW))
    assert loaded(outcome) == EXPECTED
    assert loaded(outcome, sync(config_for(sandbox, **SLOW), state=outcome.state)) == EXPECTED


def test_faults_in_every_other_answer_cost_no_row(sandbox: Sandbox) -> None:
    """Several faults at once would lose rows."""
    kinds = [kind for kind in RETRIED if kind != "time-out"]

    def on_turn(turn: int) -> Callable[[Request], bool]:
        return lambda request: request.number % 2 == 1 and request.number // 2 % len(kinds) == turn

    faults = []
    for turn, kind in enumerate(kinds):
        name, options = RETRIED[kind]
        faults.append(sandbox.fault(name, on=None, when=on_turn(turn), **options))
    clock = Clock()
    # Small pages, so that there is a request for each kind.
    outcome = sync(config_for(sandbox, concurrency=4, **SLOW | {"page_size": 3}), clock=clock)
    check(outcome, sandbox)
    assert all(fault.hits for fault in faults)
    assert sum(fault.hits for fault in faults) == len(clock.waits) == len(outcome.warnings)
