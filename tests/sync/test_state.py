"""Meaning of a stream's state: a mistake skips recordings for good, or reads years again."""

from __future__ import annotations

from typing import Any

import pytest

from tap_siro import timestamps
from tap_siro.settings import Settings
from tap_siro.sync.state import (
    PassKind,
    StreamPass,
    catch_up_poll,
    describe,
    has_open_history,
    next_pass,
    read_bookmark,
    write_end,
)
from tap_siro.sync.state import write_progress as write
from tap_siro.timestamps import DAY, SECOND

NOON = timestamps.parse("2026-03-02T12:00:00.000Z") or 0
MIDNIGHT = NOON - DAY // 2
MARCH = "2026-03-01T00:00:00.000Z"
START = timestamps.parse(MARCH) or 0
YESTERDAY, TODAY, TOMORROW = "2026-03-01", "2026-03-02", "2026-03-03"
HISTORY, POLL = "history?", "poll?"


def settings(**config: Any) -> Settings:
    defaults = {
        "page_size": 100,
        "concurrency": 4,
        "requests_per_minute": 900,
        "request_timeout": 60,
        "max_retry_seconds": 600,
        "lookback_seconds": 60,
        "daily_recheck_days": 2,
    }
    made, faults = Settings.read({"api_token": "t", **defaults, **config}, version="0")
    assert made, faults
    return made


def state(*, bookmark: int | None = None, rechecked_on: Any = "2026-03-02", **opened: Any) -> dict[str, Any]:
    """Return the state of an earlier run; `opened` is its unfinished pass."""
    made: dict[str, Any] = {"rechecked_on": rechecked_on}
    if opened:
        write(made, "updatedAt", StreamPass(**{"kind": PassKind.HISTORY, "since": None, "query": HISTORY, **opened}))
    if bookmark is not None:
        made["replication_key_value"] = timestamps.text(bookmark)
    return made


# Rows of a stream


@pytest.mark.parametrize(
    ("position", "since", "created", "updated", "wanted"),
    [
        (None, None, 5, 5, True),
        (5, None, 4, 9, False),
        (5, None, 5, 9, True),
        (5, None, None, 9, True),
        (None, 5, 1, 4, False),
        (None, 5, 1, 5, True),
        (None, 5, 1, None, True),
        (5, 5, 5, 4, False),
        (5, 5, 4, 5, False),
        (5, 5, 6, 6, True),
        (0, 0, 0, 0, True),
        (0, 0, -1, 0, False),
        (0, 0, 0, -1, False),
    ],
)
def test_a_row_goes_to_the_streams_that_still_need_it(
    position: int | None, since: int | None, created: int | None, updated: int | None, wanted: bool
) -> None:
    """A row that is left out here is lost, so rows without a date are written."""
    assert StreamPass(PassKind.POLL, since, "", position=position).wants(created, updated) is wanted


# Progress of a pass


def test_a_pass_keeps_its_first_beginning_and_goes_forward_only() -> None:
    """With a later start, the bookmark would pass unseen changes."""
    begun = StreamPass(PassKind.POLL, 1, "q").begun(10)
    assert begun == StreamPass(PassKind.POLL, 1, "q", as_of=10)
    assert begun.begun(20) is begun
    assert StreamPass(PassKind.POLL, 1, "q").begun(0).begun(20).as_of == 0
    moved = begun.at(5, 7)
    assert (moved.position, moved.max_seen) == (5, 7)
    assert moved.at(4, 6) == moved
    assert moved.at(None, None) == moved
    assert moved.at(6, 8) == StreamPass(PassKind.POLL, 1, "q", position=6, as_of=10, max_seen=8)


@pytest.mark.parametrize(
    ("as_of", "max_seen", "before", "bookmark"),
    [
        (10, 8, None, 8),
        (10, 12, None, 10),
        (10, 8, 9, 9),
        (10, 8, 7, 8),
        (10, None, 9, 9),
        (None, 8, 9, 9),
        (None, 8, None, None),
        (10, None, None, None),
        (0, 8, None, 0),
        (10, 0, None, 0),
    ],
)
def test_a_bookmark_is_what_was_seen_up_to_the_beginning(
    as_of: int | None, max_seen: int | None, before: int | None, bookmark: int | None
) -> None:
    """A later bookmark would lose changes during the sync; an earlier one would repeat rows in each run."""
    assert StreamPass(PassKind.POLL, None, "", as_of=as_of, max_seen=max_seen).bookmark(before) == bookmark


