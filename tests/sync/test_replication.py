"""Bookmarks, start dates, full refreshes and forced full-table replication."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.sandbox import Sandbox, timestamps
from tests.sandbox.data import recordings
from tests.sandbox.expected import expected_rows
from tests.sandbox.streams import KEYS
from tests.support.process import State, Warehouse, config_for, run_and_kill, run_tap, selecting

if TYPE_CHECKING:
    from pathlib import Path

DATA = recordings(120, odd=False)
NEWEST = max(str(each["updatedAt"]) for each in DATA)


def bookmark(state: State, stream: str = "recordings") -> dict[str, Any]:
    found: dict[str, Any] = state["bookmarks"][stream]
    return found


def merged(before: Any, after: Any) -> Any:
    """Return the state that Meltano keeps: it merges a run's state into its own, and deletes nothing."""
    if isinstance(before, dict) and isinstance(after, dict):
        return {**before, **{key: merged(before.get(key), value) for key, value in after.items()}}
    return after


def _now(off: timedelta) -> datetime:
    return datetime.now(UTC) + off


def test_start_date_limits_the_first_sync_only(tmp_path: Path) -> None:
    start = "2025-09-01T00:00:00.000Z"
    with Sandbox(DATA) as sandbox:
        first = run_tap(tmp_path, config_for(sandbox, start_date="2025-09-01"))
        assert sandbox.requests[0].params["updatedAt:gte"] == start
        wanted = {each["id"] for each in DATA if each["updatedAt"] >= start}
        assert {row["id"] for row in first.records["recordings"]} == wanted
        earlier = run_tap(tmp_path, config_for(sandbox, start_date="2025-01-01"), state=first.state)
        assert len(earlier.records["recordings"]) < 5, "an earlier start date does nothing once there is a bookmark"
        assert "start_date" not in earlier.stderr
        sandbox.update(DATA[0]["id"], title="changed")
        later = run_tap(tmp_path, config_for(sandbox, start_date="2099-01-01"), state=first.state)
        assert DATA[0]["id"] in {row["id"] for row in later.records["recordings"]}
        assert "`start_date` is later than the bookmark of 'recordings'" in later.stderr


def test_no_bookmark_passes_the_beginning_of_the_sync_or_goes_back(tmp_path: Path) -> None:
    """A bookmark later than the first request would skip what changed while the sync ran."""
    clock = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)

    def tick() -> datetime:
        nonlocal clock
        clock += timedelta(seconds=1)
        return clock

    with Sandbox(DATA, now=tick) as sandbox:
        config = config_for(sandbox, page_size=20)
        sandbox.hook = lambda here, request: here.update(DATA[request.number]["id"], title="during the sync")
        began = "2026-03-01T12:00:05.000Z"
        run = run_tap(tmp_path, config)
        history = next(state for state in run.states if "replication_key_value" in bookmark(state))
        assert bookmark(history)["replication_key_value"] < began
        assert sandbox.requests[-1].params["updatedAt:gte"] < began
        sandbox.hook = None
        later = run_tap(tmp_path, config, state=run.state)
        values = [bookmark(state)["replication_key_value"] for state in later.states]
        assert values == sorted(values)
        assert values[0] >= bookmark(run.state)["replication_key_value"]
        # Rows that are older than the bookmark come with the lookback; they must not pull it back.
        future = deepcopy(later.state)
        for each in future["bookmarks"].values():
            each["replication_key_value"] = "2026-03-01T13:00:00.000Z"
        back = run_tap(tmp_path, config_for(sandbox, lookback_seconds=86_400), state=future)
        assert back.records["recordings"]
        assert back.state == future


def test_a_server_clock_that_is_behind_or_ahead_loses_nothing(tmp_path: Path) -> None:
    for minutes in (-90, 90):
        off = timedelta(minutes=minutes)
        with Sandbox(DATA, now=partial(_now, off)) as sandbox:
            sandbox.hook = lambda here, request: here.update(DATA[request.number % 40]["id"], title="changed")
            warehouse = Warehouse()
            warehouse.load(run_tap(tmp_path, config_for(sandbox, page_size=20)))
            sandbox.hook = None
            warehouse.load(run_tap(tmp_path, config_for(sandbox, page_size=20), state=warehouse.state))
            assert warehouse.live() == expected_rows(sandbox.recordings)


def test_a_pass_resumed_on_a_later_day_does_not_skip_the_recheck(tmp_path: Path) -> None:
    """Scores that Siro finished over the weekend, without moving updatedAt, precede the position of Friday's pass."""
    now = timestamps.to_ms(datetime.now(UTC))
    friday = timestamps.from_ms(now - 3 * 86_400_000)
    open_pass = {
        "replication_key": "updatedAt",
        "pass_position": "2025-06-01T00:00:00.000Z",
        "pass_since": None,
        "pass_as_of": friday,
        "pass_max_seen": friday,
        "pass_query": "history?",
    }
    with Sandbox(DATA) as sandbox:
        config = {**config_for(sandbox), "daily_recheck_days": 2}
        state = {"bookmarks": {"recordings": open_pass}}
        run_tap(tmp_path, config, state=state, catalog=selecting("recordings"))
        sinces = [request.params.get("updatedAt:gte") for request in sandbox.requests]
    assert sinces[-1] == timestamps.from_ms((timestamps.parse(friday) or 0) - 2 * 86_400_000)


def test_a_bookmark_from_the_beginning_of_time_is_one(tmp_path: Path) -> None:
    state = {"bookmarks": {"recordings": {"replication_key_value": "0001-01-01T00:00:00Z"}}}
    with Sandbox(DATA) as sandbox:
        run = run_tap(tmp_path, config_for(sandbox), state=state, catalog=selecting("recordings"))
    assert {row["id"] for row in run.records["recordings"]} == {each["id"] for each in DATA}


