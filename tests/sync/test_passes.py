"""Passes of a sync: their kinds, starts and streams."""

from __future__ import annotations

import gc
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tap_siro.sync.planner import SlicePlanner
from tests.sandbox import Sandbox, timestamps
from tests.sandbox.data import plain
from tests.sandbox.expected import expected_rows
from tests.support.in_process import Clock, loaded, sync
from tests.support.process import config_for, selecting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = 86_400_000
DATA = plain(120, sections=1, extractions=1)
DENSE = plain(60, sections=1, extractions=1, start="2026-02-01T00:00:00.000Z", end="2026-02-01T20:00:00.000Z")
TABLES = {"recordings": "updatedAt", "recording_crm_links": "recordingUpdatedAt"}
FAST: dict[str, Any] = {"daily_recheck_days": 0, "lookback_seconds": 60}
UNSCORED: dict[str, Any] = {**FAST, "show_evaluation_score": False}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(DATA) as sandbox:
        yield sandbox


def earlier(timestamp: str, milliseconds: int) -> str:
    parsed = timestamps.parse(timestamp)
    assert parsed is not None
    return timestamps.from_ms(parsed - milliseconds)


def updated(number: int) -> str:
    """Return the `updatedAt` after which there is a number of recordings."""
    moments: list[str] = sorted(row["updatedAt"] for row in DATA)
    return moments[-number]


def since(sandbox: Sandbox) -> list[str | None]:
    """Return the starts of the passes, in order; None is a full sync."""
    begins = [request.params.get("updatedAt:gte") for request in sandbox.requests]
    return [each for number, each in enumerate(begins) if each not in begins[:number]]


@pytest.mark.parametrize("page_size", [10, 25])
def test_the_range_and_the_filters_hold_for_every_request(sandbox: Sandbox, page_size: int) -> None:
    """A user who loads one year would get all years."""
    after, before = DATA[30]["createdAt"], DATA[90]["createdAt"]
    limits = {"created_after": after, "created_before": before, "is_summary_done": True}
    run = sync(config_for(sandbox, page_size=page_size, **limits, **FAST))
    wanted = [row for row in DATA if after < row["createdAt"] < before and row["isSummaryDone"]]
    assert loaded(run) == expected_rows(wanted)
    assert len(wanted) > 40
    for request in sandbox.requests:
        if "showSummary" not in request.params:
            assert "updatedAt:gte" in request.params, "of what was edited meanwhile, nothing is written"
            continue
        assert after <= request.params["createdAt:gt"] < request.params["createdAt:lt"] <= before
        assert request.params["isSummaryDone"] == "true"


@pytest.mark.parametrize("order", [list(TABLES), list(reversed(TABLES))])
def test_streams_polled_together_each_get_what_they_lack(tmp_path: Path, order: list[str]) -> None:
    """The stream that is further back would lose rows, and the other would get rows twice."""
    behind, ahead = order
    moments = sorted(row["updatedAt"] for row in DENSE)
    bookmarks = {behind: moments[20], ahead: moments[30]}
    assert bookmarks[ahead] < earlier(bookmarks[behind], -DAY), "too far apart to be polled together"
    state = {
        "bookmarks": {
            name: {"replication_key": TABLES[name], "replication_key_value": bookmarks[name]} for name in TABLES
        }
    }
    catalog = selecting(*TABLES)
    with Sandbox(DENSE) as sandbox:
        run = sync(config_for(sandbox, **FAST), state=state, catalog=catalog)
        assert since(sandbox) == [earlier(bookmarks[behind], 60_000)]
    assert run.told(logging.INFO)[0].endswith(f"updated since {earlier(bookmarks[behind], 60_000)}.")
    for name, column in TABLES.items():
        rows = expected_rows(DENSE)[name]
        begin = earlier(bookmarks[name], 60_000)
        assert loaded(run)[name] == {key: row for key, row in rows.items() if row[column] >= begin}
        assert run.state["bookmarks"][name]["replication_key"] == column