@pytest.mark.parametrize(("end", "bookmark"), [(7, 7), (8, 8), (9, 8), (None, 8)])
def test_a_bookmark_is_not_past_the_end_date(end: int | None, bookmark: int) -> None:
    """A row outside the window would move the bookmark, and updates in between would be lost."""
    ended = StreamPass(PassKind.POLL, None, "", end, as_of=10, max_seen=8)
    assert ended.bookmark(None) == ended.bookmark(5) == bookmark
    assert ended.bookmark(9) == 9


# Written state


def test_an_open_pass_is_written_whole_and_read_back() -> None:
    """A merge of states mixes two passes if a value is missing; names and texts are a contract with stored states."""
    made: dict[str, Any] = {"pass_since": "old", "pass_max_seen": "old"}
    opened = StreamPass(PassKind.HISTORY, None, HISTORY, position=START, as_of=NOON, max_seen=None)
    write(made, "recordingUpdatedAt", opened)
    assert made == {
        "replication_key": "recordingUpdatedAt",
        "pass_position": MARCH,
        "pass_since": None,
        "pass_as_of": "2026-03-02T12:00:00.000Z",
        "pass_max_seen": None,
        "pass_query": HISTORY,
    }
    for kind, query in ((PassKind.HISTORY, HISTORY), (PassKind.POLL, POLL)):
        whole = StreamPass(kind, START, query, position=START + 1, as_of=START + 2, max_seen=START + 3, resumed=True)
        made = {"replication_key_value": MARCH} if kind is PassKind.POLL else {}
        write(made, "updatedAt", whole)
        assert next_pass(made, settings(start_date=MARCH, daily_recheck_days=0, lookback_seconds=0), now=NOON) == whole


def test_a_bookmark_closes_the_pass() -> None:
    """An open pass has priority over the bookmark: a leftover one would be continued in each run."""
    made = state(position=START, as_of=NOON, max_seen=NOON)
    write_end(made, "recordingUpdatedAt", StreamPass(PassKind.POLL, NOON, POLL, as_of=NOON, max_seen=START), settings())
    closed = dict.fromkeys(("pass_position", "pass_since", "pass_as_of", "pass_max_seen", "pass_query"))
    day = {"rechecked_on": "2026-03-02"}
    assert made == {"replication_key": "recordingUpdatedAt", "replication_key_value": MARCH, **day, **closed}
    assert read_bookmark(made) == START
    ahead = state(bookmark=NOON)
    write_end(ahead, "updatedAt", StreamPass(PassKind.POLL, NOON, POLL, as_of=NOON, max_seen=START), settings())
    assert read_bookmark(ahead) == NOON, "a bookmark never moves back"
    empty: dict[str, Any] = {}
    write_end(empty, "updatedAt", StreamPass(PassKind.POLL, None, POLL), settings())
    assert empty == closed, "nothing was seen: there is no bookmark to set"


# Next pass


def test_without_a_bookmark_the_history_is_read() -> None:
    assert next_pass({}, settings(), now=NOON) == StreamPass(PassKind.HISTORY, None, HISTORY)
    assert next_pass({}, settings(start_date=MARCH), now=NOON) == StreamPass(PassKind.HISTORY, START, HISTORY)
    unreadable = {"replication_key_value": "soon"}
    assert next_pass(unreadable, settings(), now=NOON) == StreamPass(PassKind.HISTORY, None, HISTORY)


@pytest.mark.parametrize(
    ("bookmark", "rechecked_on", "options", "since"),
    [
        (NOON - 5, TODAY, {}, NOON - 5 - 60 * SECOND),
        (MIDNIGHT - 1, TODAY, {}, MIDNIGHT - 1 - 60 * SECOND),
        (NOON - 5, YESTERDAY, {}, NOON - 5 - 2 * DAY),
        (NOON - 5, TOMORROW, {}, NOON - 5 - 2 * DAY),
        (NOON - 5, None, {}, NOON - 5 - 2 * DAY),
        (NOON - 5, 20260302, {}, NOON - 5 - 2 * DAY),
        (NOON - 5, YESTERDAY, {"daily_recheck_days": 0}, NOON - 5 - 60 * SECOND),
        (NOON - 5, YESTERDAY, {"lookback_seconds": 3 * 86_400}, NOON - 5 - 3 * DAY),
        (NOON + DAY, TODAY, {}, NOON + DAY - 60 * SECOND),
        (0, TODAY, {}, 0),
        (2 * DAY + 1, YESTERDAY, {}, 1),
        (NOON - 5, TODAY, {"start_date": "2027-01-01"}, NOON - 5 - 60 * SECOND),
    ],
)
def test_a_poll_begins_before_the_bookmark(
    bookmark: int, rechecked_on: Any, options: dict[str, Any], since: int
) -> None:
    """Polls start earlier by the lookback, and one of each UTC day by the recheck, which finds late values."""
    wanted = StreamPass(PassKind.POLL, since, POLL)
    kept = state(bookmark=bookmark, rechecked_on=rechecked_on)
    assert next_pass(kept, settings(**options), now=NOON) == wanted
    assert catch_up_poll(kept, settings(**options), now=NOON) == wanted


