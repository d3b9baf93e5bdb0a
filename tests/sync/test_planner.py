"""The planner hands out every moment of a pass once, whatever happens on the way. A gap would be recordings lost."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import pytest

from tap_siro.sync.planner import FIRST_PARTS, FREE_WASTE, GROWTH, SLICE_PAGES, WASTE, SlicePlanner
from tap_siro.sync.slices import Slice
from tap_siro.timestamps import DAY, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_790_000_000_000
PAGE = 10


def planner(whole: Slice | None = None, *, page_size: int = PAGE) -> SlicePlanner:
    return SlicePlanner(whole or Slice(), now=NOW, page_size=page_size)


def take(plan: SlicePlanner) -> Slice:
    part = plan.take()
    assert part is not None
    return part


def bounds(parts: list[Slice]) -> list[tuple[int | None, int | None]]:
    return [(part.start, part.end) for part in parts]


def take_all(plan: SlicePlanner) -> list[Slice]:
    """Take, read and write all that is left, one after the other."""
    taken = []
    while (part := plan.take()) is not None:
        taken.append(part)
        plan.done(part, 0)
        plan.written(part)
    return taken


def left(plan: SlicePlanner, *parts: Slice) -> SlicePlanner:
    """A planner with these parts left of its whole."""
    plan._pending = list(parts)
    return plan


def days(start: int, end: int) -> Slice:
    return Slice(start * DAY, end * DAY)


# Everything, once


ORDERS: dict[str, Callable[[int, int], float]] = {
    "newest": lambda at, _: -at,
    "oldest": lambda at, _: at,
    "none": lambda _, number: hash((number, 7)),
    "days": lambda at, number: -at - random.Random(number).expovariate(1 / (2 * DAY)),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("seed", range(8))
def test_what_is_left_and_what_is_done_cover_the_whole_at_every_step(seed: int, order: str) -> None:
    """With threads that end in any order, cursors that expire, dense moments and recordings of unknown age."""
    rng = random.Random(seed)
    start = [None, NOW - 900 * DAY][seed % 2]
    dense = NOW - 300 * DAY
    created = [NOW - int(rng.random() * 800 * DAY) for _ in range(300)]
    created += [dense + int(rng.random() * DAY) for _ in range(150)] + [dense] * 30
    rows = sorted(enumerate(created), key=lambda row: ORDERS[order](row[1], row[0]))
    plan = planner(Slice(start))
    reading: dict[Slice, int] = {}
    unwritten: list[Slice] = []
    written: list[Slice] = []
    position: float = float("-inf")
    for _ in range(5_000):
        while len(reading) < 1 + seed % 4 and (taken := plan.take()) is not None:
            reading[taken] = 0
        parts = [*plan._pending, *reading, *unwritten, *written]
        edges = sorted(bounds(parts), key=lambda bound: bound[0] or float("-inf"))
        assert edges[0][0] == start
        assert edges[-1][1] is None
        assert all(before[1] == after[0] for before, after in itertools.pairwise(edges))
        lowest = min(
            bound[0] or float("-inf") for bound in bounds([*plan._pending, *reading, *unwritten]) or [(NOW, 0)]
        )
        assert (float("-inf") if plan.position is None else plan.position) == lowest
        assert lowest >= position
        position = lowest
        if plan.complete:
            break
        if unwritten and (not reading or rng.random() < 0.4):
            written.append(unwritten.pop(rng.randrange(len(unwritten))))
            plan.written(written[-1])
            continue
        part = rng.choice(list(reading))
        inside = [at for _, at in rows if (part.start or 0) <= at and (part.end is None or at < part.end)]
        pages = reading.pop(part) + 1
        page = inside[(pages - 1) * PAGE : pages * PAGE]
        if pages > 1 and part.halvings < 3 and rng.random() < 0.05:
            plan.halve(part)
        elif pages * PAGE >= len(inside):
            plan.done(part, len(inside))
            unwritten.append(part)
        elif plan.page(part, pages, len(page), [at for at in page if rng.random() < 0.9]):
            reading[part] = pages
    assert plan.finished
    assert plan.complete
    assert plan.take() is None
    assert plan.position == NOW


# The position and the end


def test_the_position_waits_for_what_is_left_read_and_written() -> None:
    """Past what was not written yet, a restart would leave that out."""
    plan = planner(Slice(0, 100 * DAY))
    assert (plan.position, plan.finished, plan.complete) == (0, False, False)
    part = take(plan)
    assert (plan.position, plan.finished) == (0, False)
    plan.done(part, 5)
    assert (plan.position, plan.finished, plan.complete) == (0, True, False)
    plan.written(part)
    assert (plan.position, plan.finished, plan.complete) == (100 * DAY, True, True)


def test_the_position_is_the_earliest_of_all_that_is_not_written() -> None:
    a, b, c = (days(day, day + 1) for day in range(3))
    plan = left(planner(days(0, 3)), a, b, c)
    assert (take(plan), take(plan)) == (a, b)
    plan.done(a, 1)
    assert plan.position == 0
    plan.written(a)
    assert plan.position == DAY
    plan.done(b, 1)
    assert plan.position == DAY
    plan.written(b)
    assert plan.position == 2 * DAY


def test_without_a_beginning_there_is_no_position_until_the_first_slice_is_written() -> None:
    plan = left(planner(Slice(None, 2 * DAY)), Slice(None, DAY), days(1, 2))
    first = take(plan)
    assert plan.position is None
    plan.done(first, 1)
    assert plan.position is None
    plan.written(first)
    assert plan.position == DAY


@pytest.mark.parametrize("end", [None, NOW + DAY])
def test_nothing_is_created_in_the_future(end: int | None) -> None:
    """A position beyond the present would leave out what is created until then."""
    plan = planner(Slice(None, end))
    take_all(plan)
    assert plan.position == NOW


def test_a_whole_that_begins_in_the_future_is_read_and_ends_there() -> None:
    plan = planner(Slice(NOW + DAY))
    assert bounds(take_all(plan)) == [(NOW + DAY, None)]
    assert plan.position == NOW + DAY


# Halves


@pytest.mark.parametrize(
    ("part", "halves"),
    [
        (Slice(0, 10 * DAY), [(0, 5 * DAY), (5 * DAY, 10 * DAY)]),
        (Slice(4 * DAY, 10 * DAY, 2), [(4 * DAY, 7 * DAY), (7 * DAY, 10 * DAY)]),
        (Slice(NOW - 2 * DAY, None), [(NOW - 2 * DAY, NOW - DAY), (NOW - DAY, None)]),
        (Slice(SECOND, SECOND + 900), [(SECOND, SECOND + 900)]),
    ],
)
def test_a_slice_whose_cursor_expired_is_left_in_halves(
    part: Slice, halves: list[tuple[int | None, int | None]]
) -> None:
    """The halves are short enough for the next cursor; the count ends it if none ever works."""
    plan = planner(part)
    plan.halve(take(plan))
    assert bounds(plan._pending) == halves
    assert {one.halvings for one in plan._pending} == {part.halvings + 1}
    assert "." not in repr(bounds(plan._pending)), "moments are whole milliseconds"


def test_a_slice_without_a_beginning_is_halved_where_its_recordings_are() -> None:
    """The middle of all time since 1970 lies years before the first of them."""
    plan = planner()
    part = take(plan)
    plan.page(part, 1, PAGE, [NOW - 2 * DAY, NOW])
    plan.halve(part)
    middle = NOW - DAY - NOW % SECOND
    assert bounds(plan._pending) == [(None, middle), (middle, None)]


def test_halves_are_in_order_with_what_lies_beside_them() -> None:
    plan = left(planner(days(0, 30)), days(0, 10))
    part = take(plan)
    left(plan, days(10, 20), days(20, 30)).halve(part)
    assert bounds(plan._pending) == [(each * DAY, end * DAY) for each, end in ((0, 5), (5, 10), (10, 20), (20, 30))]
    assert [one.halvings for one in plan._pending] == [1, 1, 0, 0]


# Cutting


def read_first(plan: SlicePlanner, rows: int) -> SlicePlanner:
    """A planner whose first slice has so many rows."""
    plan.done(take(plan), rows)
    return plan


def test_a_slice_has_eight_pages_at_the_density_of_the_week_before_it() -> None:
    plan = read_first(left(planner(days(0, 100)), days(0, 1), days(1, 100)), 4 * PAGE)
    assert take(plan) == days(1, 1 + SLICE_PAGES // 4)
    assert bounds(plan._pending) == [((1 + SLICE_PAGES // 4) * DAY, 100 * DAY)]


def test_after_an_empty_time_a_slice_is_a_few_times_wider() -> None:
    """Years of nothing would take thousands of requests, or the first dense month a single thread."""
    plan = read_first(left(planner(days(0, 100)), days(0, 1), days(1, 100)), 0)
    assert take(plan) == days(1, 1 + GROWTH)


def test_what_was_more_than_a_week_ago_says_nothing() -> None:
    """After an import of thousands, all slices would be too narrow for ever."""
    plan = left(planner(days(0, 900)), days(0, 1), days(1, 30), days(30, 900))
    first, second = take(plan), take(plan)
    plan.done(second, 29 * PAGE)
    plan.done(first, 1_000 * PAGE)
    assert take(plan) == days(30, 30 + SLICE_PAGES)


def test_a_dense_second_at_its_beginning_does_not_keep_a_slice_whole() -> None:
    plan = read_first(left(planner(Slice(0)), Slice(0, SECOND), Slice(SECOND)), 100_000 * PAGE)
    assert take(plan) == Slice(SECOND, 2 * SECOND)


def test_rows_left_are_guessed_once_something_was_read() -> None:
    plan = left(planner(days(0, 100)), days(0, 10), days(10, 100))
    assert plan.rows_left() is None
    plan.done(take(plan), 50)
    plan.written(days(0, 10))
    assert plan.rows_left() == 450


# Giving up


def pages(number: int, *, newest_first: bool = False) -> list[list[int]]:
    """Pages of a recording each hour."""
    moments = [hour * DAY // 24 for hour in range(number * PAGE)]
    if newest_first:
        moments = [NOW - moment for moment in moments]
    return [moments[page * PAGE : (page + 1) * PAGE] for page in range(number)]


def samples(number: int, end: int) -> list[list[int]]:
    """Pages that lie upon each other, in so many days."""
    return [[page + end * DAY * (row * 7 % PAGE) // PAGE for row in range(PAGE)] for page in range(number)]


def follow(plan: SlicePlanner, part: Slice, read: list[list[int]]) -> int:
    """Show the pages of a chain: after how many it is given up, or 0."""
    for number, created in enumerate(read, 1):
        if not plan.page(part, number, len(created), created):
            return number
    return 0


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_chain_that_has_far_to_go_is_given_up_for_parts(newest_first: bool) -> None:
    """One thread alone would read for minutes while the others wait."""
    plan = planner(None if newest_first else days(0, 1_000))
    assert follow(plan, take(plan), pages(40, newest_first=newest_first)) == 2
    assert not plan._reading
    assert (plan._pages, plan._wasted_pages) == (2, 2)
    parts = bounds(plan._pending)
    assert len(parts) > 4
    assert all(before[1] == after[0] for before, after in itertools.pairwise(parts))


def test_a_chain_is_followed_if_little_is_left_of_it() -> None:
    """Each of its pages would be read again."""
    plan = planner(Slice(0, 12 * PAGE * DAY // 24))
    assert not follow(plan, take(plan), pages(12))


def test_a_chain_that_should_have_ended_is_given_up() -> None:
    """In an order that says nothing, its pages alone tell that the slice holds more than was thought."""
    plan = left(planner(days(0, 20)), days(0, 10))
    assert follow(plan, take(plan), samples(40, 10)) == 2 * SLICE_PAGES


def test_a_whole_whose_pages_lie_upon_each_other_is_divided_where_they_are() -> None:
    """By id, one thread would read everything alone."""
    plan = planner()
    assert follow(plan, take(plan), [[NOW - at for at in page] for page in samples(40, 900)]) == 2
    assert len(plan._pending) > FIRST_PARTS / 2


def test_many_rows_of_one_second_are_followed() -> None:
    """No cut divides them."""
    plan = left(planner(days(0, 9)), Slice(DAY, DAY + SECOND))
    assert not follow(plan, take(plan), [[DAY + number] * PAGE for number in range(60)])


@pytest.mark.parametrize(("rows", "given_up"), [(PAGE // 2 - 1, 0), (PAGE - 1, 2), (PAGE, 2)])
def test_a_page_that_is_far_from_full_is_followed(rows: int, given_up: int) -> None:
    """Some APIs send a cursor with the last page. But one row less than usual does not make a page the last."""
    plan = planner(days(0, 1_000))
    part, (first, second) = take(plan), pages(2)
    assert follow(plan, part, [first, second[:rows]]) == given_up


def test_a_page_with_more_than_was_asked_for_does_not_make_all_others_short() -> None:
    """Nothing would be cut any more: one thread would read everything."""
    plan = left(planner(days(0, 2_000)), days(0, 1), days(1, 2_000))
    plan.page(take(plan), 1, PAGE + 1, [0] * (PAGE + 1))
    part = plan._pending[0]
    assert follow(plan, take(plan), [[DAY + at for at in page] for page in pages(2)]) == 2, part


def test_a_single_row_far_off_does_not_tell_where_a_chain_goes() -> None:
    """One recording of 1970 would make pages in no order look like a run, and be cut where nothing is."""
    plan = planner()
    first, *others = [[NOW - at for at in page] for page in samples(40, 900)]
    assert follow(plan, take(plan), [[0, *first[1:]], *others]) == 2
    assert len(plan._pending) > FIRST_PARTS / 2


def test_after_the_open_slice_the_density_is_that_of_its_recordings() -> None:
    """Since 1970 there are hardly any a year: the next slices would be decades wide."""
    begin = NOW - 80 * DAY
    plan = left(planner(), Slice(None, begin), Slice(begin))
    part = take(plan)
    plan.page(part, 1, PAGE, [begin - 4 * DAY] * PAGE)
    plan.done(part, 2 * PAGE)
    assert take(plan).end == begin + GROWTH * 4 * DAY - (begin + GROWTH * 4 * DAY) % SECOND


def test_an_api_that_gives_less_than_was_asked_for_has_full_pages_too() -> None:
    """From the second page on, it is known how many rows there are on one."""
    plan = planner(days(0, 1_000), page_size=2 * PAGE)
    assert follow(plan, take(plan), pages(40)) == 2


def test_smaller_pages_are_full_pages_too() -> None:
    """After pages proved too heavy, nothing would be cut any more."""
    plan = planner(days(0, 1_000), page_size=2 * PAGE)
    plan.page(take(plan), 1, 2 * PAGE, [0] * 2 * PAGE)
    plan.ask_for(PAGE)
    plan.halve(days(0, 1_000))
    assert follow(plan, take(plan), pages(40)) == 2


@pytest.mark.parametrize(("wasted", "given_up"), [(FREE_WASTE - 2, 2), (FREE_WASTE - 1, 0)])
def test_waste_is_limited(wasted: int, given_up: int) -> None:
    """An API in an order that no guess fits would be read again and again."""
    plan = planner(days(0, 1_000))
    plan._wasted_pages = wasted
    assert follow(plan, take(plan), pages(3)) == given_up


def test_a_long_history_may_waste_more() -> None:
    plan = planner(days(0, 1_000))
    plan._wasted_pages, plan._pages = FREE_WASTE, 2 * WASTE
    assert follow(plan, take(plan), pages(3)) == 2


def test_a_slice_keeps_its_halvings_and_is_cut_inside_itself_only() -> None:
    assert [one.halvings for one in Slice(0, DAY, 2).cut(DAY // 2)] == [2, 2]
    assert bounds(Slice(None, DAY).cut(0, -DAY, DAY, SECOND - 1, SECOND)) == [(None, SECOND), (SECOND, DAY)]
    assert bounds(Slice(SECOND, None).cut(SECOND, 3 * SECOND + 1)) == [(SECOND, 3 * SECOND), (3 * SECOND, None)]