def test_what_no_stream_of_a_pass_wants_hides_nothing_behind_it(tmp_path: Path) -> None:
    """Two histories that are read together, one from a position and one from a start date: what both have or leave out
    lies between what they lack."""
    start, position = updated(40), DATA[60]["createdAt"]
    open_pass = {"pass_position": position, "pass_since": None, "pass_as_of": updated(1), "pass_query": "history?"}
    catalog = selecting(*TABLES)
    with Sandbox(DATA, order="id") as sandbox:
        config = config_for(sandbox, start_date=start, **FAST)
        run = sync(config, state={"bookmarks": {"recording_crm_links": open_pass}}, catalog=catalog)
        assert since(sandbox)[0] is None
    recent = [row for row in DATA if row["updatedAt"] >= start]
    rest = [row for row in DATA if row["createdAt"] >= position]
    assert loaded(run)["recordings"] == expected_rows(recent)["recordings"]
    assert loaded(run)["recording_crm_links"] == expected_rows(rest)["recording_crm_links"]


def test_streams_whose_polls_begin_a_day_apart_are_polled_apart_the_freshest_first(tmp_path: Path) -> None:
    """New recordings would wait for the full sync of another stream."""
    newest = max(row["updatedAt"] for row in DENSE)
    hours_back = {"recordings": 30, "recording_crm_links": 0, "recording_followups": 20}
    state = {
        "bookmarks": {
            name: {"replication_key_value": earlier(newest, hours * 3_600_000)} for name, hours in hours_back.items()
        }
    }
    catalog = selecting(*hours_back)
    with Sandbox(DENSE) as sandbox:
        sync(config_for(sandbox, **FAST), state=state, catalog=catalog)
        assert since(sandbox) == [earlier(newest, hours * 3_600_000 + 60_000) for hours in (20, 30)]


def test_every_pass_that_was_resumed_is_followed_by_a_poll(sandbox: Sandbox, tmp_path: Path) -> None:
    """Changes during the pass would come a run later, or only with `--full-refresh`."""
    begun = {"recordings": updated(5), "recording_crm_links": updated(60)}
    state = {
        "bookmarks": {
            name: {
                "replication_key": TABLES[name],
                "replication_key_value": moment,
                "pass_position": DATA[0]["createdAt"],
                "pass_since": earlier(moment, 60_000),
                "pass_as_of": moment,
                "pass_max_seen": moment,
                "pass_query": "poll?",
            }
            for name, moment in begun.items()
        }
    }
    catalog = selecting(*TABLES, "recording_followups")
    run = sync(config_for(sandbox, **FAST), state=state, catalog=catalog)
    assert since(sandbox)[:3] == [*(earlier(moment, 60_000) for moment in begun.values()), None]
    assert {entry["replication_key_value"] for entry in run.state["bookmarks"].values()} == {updated(1)}


@pytest.mark.parametrize(("page_size", "passes"), [(120, 1), (119, 2), (60, 2), (40, 2)])
def test_a_history_of_more_than_one_request_is_followed_by_a_poll(
    sandbox: Sandbox, page_size: int, passes: int
) -> None:
    """One page is a snapshot. With more pages, the bookmark would pass changes during the sync."""
    sync(config_for(sandbox, page_size=page_size, **UNSCORED))
    assert len(since(sandbox)) == passes


def test_a_full_table_pass_that_fails_leaves_no_position(sandbox: Sandbox, tmp_path: Path) -> None:
    """A target that overwrites the table in each run would keep only the second half."""
    catalog = selecting("recordings")
    for entry in catalog["streams"]:
        entry["replication_method"] = "FULL_TABLE"
    sandbox.fault("status", on=None, when=lambda request: request.number > 8, status=404)
    run = sync(config_for(sandbox, page_size=10, **FAST), catalog=catalog, status=1)
    assert run.records["recordings"]
    assert run.state == {"bookmarks": {"recordings": {}}}


@pytest.mark.parametrize(("later", "goes_on"), [("2025-02-05", True), ("2025-02-01", True), ("2025-01-31", False)])
def test_a_history_goes_on_though_the_range_has_slid(sandbox: Sandbox, later: str, goes_on: bool) -> None:
    """Meltano resolves "90 days ago" in each run: a full sync of more than a day would restart each night."""
    config = config_for(sandbox, page_size=5, concurrency=1, created_after="2025-02-01", **FAST)
    fault = sandbox.fault("status", on=None, when=lambda request: request.number > 20, status=401)
    begun = sync(config, status=1)
    (position,) = {entry["pass_position"] for entry in begun.state["bookmarks"].values()}
    assert position > "2025-02-05"
    fault.on = 0
    sandbox.clear()
    ended = sync({**config, "created_after": later}, state=begun.state)
    assert (sandbox.requests[0].params["createdAt:gt"] == earlier(position, 1)) is goes_on
    wanted = expected_rows([row for row in DATA if row["createdAt"] > later])
    rows = loaded(begun, ended)
    assert {stream: {key: rows[stream].get(key) for key in table} for stream, table in wanted.items()} == wanted