@pytest.mark.parametrize(
    ("ended", "bookmark", "options", "day"),
    [
        (StreamPass(PassKind.HISTORY, None, HISTORY), None, {}, TODAY),
        (StreamPass(PassKind.HISTORY, START, HISTORY), NOON, {}, TODAY),
        (StreamPass(PassKind.POLL, NOON - 2 * DAY, POLL), NOON, {}, TODAY),
        (StreamPass(PassKind.POLL, NOON - 2 * DAY + 1, POLL), NOON, {}, None),
        (StreamPass(PassKind.POLL, NOON - 60 * SECOND, POLL), NOON, {}, None),
        (StreamPass(PassKind.POLL, NOON - 60 * SECOND, POLL), NOON, {"daily_recheck_days": 0}, None),
        (StreamPass(PassKind.POLL, 0, POLL), DAY, {}, TODAY),
        (StreamPass(PassKind.POLL, None, POLL), None, {}, TODAY),
        # Started yesterday and ended today: it did not look for values that were finished in between.
        (StreamPass(PassKind.HISTORY, None, HISTORY, as_of=MIDNIGHT - 1, resumed=True), None, {}, YESTERDAY),
    ],
)
def test_the_day_of_a_recheck_is_kept_when_it_has_read_everything(
    ended: StreamPass, bookmark: int | None, options: dict[str, Any], day: str | None
) -> None:
    """If stored too early, late values are missed for a day; if not stored, each poll of the day is a recheck."""
    kept = state(bookmark=bookmark, rechecked_on=None)
    write_end(kept, "updatedAt", ended.begun(NOON), settings(**options))
    assert kept["rechecked_on"] == day
    rechecks = day != TODAY and options.get("daily_recheck_days") != 0
    back = 2 * DAY if rechecks else 60 * SECOND
    next_poll = catch_up_poll(kept, settings(**options), now=NOON)
    assert next_poll.since == (None if bookmark is None else bookmark - back)


