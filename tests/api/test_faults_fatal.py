"""Permanent faults end the sync at once, with a message, an exit status, and a state to continue from."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from tap_siro.sync.planner import PROBES
from tests.sandbox import Sandbox
from tests.sandbox.data import plain
from tests.sandbox.expected import expected_rows
from tests.sandbox.streams import DEFAULT
from tests.support.in_process import FATAL, RETRIED, Clock, loaded, sync, threads_left
from tests.support.process import State, config_for, run_tap, start_tap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.sandbox import Request

DATA = plain(60, sections=1, extractions=1)
EXPECTED = expected_rows(DATA)
SMALL = {"page_size": 5}
PLACES = {
    "at once": lambda request: request.number >= 1,
    "late": lambda request: request.number >= 16,
}
FIRST: dict[str, Any] = {"at once": 1, "late": 16}
ENDS = FATAL | {
    f"{kind}, over and over": (*RETRIED[kind], "max_retry_seconds")
    for kind in ("429", "500", "reset", "cut JSON", "200 with HTML", "data null")
}
BOOKMARK = "2026-01-01T00:00:00.000Z"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(DATA) as sandbox:
        yield sandbox


def bookmarks(state: State) -> dict[str, Any]:
    return {name: entry.get("replication_key_value") for name, entry in state.get("bookmarks", {}).items()}


@pytest.mark.parametrize(("where", "threads"), [("at once", 1), ("late", 4)])
@pytest.mark.parametrize("kind", ENDS)
def test_a_lasting_fault_ends_the_sync_and_the_next_one_goes_on(
    sandbox: Sandbox, kind: str, where: str, threads: int
) -> None:
    """A user would see a successful job without data, wait for hours, or miss rows after the fault is repaired."""
    name, options, advice = ENDS[kind]
    fault = sandbox.fault(name, on=None, when=PLACES[where], **options)
    config = config_for(sandbox, concurrency=threads, **SMALL)
    clock = Clock()
    first = sync(config | {"max_retry_seconds": 5}, clock=clock, status=1)
    assert threads_left() == []
    (error,) = first.errors
    assert advice in error
    assert "Traceback" not in first.stderr
    tries = 1 + len(clock.waits)
    # One request per thread, and one more without pageSize after a 400; temporary faults, a few times. A 500 may be due
    # to one recording, so each slice is tried, and then its parts.
    assert fault.hits <= 2 * threads + 3 * tries + (2 * PROBES * threads if kind.startswith("500") else 0)
    assert set(bookmarks(first.state).values()) <= {None}
    assert sandbox.requests[FIRST[where] - 1].fault == name

    fault.on = fault.hits
    assert loaded(first, sync(config, state=first.state)) == EXPECTED


def test_a_sync_that_failed_late_does_not_start_again(sandbox: Sandbox) -> None:
    """A full sync of hours that fails near its end would never finish."""
    config = config_for(sandbox, concurrency=1, **SMALL)
    fault = sandbox.fault("status", on=None, when=lambda request: request.number >= 18, status=401)
    first = sync(config, status=1)
    whole = len(sandbox.requests)
    fault.on = fault.hits
    sandbox.clear()
    second = sync(config, state=first.state)
    assert loaded(first, second) == EXPECTED
    assert len(sandbox.requests) < whole


@pytest.mark.parametrize("kind", ["401", "500, over and over"])
def test_a_failed_process_says_one_thing_and_exits_with_1(sandbox: Sandbox, tmp_path: Path, kind: str) -> None:
    """A scheduler would report success, or a user would see pages of traceback."""
    name, options, advice = ENDS[kind]
    sandbox.fault(name, on=None, **options)
    before = {"bookmarks": {"recordings": {"replication_key": "updatedAt", "replication_key_value": BOOKMARK}}}
    config = config_for(sandbox, max_retry_seconds=0.5)
    run = run_tap(tmp_path, config, state=before, status=1)
    (error,) = [line for line in run.stderr.splitlines() if "ERROR" in line]
    assert advice in error
    assert "Traceback" not in run.stderr
    assert run.count().keys() == set(DEFAULT), "the lists are loaded all the same"
    # The incremental sync fails, so the full syncs of the other streams don't begin.
    assert len(sandbox.requests) <= 2
    assert bookmarks(run.state)["recordings"] == BOOKMARK
    assert {value for name, value in bookmarks(run.state).items() if name != "recordings"} <= {None}


def test_an_unreachable_address_says_so(tmp_path: Path) -> None:
    """After a typing error in `api_url`, a user would not find the cause."""
    with Sandbox([]) as sandbox:
        config = config_for(sandbox, max_retry_seconds=0)
    run = run_tap(tmp_path, config, status=1)
    (error,) = [line for line in run.stderr.splitlines() if "ERROR" in line]
    assert "failed to respond" in error
    assert "max_retry_seconds" in error


@pytest.mark.parametrize("host", ["127.0.0.1:1/..", "localhost:0", "localhost:65535x", "[::1"])
def test_an_address_that_cannot_be_asked_is_refused_in_a_sentence(tmp_path: Path, host: str) -> None:
    """An invalid address must be named in the message too."""
    config = {"api_url": f"http://{host}", "api_token": "t", "max_retry_seconds": 0}
    run = run_tap(tmp_path, config, status=1)
    assert "Traceback" not in run.stderr
    assert len([line for line in run.stderr.splitlines() if "ERROR" in line]) == 1


def test_403_names_the_flags_that_were_sent(sandbox: Sandbox) -> None:
    """If a token lacks a scope, the user must know which flags to switch off."""
    sandbox.fault("status", status=403, body=b"{}")
    (error,) = sync(config_for(sandbox, show_summary=False), status=1).errors
    assert "showCrmLinks, showEntityExtractions, showEvaluationScore, showFollowups" in error
    assert "showSummary" not in error


def test_a_failure_while_another_request_hangs_ends_the_process(tmp_path: Path) -> None:
    """A job that has failed would block its scheduler until the last time-out."""

    def is_late(request: Request) -> bool:
        return request.number >= 30  # when all threads are busy

    with Sandbox(plain(400)) as sandbox:
        sandbox.fault("slow", on=1, when=is_late, seconds=50)
        sandbox.fault("status", on=None, when=is_late, status=401)
        with start_tap(tmp_path, config_for(sandbox, concurrency=4, **SMALL)) as process:
            try:
                # Long before the slow response.
                out, err = process.communicate(timeout=25)
            finally:
                process.send_signal(signal.SIGKILL)
    assert process.returncode == 1
    assert "api_token" in err
    assert out.endswith("\n")
