"""`end_date`: with `start_date` a window that is read on its own, and no bookmark past it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox import Sandbox
from tests.sandbox.data import plain
from tests.sandbox.expected import expected_rows
from tests.support.in_process import loaded, sync
from tests.support.process import config_for, discover

if TYPE_CHECKING:
    from pathlib import Path

DATA = plain(150, sections=1, extractions=1)
START, END = "2025-05-01T00:00:00.000Z", "2025-09-01T00:00:00.000Z"
FAST: dict[str, Any] = {"page_size": 10, "requests_per_minute": 100_000}


def bookmarks(state: dict[str, Any]) -> set[Any]:
    return {entry["replication_key_value"] for entry in state["bookmarks"].values()}


def within(start: str | None, end: str) -> list[dict[str, Any]]:
    return [row for row in DATA if (start or "") <= row["updatedAt"] < end]


@pytest.mark.parametrize("start", [START, None])
def test_a_window_has_what_was_updated_in_it(start: str | None) -> None:
    """Rows of another month in a month's load, or a month that is not whole."""
    edges = [DATA[0] | {"id": each, "updatedAt": each} for each in (START, END)]
    with Sandbox([*DATA, *edges]) as sandbox:
        run = sync(config_for(sandbox, start_date=start, end_date=END, **FAST))
        ends = [request.params.get("updatedAt:lt") for request in sandbox.requests]
        assert set(ends) == {END, None}
        assert ends.count(None) == 1, "what was edited meanwhile has left the window"
    assert loaded(run) == expected_rows([*within(start, END), edges[0]])
    assert bookmarks(run.state) == {max(row["updatedAt"] for row in within(start, END))}


def test_windows_follow_each_other_without_a_gap() -> None:
    """A backfill month by month, with one state: what is on the edge would be missing."""
    months = [f"2025-{month:02}-01" for month in range(2, 13)] + ["2026-06-01"]
    state: dict[str, Any] = {}
    runs = []
    with Sandbox(DATA) as sandbox:
        for end in months:
            runs.append(sync(config_for(sandbox, end_date=end, lookback_seconds=1, **FAST), state=state))
            state = runs[-1].state
            assert max(bookmarks(state)) < end
    assert loaded(*runs) == expected_rows(DATA)
    assert sum(run.count()["recordings"] for run in runs) < 1.3 * len(DATA)


def test_earlier_than_the_bookmark_nothing_is_read_and_a_warning_says_so(tmp_path: Path) -> None:
    """The bookmark of a table that is loaded each hour would be lost to someone's backfill."""
    catalog = discover(tmp_path, recordings=True, recording_crm_links=True)
    state = {"bookmarks": {name: {"replication_key_value": END} for name in ("recordings", "recording_crm_links")}}
    with Sandbox(DATA) as sandbox:
        run = sync(config_for(sandbox, end_date=START, **FAST), state=state, catalog=catalog)
        assert (sandbox.requests, run.count()) == ([], {})
        assert [
            f"`end_date` is earlier than the bookmark of '{name}'" in warning
            for name, warning in zip(state["bookmarks"], run.warnings, strict=True)
        ] == [True, True]
        assert bookmarks(run.state or state) == {END}
        same = sync(config_for(sandbox, end_date=END, **FAST), state=state, catalog=catalog)
        assert same.warnings == []
        assert bookmarks(same.state) == {END}


def test_a_stream_that_is_behind_is_read_though_another_is_not(tmp_path: Path) -> None:
    catalog = discover(tmp_path, recordings=True, recording_crm_links=True)
    state = {"bookmarks": {"recordings": {"replication_key_value": END}}}
    with Sandbox(DATA) as sandbox:
        run = sync(config_for(sandbox, end_date=START, **FAST), state=state, catalog=catalog)
    assert set(run.records) == {"recording_crm_links"}
    assert loaded(run)["recording_crm_links"] == expected_rows(within(None, START))["recording_crm_links"]


def test_a_history_that_was_begun_without_an_end_goes_on_with_one() -> None:
    with Sandbox(DATA) as sandbox:
        sandbox.fault("status", on=None, when=lambda request: request.number > 12, status=401)
        begun = sync(config_for(sandbox, **FAST), status=1)
        sandbox._faults.clear()
        sandbox.clear()
        ended = sync(config_for(sandbox, end_date=END, **FAST), state=begun.state)
        assert "createdAt:gt" in sandbox.requests[0].params
    rows, wanted = loaded(begun, ended)["recordings"], expected_rows(within(None, END))["recordings"]
    assert {key: rows[key] for key in wanted} == wanted
    assert max(bookmarks(ended.state)) <= END