def test_an_organization_that_works_in_office_hours_is_not_rechecked_all_night() -> None:
    """Users would pay for loading a day's recordings every hour: 36,550 a week, for 1,000 new ones."""
    monday = MIDNIGHT
    hours = [monday + day * DAY + hour * DAY // 24 for day in range(-7, 5) for hour in range(9, 17)]
    updated = [hour + number * 144 * SECOND for hour in hours for number in range(25)]
    kept, options = state(bookmark=None), settings(lookback_seconds=7_200)
    sent, week = 0, range(monday, monday + 7 * DAY, DAY // 24)
    for now in [monday - 1, *week]:
        wanted = next_pass(kept, options, now=now)
        seen = [at for at in updated if at <= now and (wanted.since is None or at >= wanted.since)]
        sent += len(seen) * (now in week)
        write_end(kept, "updatedAt", wanted.begun(now).at(None, max(seen)), options)
    assert len([at for at in updated if at >= monday]) == 1_000
    assert sent < 12_000


def test_a_catch_up_poll_without_a_bookmark_begins_at_the_start() -> None:
    """The full sync saw no recording with a date, so current updates still belong to it."""
    assert catch_up_poll({}, settings(start_date=MARCH), now=NOON) == StreamPass(PassKind.POLL, START, POLL)


def test_a_catch_up_poll_beside_a_history_that_lacks_something_begins_where_that_began() -> None:
    """Its state has no bookmark to begin at, and recordings updated meanwhile would only come when it is whole."""
    options = settings(start_date=MARCH)
    since = NOON - 60 * SECOND
    assert catch_up_poll(state(as_of=START), options, now=NOON, since=NOON) == StreamPass(PassKind.POLL, since, POLL)


@pytest.mark.parametrize(
    ("opened", "open_history"),
    [({}, False), ({"as_of": START}, True), ({"as_of": START, "kind": PassKind.POLL, "query": POLL}, False)],
)
def test_an_open_history_is_told_from_an_open_poll(opened: dict[str, Any], open_history: bool) -> None:
    """With an `end_date` before the bookmark, it would be skipped and never read to its end."""
    assert has_open_history(state(bookmark=NOON, **opened)) is open_history


FULL_TABLE = StreamPass(PassKind.FULL_TABLE, None, "full table?")


def test_a_full_table_pass_starts_from_nothing() -> None:
    """A target that overwrites the table would keep only the rows after the position."""
    opened = state(bookmark=START, position=START, as_of=START)
    assert next_pass(opened, settings(start_date=MARCH), now=NOON, full_table=True) == FULL_TABLE
    assert next_pass(opened, settings(start_date=MARCH), now=NOON).kind is PassKind.HISTORY, "not unless asked for"


AGREES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"since": None}, {}),
    ({"since": None}, {"start_date": MARCH}),
    ({"since": START - 1}, {"start_date": MARCH}),
    ({"since": START}, {"start_date": MARCH}),
    ({"since": None, "query": "history?isSummaryDone=true"}, {"is_summary_done": True}),
]
APRIL, MAY = "2026-04-01T00:00:00.000Z", "2026-05-01T00:00:00.000Z"
BEFORE, JUNE = "2026-02-28T23:59:59.999Z", "2026-05-01T00:00:00.001Z"
WINDOW = f"history?createdAt:gt={MARCH}&createdAt:lt={MAY}&updatedAt:lt={MAY}"
AGREES += [
    ({"since": None}, {"created_after": MARCH}),
    ({"since": None}, {"created_before": MARCH}),
    ({"since": None}, {"end_date": MARCH}),
    ({"since": None, "query": WINDOW}, {"created_after": MARCH, "created_before": MAY, "end_date": MAY}),
    ({"since": None, "query": WINDOW}, {"created_after": APRIL, "created_before": MAY, "end_date": APRIL}),
    ({"since": None, "query": WINDOW}, {"created_after": MARCH, "created_before": MAY, "end_date": JUNE}),
    ({"since": None, "query": WINDOW}, {"created_after": MARCH, "created_before": MAY}),
]
DIFFERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"since": START}, {}),
    ({"since": START + 1}, {"start_date": MARCH}),
    ({"since": None}, {"is_summary_done": True}),
    ({"since": None, "query": "history?isSummaryDone=true"}, {}),
    ({"since": None, "query": "history?isSummaryDone=true"}, {"is_summary_done": False}),
    ({"since": None, "query": WINDOW}, {}),
    ({"since": None, "query": WINDOW}, {"created_before": MAY, "end_date": MAY}),
    ({"since": None, "query": WINDOW}, {"created_after": BEFORE, "created_before": MAY, "end_date": MAY}),
    ({"since": None, "query": WINDOW}, {"created_after": MARCH, "created_before": JUNE, "end_date": MAY}),
    (
        {"since": None, "query": WINDOW + "&isSummaryDone"},
        {"created_after": APRIL, "created_before": MAY, "end_date": MAY},
    ),
    ({"since": None, "as_of": None}, {}),
]


@pytest.mark.parametrize("bookmark", [None, START])
@pytest.mark.parametrize(
    ("opened", "options", "resumed"), [(*c, True) for c in AGREES] + [(*c, False) for c in DIFFERS]
)
def test_an_open_history_goes_on_if_it_reads_all_that_is_wanted(
    opened: dict[str, Any], options: dict[str, Any], resumed: bool, bookmark: int | None
) -> None:
    """Otherwise it must restart, or rows outside it would be missing for good. A bookmark does not matter: an
    interrupted full refresh leaves one beside the position."""
    values = {"position": START + 1, "as_of": START + 2, "max_seen": START + 3, **opened}
    found = next_pass(state(bookmark=bookmark, **values), settings(**options), now=NOON)
    assert found.kind is (PassKind.HISTORY if bookmark is None or values["as_of"] else PassKind.POLL)
    assert found.resumed is resumed
    if resumed:
        # The settings may ask for less than at its start; then only that is read from here on.
        now = settings(**options)
        begun_with = timestamps.parse(MAY) if values.get("query") == WINDOW else None
        until = min((end for end in (begun_with, now.end) if end is not None), default=None)
        kept = values | {"query": describe(PassKind.HISTORY, now, until), "until": until}
        assert found == StreamPass(**{"kind": PassKind.HISTORY, "resumed": True, **kept})
    else:
        assert (found.position, found.as_of, found.max_seen) == (None, None, None)


