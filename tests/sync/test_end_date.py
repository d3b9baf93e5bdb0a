"""`end_date` with `start_date`: a window with its own state, and no bookmark past it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox import Request, Sandbox, timestamps
from tests.sandbox.data import plain
from tests.sandbox.expected import expected_rows
from tests.support.in_process import loaded, sync
from tests.support.process import config_for, selecting

if TYPE_CHECKING:
    from pathlib import Path

DATA = plain(150, sections=1, extractions=1)
START, END = "2025-05-01T00:00:00.000Z", "2025-09-01T00:00:00.000Z"
FAST: dict[str, Any] = {"page_size": 10}


def bookmarks(state: dict[str, Any]) -> set[Any]:
    return {entry["replication_key_value"] for entry in state["bookmarks"].values()}


def within(start: str | None, end: str) -> list[dict[str, Any]]:
    return [row for row in DATA if (start or "") <= row["updatedAt"] < end]


@pytest.mark.parametrize("start", [START, None])
def test_a_window_has_what_was_updated_in_it(start: str | None) -> None:
    """The load of a month would contain rows of another month, or be incomplete."""
    edges = [DATA[0] | {"id": each, "updatedAt": each} for each in (START, END)]
    with Sandbox([*DATA, *edges]) as sandbox:
        run = sync(config_for(sandbox, start_date=start, end_date=END, **FAST))
        ends = [request.params.get("updatedAt:lt") for request in sandbox.requests]
        assert set(ends) == {END, None}
        assert ends.count(None) == 1, "what was edited meanwhile has left the window"
    assert loaded(run) == expected_rows([*within(start, END), edges[0]])
    assert bookmarks(run.state) == {max(row["updatedAt"] for row in within(start, END))}


def test_windows_follow_each_other_without_a_gap() -> None:
    """In a backfill month by month with one state, recordings at the edge would be missing."""
    months = ["2025-02-01", "2025-03-01", "2025-06-01", "2025-11-01", "2026-06-01"]
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
    """A backfill would reset the bookmark of an hourly sync."""
    catalog = selecting("recordings", "recording_crm_links")
    state = {"bookmarks": {name: {"replication_key_value": END} for name in ("recordings", "recording_crm_links")}}
    with Sandbox(DATA) as sandbox:
        run = sync(config_for(sandbox, end_date=START, **FAST), state=state, catalog=catalog)
        assert (sandbox.requests, run.count()) == ([], {})
        (warning,) = run.warnings
        assert f"`end_date` is earlier than the bookmark of 'recordings' ({END}), 'recording_crm_links'" in warning
        assert bookmarks(run.state or state) == {END}
        same = sync(config_for(sandbox, end_date=END, **FAST), state=state, catalog=catalog)
        assert same.warnings == []
        assert bookmarks(same.state) == {END}


def test_a_stream_that_is_behind_is_read_though_another_is_not(tmp_path: Path) -> None:
    catalog = selecting("recordings", "recording_crm_links")
    state = {"bookmarks": {"recordings": {"replication_key_value": END}}}
    with Sandbox(DATA) as sandbox:
        run = sync(config_for(sandbox, end_date=START, **FAST), state=state, catalog=catalog)
    assert set(run.records) == {"recording_crm_links"}
    assert loaded(run)["recording_crm_links"] == expected_rows(within(None, START))["recording_crm_links"]


def test_a_history_that_was_begun_without_an_end_goes_on_with_one() -> None:
    with Sandbox(DATA) as sandbox:
        fault = sandbox.fault("status", on=None, when=lambda request: request.number > 12, status=401)
        begun = sync(config_for(sandbox, **FAST), status=1)
        fault.on = 0
        sandbox.clear()
        ended = sync(config_for(sandbox, end_date=END, **FAST), state=begun.state)
        assert "createdAt:gt" in sandbox.requests[0].params
    rows, wanted = loaded(begun, ended)["recordings"], expected_rows(within(None, END))["recordings"]
    assert {key: rows[key] for key in wanted} == wanted
    assert max(bookmarks(ended.state)) <= END


# Recordings that leave the result during the sync

LIMITS: dict[str, dict[str, Any]] = {"end_date": {"end_date": "2026-03-01"}, "filter": {"is_processing_done": True}}
MANY = [each | {"isProcessingDone": True} for each in plain(300, sections=1, extractions=1)]
RUNS = {"whole": (0, 1), "interrupted": (20, 1), "interrupted, with threads": (20, 4)}
"""Requests after which a run is stopped, if it is, and threads."""


class Edits:
    """Edits recordings that the current chain has returned: each pushes another one past the cursor."""

    def __init__(self, every: int, most: int) -> None:
        self.every, self.most = every, most
        self.touched: set[str] = set()
        self._served: dict[str, list[str]] = {}
        self._waited = 0

    def __call__(self, sandbox: Sandbox, request: Request) -> None:
        if not {"updatedAt:lt", "isProcessingDone"} & request.params.keys():
            return
        chain = json.dumps(sorted((name, value) for name, value in request.pairs if name != "cursor"))
        served = self._served.setdefault(chain, [])
        left = [name for name in served if name not in self.touched]
        self._waited += 1
        if "cursor" in request.params and self._waited >= self.every and left and len(self.touched) < self.most:
            self._waited = 0
            self.touched.add(left[0])
            sandbox.update(left[0], isProcessingDone=False)
        served += [json.loads(row)["id"] for row in sandbox.peek(request).rows]


@pytest.mark.parametrize("end", RUNS)
@pytest.mark.parametrize(("created", "order"), [("taken", "newest_created"), ("taken", "id"), ("refused", "id")])
@pytest.mark.parametrize("limit", LIMITS)
def test_what_leaves_the_result_hides_no_other(limit: str, created: str, order: str, end: str) -> None:
    """An unchanged recording would be missing for good, because an edited neighbour moved it past the cursor."""
    catalog, runs, edits = selecting("recordings"), [], Edits(every=4, most=6)
    at_request, threads = RUNS[end]
    with Sandbox(MANY, cursor="count", created=created, order=order) as sandbox:
        sandbox.hook = edits
        config = config_for(sandbox, start_date="2024-12-01", concurrency=threads, **LIMITS[limit], **FAST)
        if at_request:
            fault = sandbox.fault("status", status=401, on=None, when=lambda request: request.number > at_request)
            runs.append(sync(config, catalog=catalog, status=1))
            fault.on = 0
        runs.append(sync(config, catalog=catalog, state=runs[-1].state if runs else None))
    assert edits.touched
    untouched = expected_rows([each for each in MANY if each["id"] not in edits.touched])["recordings"]
    rows = loaded(*runs)["recordings"]
    assert {key: rows.get(key) for key in untouched} == untouched


@pytest.mark.parametrize("created", ["taken", "refused"])
@pytest.mark.parametrize("limit", LIMITS)
def test_where_nothing_is_edited_a_window_takes_few_requests_more(limit: str, created: str) -> None:
    """Every poll with a status filter would cost twice as much."""
    requests = []
    with Sandbox(MANY, cursor="count", created=created) as sandbox:
        for settings in ({}, LIMITS[limit]):
            config = config_for(sandbox, start_date="2024-12-01", concurrency=1, **settings, **FAST)
            assert loaded(sync(config)) == expected_rows(MANY)
            requests.append(len(sandbox.requests))
            sandbox.clear()
    assert requests[1] <= requests[0] + 3


def test_a_window_that_never_rests_is_not_read_for_ever() -> None:
    """A busy organization would never get a bookmark, and read everything each time."""
    with Sandbox(MANY[:100], cursor="count", created="refused") as sandbox:
        sandbox.hook = Edits(every=5, most=100)
        config = config_for(sandbox, start_date="2024-12-01", **LIMITS["end_date"], **FAST)
        run = sync(config, catalog=selecting("recordings"))
        firsts = [each.params for each in sandbox.requests if "cursor" not in each.params]
        history = [each for each in firsts if each["updatedAt:gte"] < "2025" and "createdAt" not in str(each)]
        assert len(history) == 1 + 1 + 3, "with slices in vain, then in one chain, then again"
    assert [each for each in run.warnings if "kept changing while they were read, 3 times" in each]


@pytest.mark.parametrize("is_old", [False, True])
def test_a_recording_edited_between_search_and_read_is_no_fault(*, is_old: bool) -> None:
    """A busy minute must not end the run with "not reliable"; an API that ignores the filter must."""

    def edit(page: dict[str, Any]) -> dict[str, Any]:
        moment = "2026-04-01T00:00:00.000Z" if is_old else timestamps.from_ms(int(time.time() * 1000))
        return page | {"data": [*page["data"][1:], page["data"][0] | {"updatedAt": moment}]}

    with Sandbox(MANY[:60]) as sandbox:
        sandbox.fault("edit", edit=edit, when=lambda request: request.number == 1)
        run = sync(config_for(sandbox, **LIMITS["end_date"], **FAST), status=int(is_old))
    if is_old:
        assert "`updatedAt:lt`" in run.errors[0]
        assert "replication_key_value" not in str(run.state)
    else:
        assert loaded(run)["recordings"].keys() == {(each["id"],) for each in MANY[:60]}
        assert max(bookmarks(run.state)) <= "2026-03-01T00:00:00.000Z"


def test_an_end_that_moves_with_each_run_does_not_begin_a_history_anew() -> None:
    """With "an hour ago", a full sync of more than one run would never end."""
    catalog, state, seen = selecting("recordings"), dict[str, Any](), set[str]()
    runs, data = [], plain(700, sections=1, extractions=1)
    with Sandbox(data) as sandbox:
        for day in range(1, 5):
            sandbox.clear()
            fault = sandbox.fault("status", status=401, on=None, when=lambda request: request.number > 24)
            config = config_for(sandbox, end_date=f"2026-03-0{day}", concurrency=1, **FAST)
            runs.append(sync(config, catalog=catalog, state=state, status=1))
            fault.on = 0
            state, names = runs[-1].state, {row["id"] for row in runs[-1].records["recordings"]}
            assert len(names - seen) >= 50, f"run {day}"
            seen |= names
        runs.append(sync(config_for(sandbox, end_date="2026-03-05", **FAST), catalog=catalog, state=state))
    assert loaded(*runs)["recordings"] == expected_rows(data)["recordings"]