def test_a_full_refresh_that_was_interrupted_goes_on_and_ends(tmp_path: Path) -> None:
    """Meltano keeps the old bookmark beside the new position; the full sync must still be finished."""
    with Sandbox(DATA, latency=0.002) as sandbox:
        config = config_for(sandbox, page_size=4)
        old = run_tap(tmp_path, config).state
        refreshed = Warehouse()
        killed = run_and_kill(tmp_path, config, sandbox, at_request=28)
        assert killed.state["bookmarks"]["recordings"]["pass_position"], "killed too early for this test"
        kept = merged(old, killed.state)
        assert bookmark(kept)["replication_key_value"] == NEWEST
        refreshed.load(killed)
        sandbox.clear()
        rest = run_tap(tmp_path, config, state=kept)
        assert "updatedAt:gte" not in sandbox.requests[0].params
        assert "createdAt:gt" in sandbox.requests[0].params
        refreshed.load(rest)
        assert refreshed.tables == expected_rows(DATA)
        finished = merged(kept, rest.state)
        assert finished == old, "the interrupted refresh left traces in the state that Meltano keeps"
        sandbox.clear()
        run_tap(tmp_path, config, state=finished)
        assert len(sandbox.requests) == 1


def test_a_full_refresh_that_ends_leaves_the_state_of_a_first_sync(tmp_path: Path) -> None:
    with Sandbox(DATA) as sandbox:
        config = config_for(sandbox)
        old = run_tap(tmp_path, config).state
        assert merged(old, run_tap(tmp_path, config).state) == old


def test_an_open_history_begins_again_if_it_is_to_hold_more(tmp_path: Path) -> None:
    with Sandbox(DATA, latency=0.002) as sandbox:
        config = config_for(sandbox, page_size=4, start_date="2025-06-01")
        killed = run_and_kill(tmp_path, config, sandbox, at_request=20)
        assert bookmark(killed.state)["pass_position"], "killed too early for this test"

        def beginning(**settings: Any) -> tuple[str | None, str | None]:
            sandbox.clear()
            run_tap(tmp_path, config_for(sandbox, page_size=50, **settings), state=killed.state)
            params = sandbox.requests[0].params
            return params.get("updatedAt:gte"), params.get("createdAt:gt")

        goes_on = (
            "2025-06-01T00:00:00.000Z",
            timestamps.from_ms((timestamps.parse(bookmark(killed.state)["pass_position"]) or 0) - 1),
        )
        assert beginning(start_date="2025-06-01") == goes_on
        assert beginning(start_date="2025-08-01") == goes_on, "a later start needs nothing that is not there"
        assert beginning(start_date="2025-05-01") == ("2025-05-01T00:00:00.000Z", None)
        assert beginning() == (None, None)
        assert beginning(start_date="2025-06-01", is_summary_done=True) == ("2025-06-01T00:00:00.000Z", None)
        assert beginning(start_date="2025-06-01", created_after="2025-02-01") == goes_on, "less is wanted now"


def test_full_table_replication_reads_everything_each_time_and_keeps_no_state(tmp_path: Path) -> None:
    with Sandbox(DATA) as sandbox:
        catalog = selecting("recordings", "recording_followups")
        for entry in catalog["streams"]:
            if entry["tap_stream_id"] == "recordings":
                root = next(each for each in entry["metadata"] if each["breadcrumb"] == [])
                root["metadata"]["forced-replication-method"] = "FULL_TABLE"
        config = config_for(sandbox, start_date="2025-12-01")
        first = run_tap(tmp_path, config, catalog=catalog)
        second = run_tap(tmp_path, config, catalog=catalog, state=first.state)
    for run in (first, second):
        assert {row["id"] for row in run.records["recordings"]} == {each["id"] for each in DATA}
        assert not bookmark(run.state)
        assert "ACTIVATE_VERSION" not in {message["type"] for message in run.messages}
    assert 0 < len(second.records["recording_followups"]) < len(first.records["recording_followups"])
    assert second.state == first.state


def test_a_full_table_pass_that_is_killed_starts_again(tmp_path: Path) -> None:
    """A target that overwrites the table with each run would keep only the second half."""
    with Sandbox(DATA, latency=0.002) as sandbox:
        catalog = selecting("recordings")
        for entry in catalog["streams"]:
            entry["replication_method"] = "FULL_TABLE"
        config = config_for(sandbox, page_size=4)
        killed = run_and_kill(tmp_path, config, sandbox, at_request=28, catalog=catalog)
        rest = run_tap(tmp_path, config, catalog=catalog, state=killed.state or None)
    assert {row["id"] for row in rest.records["recordings"]} == {each["id"] for each in DATA}


def test_no_activate_version_even_if_asked_for(tmp_path: Path) -> None:
    with Sandbox(DATA) as sandbox:
        catalog = selecting(*KEYS)
        for entry in catalog["streams"]:
            if entry["tap_stream_id"] not in KEYS:
                continue  # a transcript needs another token
            entry["replication_method"] = "FULL_TABLE"
            entry["metadata"][-1]["metadata"]["selected"] = True
            next(each for each in entry["metadata"] if each["breadcrumb"] == [])["metadata"]["selected"] = True
        config = config_for(sandbox, emit_activate_version_messages=True)
        run = run_tap(tmp_path, config, catalog=catalog)
    assert {message["type"] for message in run.messages} == {"SCHEMA", "RECORD", "STATE"}
