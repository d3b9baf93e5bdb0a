"""After a kill, the tap continues from its last STATE: no row is lost, and the full sync does not restart."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox import Sandbox, timestamps
from tests.sandbox.data import plain, recordings
from tests.sandbox.expected import expected_rows
from tests.sandbox.store import ORDERS
from tests.support.in_process import sync
from tests.support.process import Warehouse, config_for, run_and_kill, run_tap

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.thorough

DATA = recordings(140)


def _position(state: dict[str, Any]) -> str | None:
    position: str | None = state.get("bookmarks", {}).get("recordings", {}).get("pass_position")
    return position


def _just_before(text: str) -> str:
    timestamp = timestamps.parse(text)
    assert timestamp is not None
    return timestamps.from_ms(timestamp - 1)


@pytest.mark.parametrize("moment", range(4))
def test_a_history_that_is_killed_goes_on(tmp_path: Path, moment: int) -> None:
    rng = random.Random(moment)
    with Sandbox(DATA, order=list(ORDERS)[moment % 4], latency=0.002) as sandbox:
        config = config_for(sandbox, page_size=4, concurrency=(4, 1)[moment % 2])
        warehouse = Warehouse()
        positions = [""]
        for _ in range(3):
            moment_of_death = rng.randrange(1, 40)
            state = warehouse.state or None
            warehouse.load(run_and_kill(tmp_path, config, sandbox, at_request=moment_of_death, state=state))
            if "replication_key_value" in warehouse.state.get("bookmarks", {}).get("recordings", {}):
                break  # the full sync had ended
            positions.append(_position(warehouse.state) or "")
        assert positions == sorted(positions), "a position went back"
        sandbox.clear()
        rest = run_tap(tmp_path, config, state=warehouse.state or None)
        if (position := _position(warehouse.state)) and position == positions[-1]:
            assert sandbox.requests[0].params["createdAt:gt"] == _just_before(position), "the history began again"
            # Recordings without a date come with every request, so ignore them.
            dated = [row for row in rest.records["recordings"] if row["createdAt"] and row["updatedAt"]]
            assert all(row["createdAt"] >= position for row in dated), "rows before the position came again"
        warehouse.load(rest)
        assert warehouse.tables == expected_rows(DATA)
        bookmark = warehouse.state["bookmarks"]["recordings"]
        assert bookmark["replication_key_value"] == max(each.get("updatedAt") or "" for each in DATA)
        assert bookmark["pass_query"] is None


@pytest.mark.parametrize(("order", "threads"), list(zip(ORDERS, (8, 1, 8, 1), strict=True)))
def test_a_history_that_is_cut_again_and_killed_goes_on(tmp_path: Path, order: str, threads: int) -> None:
    """On a dense day, slices are given up and divided again: a gap between two would lose recordings."""
    small = {"sections": 1, "extractions": 1}
    data = plain(100, start="2021-01-01T00:00:00.000Z", end="2025-01-01T00:00:00.000Z", **small)
    data += plain(200, start="2023-02-01T00:00:00.000Z", end="2023-02-02T00:00:00.000Z", seed=9, **small)
    with Sandbox(data, order=order, latency=0.002) as sandbox:
        config = config_for(sandbox, page_size=5, concurrency=threads)
        warehouse, beginnings = Warehouse(), set()
        for moment in (7, 25, 40):
            run = run_and_kill(tmp_path, config, sandbox, at_request=moment, state=warehouse.state or None)
            warehouse.load(run)
            beginnings |= {request.params.get("createdAt:gt") for request in sandbox.requests}
        sandbox.clear()
        warehouse.load(run_tap(tmp_path, config, state=warehouse.state or None))
        assert len(beginnings) > 5, "nothing was cut"
        assert warehouse.tables == expected_rows(data)


def test_a_poll_of_many_pages_that_is_killed_goes_on(tmp_path: Path) -> None:
    with Sandbox(DATA, latency=0.002) as sandbox:
        config = config_for(sandbox, page_size=4)
        warehouse = Warehouse()
        warehouse.load(run_tap(tmp_path, config))
        before = warehouse.state["bookmarks"]["recordings"]["replication_key_value"]
        for each in DATA[:100]:
            sandbox.update(each["id"], title="after the first sync")
        killed = run_and_kill(tmp_path, config, sandbox, at_request=25, state=warehouse.state)
        warehouse.load(killed)
        open_pass = warehouse.state["bookmarks"]["recordings"]
        assert open_pass["pass_position"], "killed too early or too late for this test"
        assert open_pass["replication_key_value"] == before, "the bookmark moved before the pass was over"
        sandbox.clear()
        rest = run_tap(tmp_path, config, state=warehouse.state)
        assert sandbox.requests[0].params["createdAt:gt"] == _just_before(open_pass["pass_position"])
        assert sandbox.requests[0].params["updatedAt:gte"] == open_pass["pass_since"]
        warehouse.load(rest)
        assert warehouse.live() == expected_rows(sandbox.recordings)


@pytest.mark.parametrize("begun", [False, True])
def test_a_run_begins_with_the_state_that_it_was_given(begun: bool) -> None:
    """target-duckdb and similar targets treat a run's first STATE as loaded, and confirm it with the first batch."""
    with Sandbox(DATA) as sandbox:
        given = sync(config_for(sandbox)).state if begun else {}
        if begun:
            sandbox.update(DATA[0]["id"], title="another")
        run = sync(config_for(sandbox), state=given)
    first = next(number for number, message in enumerate(run.messages) if message["type"] in {"STATE", "RECORD"})
    assert run.messages[first]["type"] == "STATE"
    bookmarks = run.messages[first]["value"]["bookmarks"]
    assert {stream: bookmark for stream, bookmark in bookmarks.items() if bookmark} == given.get("bookmarks", {})
    assert run.records["recordings"], "nothing came after it"
    assert run.state != given
