"""A sync loads every row of every stream, in any order of the API and with any number of threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sandbox import Sandbox, timestamps
from tests.sandbox.data import plain, recordings
from tests.sandbox.expected import expected_rows
from tests.sandbox.store import CURSORS, ORDERS
from tests.sandbox.streams import DEFAULT, KEYS
from tests.support.process import Warehouse, config_for, run_tap

if TYPE_CHECKING:
    from pathlib import Path

DATA = recordings(240)


@pytest.mark.parametrize(("order", "threads"), list(zip(ORDERS, (4, 1, 4, 1), strict=True)))
def test_every_row_of_every_stream_arrives_as_it_is(tmp_path: Path, order: str, threads: int) -> None:
    cursor = CURSORS[threads % len(CURSORS)]
    with Sandbox(DATA, order=order, cursor=cursor) as sandbox:
        run = run_tap(tmp_path, config_for(sandbox, concurrency=threads, page_size=10))
        assert sandbox.max_in_flight <= threads
    warehouse = Warehouse()
    warehouse.load(run)
    assert warehouse.tables == expected_rows(DATA)


def test_every_page_repeats_the_query(tmp_path: Path) -> None:
    """A next page without the filters or flags would return other rows, or rows without some properties."""
    settings = {"created_after": "2025-03-01", "created_before": "2025-09-01T12:00:00+02:00", "is_summary_done": True}
    with Sandbox(DATA, cursor="count") as sandbox:
        run = run_tap(tmp_path, config_for(sandbox, page_size=7, start_date="2025-04-01", **settings))
        requests = [each for each in sandbox.requests if "isSummaryDone" in each.params]
        checks = len(sandbox.requests) - len(requests)
        stored = sandbox.recordings
    flags = {"showCrmLinks", "showSummary", "showEntityExtractions", "showEvaluationScore", "showFollowups"}
    for request in requests:
        assert {name for name, value in request.params.items() if value == "true"} == {*flags, "isSummaryDone"}
        assert request.params["pageSize"] == "7"
        assert request.params["createdAt:lt"] <= "2025-09-01T10:00:00.000Z"
        assert request.params["createdAt:gt"] >= "2025-03-01T00:00:00.000Z"
        assert request.params["updatedAt:gte"] >= "2025-04-01T00:00:00.000Z"
    assert checks == 1, "what was edited meanwhile has left the result"
    assert {request.params.get("cursor") is None for request in requests} == {True, False}
    wanted = {
        each["id"]
        for each in stored
        if each.get("isSummaryDone")
        and "2025-03-01T00:00:00.000Z" < (each.get("createdAt") or "2025-05-01") < "2025-09-01T10:00:00.000Z"
        and (each.get("updatedAt") or "2025-05-01") >= "2025-04-01T00:00:00.000Z"
    }
    assert {row["id"] for row in run.records["recordings"]} == wanted


@pytest.mark.parametrize("order", ORDERS)
def test_a_second_sync_with_nothing_new_makes_one_request(tmp_path: Path, order: str) -> None:
    data = recordings(120, odd=False)
    with Sandbox(data, order=order) as sandbox:
        config = config_for(sandbox, page_size=50, lookback_seconds=3600)
        first = run_tap(tmp_path, config)
        sandbox.clear()
        second = run_tap(tmp_path, config, state=first.state)
        assert [request.params["updatedAt:gte"] for request in sandbox.requests] == [
            _hour_before(first.state["bookmarks"]["recordings"]["replication_key_value"])
        ]
    newest = max(each["updatedAt"] for each in data)
    assert first.state["bookmarks"]["recordings"]["replication_key_value"] == newest
    lately = {each["id"] for each in data if each["updatedAt"] >= _hour_before(newest)}
    assert [row["id"] for row in second.records["recordings"]] == sorted(
        lately, key=[row["id"] for row in second.records["recordings"]].index
    )
    assert {row["recordingId"] for row in second.records["recording_summary_sections"]} <= lately
    assert second.state == first.state


def _hour_before(text: str) -> str:
    parsed = timestamps.parse(text)
    assert parsed is not None
    return timestamps.from_ms(parsed - 3_600_000)


def test_a_small_history_is_one_request(tmp_path: Path) -> None:
    with Sandbox(recordings(25)) as sandbox:
        run_tap(tmp_path, config_for(sandbox))
        assert len(sandbox.requests) == 1


def test_an_empty_organization_is_one_request_and_still_has_tables(tmp_path: Path) -> None:
    with Sandbox([]) as sandbox:
        run = run_tap(tmp_path, config_for(sandbox))
        assert len(sandbox.requests) == 1
    assert set(run.schemas) == {*KEYS, *DEFAULT}
    assert set(run.count()) == {*DEFAULT}
    assert "replication_key_value" not in run.state["bookmarks"]["recordings"]


def test_a_large_history_is_cut_so_that_all_threads_have_work(tmp_path: Path) -> None:
    """A full sync takes few more requests than pages, four at a time."""
    with Sandbox(plain(2000, sections=0, extractions=0), latency=0.01) as sandbox:
        run_tap(tmp_path, config_for(sandbox, page_size=20))
        history = [request for request in sandbox.requests if "updatedAt:gte" not in request.params]
        assert len(history) <= 145
        assert sandbox.max_in_flight == 4


def test_one_schema_for_each_stream_before_its_first_row_and_rows_before_child_rows(tmp_path: Path) -> None:
    """A target fails on a row before its SCHEMA, and flushes at each SCHEMA, so there must be one per stream."""
    with Sandbox(DATA) as sandbox:
        run = run_tap(tmp_path, config_for(sandbox, page_size=20))
    assert sorted(run.schemas) == sorted(run.records)
    seen_schemas: set[str] = set()
    seen_recordings: set[str] = set()
    for message in run.messages:
        if message["type"] == "SCHEMA":
            seen_schemas.add(message["stream"])
        elif message["type"] == "RECORD":
            assert message["stream"] in seen_schemas
            if message["stream"] == "recordings":
                seen_recordings.add(message["record"]["id"])
            elif message["stream"] in KEYS:
                assert message["record"]["recordingId"] in seen_recordings
    assert {m["stream"] for m in run.messages if m["type"] == "ACTIVATE_VERSION"} == {*DEFAULT}


def test_the_state_has_the_same_size_however_many_recordings(tmp_path: Path) -> None:
    sizes = []
    for count in (100, 2000):
        with Sandbox(plain(count, sections=0, extractions=0)) as sandbox:
            run = run_tap(tmp_path, config_for(sandbox))
        sizes.append(len(str(run.state)))
        assert len(run.states) < 10
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("millisecond", ["000", "001", "999"])
def test_recordings_on_the_edges_of_slices_arrive(tmp_path: Path, millisecond: str) -> None:
    """Both ends of a slice are exclusive: with an error of one millisecond, a recording would be in no slice."""
    data = plain(200, sections=0, extractions=0)
    for number, each in enumerate(data):
        each["createdAt"] = f"2025-06-01T{number // 60:02}:{number % 60:02}:{number % 60:02}.{millisecond}Z"
    with Sandbox(data, order="id") as sandbox:
        run = run_tap(tmp_path, config_for(sandbox, page_size=3))
        assert len({request.params.get("createdAt:gt") for request in sandbox.requests}) > 5, "nothing was cut"
    assert {row["id"] for row in run.records["recordings"]} == {each["id"] for each in data}