# Log


def bookmarked(moment: str | None) -> dict[str, Any]:
    return {"bookmarks": {"recordings": {"replication_key": "updatedAt", "replication_key_value": moment}}}


@pytest.mark.parametrize("method", ["INCREMENTAL", "FULL_TABLE"])
@pytest.mark.parametrize("start", ["2025-05-31", "2025-06-01", "2025-06-02"])
@pytest.mark.parametrize("moment", ["2025-06-01T00:00:00.000Z", None])
def test_a_start_date_that_does_nothing_is_warned_of_and_no_other(
    sandbox: Sandbox, tmp_path: Path, moment: str | None, start: str, method: str
) -> None:
    """A warning in each run would be ignored; without one, nobody would know why rows are missing."""
    catalog = selecting("recordings")
    for entry in catalog["streams"]:
        entry["replication_method"] = method
    run = sync(config_for(sandbox, start_date=start, **FAST), state=bookmarked(moment), catalog=catalog)
    useless = moment is not None and start == "2025-06-02" and method == "INCREMENTAL"
    assert [f"'recordings' ({moment})" in warning for warning in run.warnings] == [True] * useless


def test_a_bookmark_that_is_no_date_is_warned_of_by_the_name_of_its_stream(sandbox: Sandbox) -> None:
    """With six streams in a state, the message must name the one to restore."""
    state = bookmarked(updated(1))
    state["bookmarks"]["recording_followups"] = {"replication_key_value": "yesterday"}
    (warning,) = sync(config_for(sandbox, **FAST), state=state).warnings
    assert "'recording_followups' in the state is not a date" in warning


@pytest.mark.parametrize(
    ("ahead", "warned"),
    [({}, False), ({"recordings": 3_600}, False), ({"recordings": 7_260, "recording_crm_links": 99_999}, True)],
)
def test_a_bookmark_in_the_future_is_warned_of_once(
    sandbox: Sandbox, tmp_path: Path, ahead: dict[str, int], warned: bool
) -> None:
    """No row would arrive until that day, and nobody would notice."""
    now = timestamps.to_ms(datetime.now(UTC))
    moments = {name: timestamps.from_ms(now + 1_000 * seconds) for name, seconds in ahead.items()}
    state = {"bookmarks": {name: {"replication_key_value": moment} for name, moment in moments.items()}}
    catalog = selecting(*TABLES)
    run = sync(config_for(sandbox, page_size=20), state=state, catalog=catalog)
    assert [all(f"'{name}' ({moments[name]})" in each for name in moments) for each in run.warnings] == [True] * warned


@pytest.mark.parametrize(("created", "page_size"), [(None, 25), ("yesterday", 10), (..., 25)])
def test_recordings_that_slices_may_miss_are_warned_of_once(created: Any, page_size: int) -> None:
    """If Siro's filter leaves these recordings out, only the warning shows that they are missing."""
    *dated, last = sorted(DENSE, key=lambda row: str(row["updatedAt"]))
    undated = [row | {"createdAt": created} for row in (*dated[:20], last)]
    if created is ...:
        undated = [{name: value for name, value in row.items() if name != "createdAt"} for row in undated]
    with Sandbox([*undated, *dated[20:]], order="id") as sandbox:
        config = config_for(sandbox, page_size=page_size, **FAST)
        run = sync(config)
        polled = sync(config, state=run.state)
    for outcome in (run, polled):
        dates = [warning for warning in outcome.warnings if "without a readable `createdAt`" in warning]
        assert len(dates) == 1


def test_recordings_that_come_with_the_slices_are_not_warned_of() -> None:
    """The API returns these recordings, so there is no warning."""
    late = "2026-02-01T19:30:00.000Z"
    data = [row | {"createdAt": None} if row["createdAt"] > late else row for row in DENSE]
    with Sandbox(data, order="oldest_updated") as sandbox:
        sandbox.fault("edit", edit=lambda page: page | {"data": [row for row in page["data"] if row["createdAt"]]})
        run = sync(config_for(sandbox, page_size=10, **FAST))
    assert run.warnings == []