@pytest.mark.parametrize(
    ("begun_with", "end_date", "until"),
    [(MAY, MAY, MAY), (MAY, JUNE, MAY), (MAY, APRIL, APRIL), (MAY, None, MAY), (None, MAY, MAY), (None, None, None)],
)
@pytest.mark.parametrize("kind", [PassKind.HISTORY, PassKind.POLL])
def test_an_open_pass_ends_where_it_began_to_end(
    kind: PassKind, begun_with: str | None, end_date: str | None, until: str | None
) -> None:
    """With "now" as the end, a full sync of more than one run would restart each time; with a later end than was read,
    the bookmark would pass updates of recordings before the position."""
    begun, now = (
        settings(daily_recheck_days=0, **({"end_date": end} if end else {})) for end in (begun_with, end_date)
    )
    opened = next_pass({} if kind is PassKind.HISTORY else state(bookmark=NOON), begun, now=NOON)
    assert (opened.kind, opened.until) == (kind, timestamps.parse(begun_with))
    kept, late = state(bookmark=None if kind is PassKind.HISTORY else NOON), NOON + 90 * DAY
    write(kept, "updatedAt", opened.begun(late).at(START, late))
    for _ in range(2):
        resumed = next_pass(kept, now, now=NOON)
        assert (resumed.kind, resumed.resumed, resumed.position) == (kind, True, START)
        assert (resumed.until, resumed.query) == (timestamps.parse(until), describe(kind, now, timestamps.parse(until)))
        write(kept, "updatedAt", resumed)
    write_end(kept, "updatedAt", resumed, now)
    ended = read_bookmark(kept)
    assert ended == (late if until is None else timestamps.parse(until))
    following = next_pass(kept, now, now=late)
    assert (following.kind, following.until) == (PassKind.POLL, timestamps.parse(end_date))
    assert following.since == (ended or 0) - 60 * SECOND, "what was updated since the end that it had is read now"


def test_an_open_poll_goes_on_only_beside_its_bookmark() -> None:
    """A poll without a bookmark would skip the full sync."""
    values: dict[str, Any] = {"kind": PassKind.POLL, "query": POLL, "position": START, "as_of": NOON}
    wanted = NOON - 60 * SECOND
    on_time = next_pass(state(bookmark=NOON, since=wanted, **values), settings(), now=NOON)
    assert (on_time.kind, on_time.resumed, on_time.position) == (PassKind.POLL, True, START)
    late = next_pass(state(bookmark=NOON, since=wanted + 1, **values), settings(), now=NOON)
    assert (late.kind, late.resumed, late.since) == (PassKind.POLL, False, wanted)
    alone = next_pass(state(since=wanted, **values), settings(), now=NOON)
    assert alone == StreamPass(PassKind.HISTORY, None, HISTORY)


@pytest.mark.parametrize("broken", [{"pass_query": None}, {"pass_query": 7}, {"pass_as_of": None}, {"pass_as_of": "?"}])
def test_what_a_hand_broke_in_the_state_is_not_gone_on_with(broken: dict[str, Any]) -> None:
    """A broken state is not continued, and does not stop the sync."""
    opened = state(position=START, as_of=START) | broken
    assert next_pass(opened, settings(), now=NOON) == StreamPass(PassKind.HISTORY, None, HISTORY)


def test_a_description_tells_passes_apart() -> None:
    """Passes with equal fingerprints count as the same: rows that only one of them reads would be missing."""
    options: list[dict[str, Any]] = [
        {},
        {"is_summary_done": True},
        {"is_summary_done": False},
        {"is_processing_done": True},
        {"created_after": MARCH},
        {"created_before": MARCH},
        {"end_date": MARCH},
    ]
    made = [describe(kind, settings(**each), settings(**each).end) for kind in PassKind for each in options]
    assert len(set(made)) == len(made)
    assert describe(PassKind.POLL, settings(start_date=MARCH, page_size=7), None) == POLL
