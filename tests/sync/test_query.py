"""Requests of a pass, and the check that the API applies them: a wrong bound loses recordings."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tap_siro import timestamps
from tap_siro.api.pages import Page
from tap_siro.errors import BoundsError, TapSiroError
from tap_siro.sync.query import SETTLING, TOLERANCE, Query
from tap_siro.sync.slice_fetcher import RecordingsPage
from tap_siro.sync.slices import Slice

T = timestamps.parse("2025-06-01T12:00:00.000Z") or 0


def query(**options: Any) -> Query:
    empty: dict[str, Any] = {"since": None, "until": None, "created_after": None, "created_before": None, "filters": {}}
    return Query(**{**empty, "flags": frozenset(), "page_size": 7, **options})


@pytest.mark.parametrize(
    ("after", "before", "position", "whole"),
    [
        (None, None, None, Slice(None, None)),
        (None, T, None, Slice(None, T)),
        (None, T, T - 5, Slice(T - 5, T)),
        (T, None, None, Slice(T + 1, None)),
        (T, None, T - 5, Slice(T + 1, None)),
        (T, None, T, Slice(T + 1, None)),
        (T, None, T + 1, Slice(T + 1, None)),
        (T, None, T + 5, Slice(T + 5, None)),
        (0, 9, 0, Slice(1, 9)),
    ],
)
def test_a_pass_reads_from_its_position_and_within_the_settings(
    after: int | None, before: int | None, position: int | None, whole: Slice
) -> None:
    """`created_after` is exclusive, a position is not."""
    assert query(created_after=after, created_before=before).whole(position) == whole


def test_a_slice_is_asked_for_with_everything_but_the_page() -> None:
    """The lower bound is exclusive and a millisecond earlier, so that the slice includes its start."""
    assert query().parameters(Slice()) == {}
    filters = {"isSummaryDone": "true"}
    full = query(since=T, until=T + 1, filters=filters, flags=frozenset({"showSummary", "showCrmLinks"}))
    wanted = {
        "isSummaryDone": "true",
        "updatedAt:gte": "2025-06-01T12:00:00.000Z",
        "updatedAt:lt": "2025-06-01T12:00:00.001Z",
        "createdAt:gt": "2025-06-01T12:00:00.999Z",
        "createdAt:lt": "2025-06-01T12:00:02.000Z",
        "showCrmLinks": "true",
        "showSummary": "true",
    }
    assert full.parameters(Slice(T + 1_000, T + 2_000)) == wanted
    assert filters == {"isSummaryDone": "true"}
    assert query(since=0).parameters(Slice(0, 0)) == {
        "updatedAt:gte": "1970-01-01T00:00:00.000Z",
        "createdAt:gt": "1969-12-31T23:59:59.999Z",
        "createdAt:lt": "1970-01-01T00:00:00.000Z",
    }


def page(created: list[int | None], updated: list[int | None]) -> RecordingsPage:
    texts = [
        {name: None if at is None else timestamps.text(at) for name, at in (("createdAt", c), ("updatedAt", u))}
        for c, u in zip(created, updated, strict=True)
    ]
    return RecordingsPage(Page(texts, None, asked_at=ASKED_AT), PART)


PART, SINCE, UNTIL = Slice(T, T + 60_000), T + 5_000, T + 90_000
ASKED_AT = UNTIL + 60_000


@pytest.mark.parametrize(
    ("created", "updated", "ignored"),
    [
        ([], [], None),
        ([None], [None], None),
        ([T - TOLERANCE, T + 60_000 + TOLERANCE - 1], [SINCE - TOLERANCE, SINCE], None),
        ([T + 5, T - TOLERANCE - 1, None], [SINCE] * 3, "createdAt"),
        ([None, T + 60_000 + TOLERANCE, T], [SINCE] * 3, "createdAt"),
        ([T], [UNTIL + TOLERANCE - 1], None),
        ([T], [UNTIL + TOLERANCE], "updatedAt:lt"),
        ([T], [ASKED_AT - SETTLING - 1], "updatedAt:lt"),
        ([T] * 2, [ASKED_AT - SETTLING, ASKED_AT + 5_000], None),  # edited while the request was answered
        ([T] * 2, [ASKED_AT - SETTLING, ASKED_AT - SETTLING - 1], "updatedAt:lt"),
        ([T, None], [SINCE, SINCE - TOLERANCE - 1], "updatedAt:gte"),
        ([None, None], [SINCE - TOLERANCE - 1, None], "updatedAt:gte"),
    ],
)
def test_recordings_outside_what_was_asked_for_end_the_sync(
    created: list[int | None], updated: list[int | None], ignored: str | None
) -> None:
    """If the API ignores a filter, all positions and bookmarks are wrong."""
    asked, arrived = query(since=SINCE, until=UNTIL), page(created, updated)
    if ignored is None:
        asked.check(arrived, PART)
    elif ignored == "createdAt":
        with pytest.raises(BoundsError, match="ignores the `createdAt` bounds") as error:
            asked.check(arrived, PART)
        assert error.value.are_ignored, "the log would say that they are refused"
    else:
        with pytest.raises(TapSiroError, match=re.escape(f"outside `{ignored}`")):
            asked.check(arrived, PART)
    query().check(arrived, Slice())


def test_what_was_edited_is_found_wherever_it_went() -> None:
    """With its filters, the query would not find such recordings. It needs no flags."""
    full = query(since=T, until=T + 1, filters={"isSummaryDone": "true"}, flags=frozenset({"showSummary"}))
    assert full.loses_edited
    assert query(until=T).loses_edited
    assert query(filters={"isSummaryDone": "true"}).loses_edited
    assert not query(since=T, created_after=T, created_before=T).loses_edited
    assert full.edited(T + 5).parameters(Slice(T)) == {
        "updatedAt:gte": "2025-06-01T12:00:00.005Z",
        "createdAt:gt": "2025-06-01T11:59:59.999Z",
    }


@pytest.mark.parametrize(
    ("created", "kept"), [(T, False), (T + 1, True), (T + 9, True), (T + 10, False), (T - 1, False), (None, True)]
)
def test_the_tap_keeps_to_the_range_where_the_api_does_not(created: int | None, kept: bool) -> None:
    """Without bounds, a user who reads one year into a table would get all years."""
    assert query(created_after=T, created_before=T + 10, bounded=False).keeps(created) is kept
    assert query(created_after=T, created_before=T + 10).keeps(created), "the API does it"
    assert query(bounded=False).keeps(created)