def test_the_log_says_from_where_each_pass_reads_and_what_came(sandbox: Sandbox, tmp_path: Path) -> None:
    """Users who miss rows, or wait for an hour, need to know where the sync began."""
    streams = {
        "recordings": {"replication_key_value": updated(5)},
        "recording_crm_links": {
            "pass_position": DATA[60]["createdAt"],
            "pass_since": None,
            "pass_as_of": updated(1),
            "pass_query": "history?",
        },
    }
    catalog = selecting(*streams, "recording_followups")
    run = sync(config_for(sandbox, **FAST), state={"bookmarks": streams}, catalog=catalog)
    begun = [line for line in run.told(logging.INFO) if "reading" in line]
    assert begun[0] == f"Incremental sync of recordings: reading what was updated since {earlier(updated(5), 60_000)}."
    history = "Full sync of recording_crm_links, recording_followups"
    assert begun[1] == f"{history}: reading what was updated since the beginning."
    ended = [line for line in run.told(logging.INFO) if "done" in line]
    assert len(begun) == len(ended)
    assert ended[1].startswith(f"{history}: done, 120 recordings in ")

    catalog = selecting("recording_crm_links")
    run = sync(config_for(sandbox, **FAST), state={"bookmarks": streams}, catalog=catalog)
    going_on = f", going on from what was created at {DATA[60]['createdAt']}."
    assert run.told(logging.INFO)[0].endswith(f"since the beginning{going_on}")
    assert "done, 60 recordings" in run.told(logging.INFO)[1]


class Moments(Clock):
    """Clock that shows the last of some times."""

    def __init__(self, moments: list[float]) -> None:
        super().__init__()
        self._moments = moments

    def monotonic(self) -> float:
        return self._moments[-1]


@pytest.mark.parametrize(
    ("settings", "left", "said"),
    [
        ({}, 90.0, "(not yet known); about 30 seconds left."),
        ({"created_after": "2024-12-31T23:59:59.999Z"}, None, "2025-01-01T00:00:00.000Z."),
    ],
)
def test_the_log_says_now_and_then_how_a_long_pass_gets_on(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], left: float | None, said: str
) -> None:
    """A full sync of an hour would look like a hang, and a line per page would hide all others."""
    moments = [1000.0]
    sandbox.hook = lambda *_: moments.append(1020.0)
    monkeypatch.setattr(SlicePlanner, "rows_left", lambda _: left)
    run = sync(config_for(sandbox, page_size=60, concurrency=1, **settings, **UNSCORED), clock=Moments(moments))
    lines = [line.partition(": ")[2] for line in run.told(logging.INFO) if line.startswith("Full sync")]
    assert lines == [
        "reading what was updated since the beginning.",
        f"60 recordings, 3.0 a second; done up to {said}",
        "done, 120 recordings in 20.0 seconds.",
    ]


def test_a_long_pass_without_a_row_so_far_goes_on(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty pages, without a speed, would end the sync with a traceback, or fill the log."""
    moments = [1000.0]

    def slow_and_empty(page: Any) -> Any:
        moments.append(1020.0)
        return page | {"data": []}

    sandbox.fault("edit", on=None, edit=slow_and_empty)
    monkeypatch.setattr(SlicePlanner, "rows_left", lambda _: 90.0)
    run = sync(config_for(sandbox, page_size=60, concurrency=1, **UNSCORED), clock=Moments(moments))
    assert run.told(logging.INFO)[1].endswith(": done, 0 recordings in 20.0 seconds.")


def test_a_pass_that_is_not_long_says_only_that_it_begins_and_ends(sandbox: Sandbox) -> None:
    """The log of an hourly job would be full of these lines."""
    run = sync(config_for(sandbox, page_size=20, **FAST), clock=Moments([1000.0]))
    lines = [line for line in run.told(logging.INFO) if "of recordings" in line]
    assert len(lines) == 2 * len(since(sandbox))


# Cleanup


@pytest.fixture
def collector() -> Iterator[tuple[int, int, int]]:
    """Change the garbage collector's settings."""
    before = gc.get_threshold()
    gc.unfreeze()
    gc.set_threshold(701, 12, 13)
    yield gc.get_threshold()
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.parametrize("status", [0, 1])
def test_the_garbage_collector_is_left_as_it_was(
    sandbox: Sandbox, collector: tuple[int, int, int], status: int
) -> None:
    """A program that runs the tap in its process, such as an orchestrator, would continue with too few collections."""
    sandbox.fault("status", on=None if status else 0, status=404)
    sync(config_for(sandbox, **FAST), status=status)
    assert gc.get_threshold() == collector
    assert gc.get_freeze_count() == 0
