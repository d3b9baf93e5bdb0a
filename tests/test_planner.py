"""The planner hands out every moment of a pass once, whatever happens on the way. A gap would be recordings lost."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tap_siro.instants import DAY, SECOND
from tap_siro.planner import BELIEF, FREE_WASTE, LEAST_PAGES, MOST_PAGES, USUAL_PAGES, SlicePlanner
from tap_siro.slices import Scale, Slice

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_790_000_000_000
PAGE = 10


def planner(whole: Slice | None = None, *, threads: int = 1, page_size: int = PAGE) -> SlicePlanner:
    return SlicePlanner(whole or Slice(), now=NOW, page_size=page_size, threads=threads)


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


def sampled(plan: SlicePlanner, parts: list[Slice]) -> SlicePlanner:
    """A planner with these parts left of its whole, as after a sample."""
    plan._pending = list(parts)
    return plan


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
    plan = planner(Slice(start), threads=1 + seed % 4)
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
    a, b, c = (Slice(day * DAY, (day + 1) * DAY).expecting(1, Scale(1.0)) for day in range(3))
    plan = sampled(planner(Slice(0, 3 * DAY)), [c])
    plan._reading[b] = plan._chain(b, None)
    plan._unwritten.add(a)
    assert plan.position == 0
    plan.written(a)
    assert plan.position == DAY
    plan.done(b, 1)
    assert plan.position == DAY
    plan.written(b)
    assert plan.position == 2 * DAY


def test_without_a_beginning_there_is_no_position_until_the_first_slice_is_written() -> None:
    plan = sampled(planner(Slice(None, 2 * DAY)), [Slice(None, DAY).expecting(1, Scale(1.0)), Slice(DAY, 2 * DAY)])
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
        (Slice(None, NOW), [(None, NOW - 3_650 * DAY), (NOW - 3_650 * DAY, NOW)]),
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


def test_halves_are_not_joined_with_what_lies_beside_them() -> None:
    """Joined, they would be as long as the slice whose cursor expired."""
    plan = sampled(planner(Slice(0, 30 * DAY)), [Slice(0, 10 * DAY)])
    part = take(plan)
    plan._pending = [Slice(10 * DAY, 20 * DAY), Slice(20 * DAY, 30 * DAY)]
    plan.halve(part)
    assert bounds(plan._pending) == [(0, 5 * DAY), (5 * DAY, 10 * DAY), (10 * DAY, 30 * DAY)]
    assert [one.halvings for one in plan._pending] == [1, 1, 0]


def test_what_is_left_is_in_order_and_joined_only_without_a_gap() -> None:
    """Between two slices there may be one that is being read: joined across it, its recordings would come twice."""
    plan = sampled(planner(), [Slice(DAY, 2 * DAY), Slice(4 * DAY, None)])
    guessed = Slice(3 * DAY, 4 * DAY).expecting(1, Scale(1.0))
    plan._leave([guessed, Slice(None, DAY // 2), Slice(2 * DAY, 3 * DAY)])
    assert bounds(plan._pending) == [(None, DAY // 2), (DAY, 3 * DAY), (3 * DAY, 4 * DAY), (4 * DAY, None)]
    assert plan._pending[2].guess == 1


# Parts of a sample


def parts(scale: Scale, *days: int, guess: float = 10.0) -> list[Slice]:
    return [Slice(day * DAY, (day + 1) * DAY).expecting(guess, scale) for day in days]


def test_sampled_parts_are_joined_to_a_share_and_the_rest_stays() -> None:
    """Each of its own would cost a request for a few rows."""
    scale = Scale(1.0)
    plan = sampled(planner(Slice(0, 9 * DAY)), parts(scale, *range(9)))  # 90 rows, 1 thread: 60 at once
    taken = take(plan)
    assert ((taken.start, taken.end), taken.guess) == ((0, 6 * DAY), 60.0)
    assert bounds(plan._pending) == [(day * DAY, (day + 1) * DAY) for day in (6, 7, 8)]


def test_sampled_parts_are_not_joined_across_a_gap_or_another_sample() -> None:
    """What lies between is being read already."""
    scale = Scale(1.0)
    gap = sampled(planner(Slice(0, 9 * DAY)), parts(scale, 0, 2, 3))
    assert bounds([take(gap)]) == [(0, DAY)]
    other = sampled(planner(Slice(0, 9 * DAY)), [*parts(scale, 0), *parts(Scale(1.0), 1)])
    assert bounds([take(other)]) == [(0, DAY)]
    plain = sampled(planner(Slice(0, 2 * DAY)), [*parts(scale, 0), Slice(DAY, 2 * DAY)])
    assert bounds([take(plain)]) == [(0, DAY)]


def test_a_part_that_holds_too_much_is_cut_and_its_rest_keeps_its_guess() -> None:
    """The rest would otherwise be thought empty, or as full as the whole."""
    scale = Scale(1.0)
    plan = sampled(planner(Slice(0, 10 * DAY)), [Slice(0, 10 * DAY).expecting(400.0, scale)])
    taken = take(plan)
    assert (taken.start, taken.end, taken.guess) == (0, 5 * DAY // 2, 100.0)
    (rest,) = plan._pending
    assert (rest.start, rest.end, rest.guess) == (5 * DAY // 2, 10 * DAY, 300.0)
    assert rest.scale is scale


def test_only_one_thread_reads_a_sample_of_unknown_scale() -> None:
    """The others wait for its first page, and go on when it says how much there is."""
    scale = Scale()
    plan = sampled(planner(Slice(0, 32 * DAY), threads=4), parts(scale, *range(32)))
    probe = take(plan)
    assert (probe.start, probe.end) == (0, 2 * DAY)
    assert plan.take() is None
    plan.page(probe, 1, PAGE, [DAY] * PAGE)
    assert scale.factor == BELIEF * PAGE / 20
    assert plan.take() is not None


def test_a_part_of_another_sample_is_taken_while_one_waits() -> None:
    waiting, ready = Scale(), Scale(1.0)
    plan = sampled(planner(Slice(0, 64 * DAY), threads=4), [*parts(waiting, *range(32)), *parts(ready, *range(40, 43))])
    assert take(plan).start == 0
    assert take(plan).start == 40 * DAY


# Shares and what is left


@pytest.mark.parametrize(
    ("rows", "threads", "pages"),
    [(1_500, 10, 10), (100_000, 4, MOST_PAGES), (300, 4, 5), (20, 16, LEAST_PAGES), (0, 1, LEAST_PAGES)],
)
def test_a_share_is_what_keeps_all_threads_busy_within_limits(rows: int, threads: int, pages: int) -> None:
    part = Slice(0, DAY).expecting(float(rows), Scale(1.0))
    assert sampled(planner(Slice(0, DAY), threads=threads), [part])._share() == pages * PAGE


def test_the_share_of_the_unknown_is_a_usual_one() -> None:
    assert planner()._share() == USUAL_PAGES * PAGE


def test_rows_left_are_those_left_read_and_unwritten_or_unknown() -> None:
    """The log says how long it will take."""
    a, b, c = parts(Scale(2.0), 0, 1, 2)
    plan = sampled(planner(Slice(0, 3 * DAY)), [a])
    plan._reading[b] = plan._chain(b, None)
    plan._unwritten.add(c)
    assert plan.rows_left() == 60
    plan._pending.append(Slice(3 * DAY, 4 * DAY))
    assert plan.rows_left() is None, "nothing is known of the last day"
    plan._densities.note(3 * DAY, 4 * DAY, 7)
    assert plan.rows_left() == 67


def test_a_slice_that_was_read_tells_how_dense_its_neighbours_are() -> None:
    plan = sampled(planner(Slice(0, 100 * DAY)), [Slice(0, 10 * DAY)])
    plan.done(take(plan), 200)
    plan._pending = [Slice(10 * DAY, 100 * DAY)]
    taken = take(plan)
    assert taken.start == 10 * DAY
    assert taken.end is not None
    assert LEAST_PAGES * PAGE <= (taken.end - 10 * DAY) / DAY * 20 <= MOST_PAGES * PAGE


def test_a_chain_that_runs_through_time_and_is_long_is_given_up_for_parts() -> None:
    """One thread alone would read for minutes while the others wait."""
    plan = sampled(planner(Slice(0, 2_000 * DAY), threads=4), [Slice(0, 1_000 * DAY)])
    assert not plan.page(take(plan), 1, PAGE, [number * DAY // PAGE for number in range(PAGE)])
    assert not plan._reading
    assert plan._wasted_pages == 1
    assert bounds(plan._pending)[0][0] == 0
    assert bounds(plan._pending)[-1][1] == 1_000 * DAY
    first = take(plan)
    assert first.end is not None
    assert LEAST_PAGES * DAY <= first.end <= 2 * MOST_PAGES * DAY


@pytest.mark.parametrize(("days_left", "goes_on"), [(10_000, True), (20, False)])
def test_a_chain_is_given_up_if_the_others_would_wait_for_it(days_left: int, goes_on: bool) -> None:
    """One thread would read the last slice while all others do nothing."""
    plan = sampled(planner(Slice(0, 10_100 * DAY), threads=4), [Slice(0, 18 * DAY), Slice(100 * DAY, 101 * DAY)])
    part = take(plan)
    plan._pending = [Slice(100 * DAY, (100 + days_left) * DAY, guess=float(days_left * PAGE), scale=Scale(1.0))]
    page = [number * DAY // PAGE for number in range(PAGE)]
    assert plan.page(part, 1, PAGE, page) is goes_on


@pytest.mark.parametrize(("chain", "rows", "goes_on"), [(1, PAGE - 1, True), (1, PAGE, False)])
def test_a_page_that_is_not_full_is_followed(chain: int, rows: int, goes_on: bool) -> None:
    """Some APIs send a cursor with the last page."""
    plan = sampled(planner(Slice(0, 2_000 * DAY), threads=4), [Slice(0, 1_000 * DAY)])
    assert plan.page(take(plan), chain, rows, [number * DAY // PAGE for number in range(rows)]) is goes_on


def test_waste_is_limited() -> None:
    """An API in an order that no guess fits would be read again and again."""
    plan = sampled(planner(Slice(0, 2_000 * DAY), threads=1), [Slice(0, 1_000 * DAY)])
    plan._wasted_pages = FREE_WASTE + 1
    assert plan.page(take(plan), 1, PAGE, [number * DAY // PAGE for number in range(PAGE)])


# Scales


def test_a_scale_learns_from_what_was_counted() -> None:
    """Ten times too large, and slices hold a tenth of what they should: ten times the requests."""
    scale = Scale()
    scale.at_least(0, 10)
    assert (scale.factor, scale.counted) == (None, False)
    scale.at_least(2, 10)
    assert scale.factor == 5
    scale.at_least(2, 4)
    assert scale.factor == 5, "a bound only grows"
    scale.at_least(100, 25)
    scale.count(10, 20)
    assert (scale.factor, scale.counted) == (2, True)
    scale.at_least(1, 50)
    assert scale.factor == 2, "what was counted is better than a bound"
    scale.count(10, 80)
    assert scale.factor == 6, "(20/2 + 80) / (10/2 + 10)"
    empty = Scale()
    empty.count(4, 0)
    assert empty.factor == 0.25, "never nothing"
    none = Scale()
    none.count(0, 5)
    assert (none.factor, none.counted) == (None, False)
    low = Scale()
    low.at_least(4, 1)
    assert low.factor == 0.25


def test_a_slice_is_its_bounds_whatever_is_guessed_of_it() -> None:
    """A slice that is being read is found again by them."""
    part = Slice(1, 2, 3)
    assert part == part.expecting(5.0, Scale(2.0))
    assert (part.rows, part.expecting(5.0, Scale()).rows, part.expecting(5.0, Scale(2.0)).rows) == (None, None, 10.0)
    assert replace(part, halvings=0) != part
    assert [one.halvings for one in Slice(0, DAY, 2).cut([DAY // 2])] == [2, 2]
    assert bounds(Slice(None, DAY).cut([0, -DAY, DAY, SECOND - 1, SECOND])) == [(None, SECOND), (SECOND, DAY)]
    assert bounds(Slice(SECOND, None).cut([SECOND, 3 * SECOND + 1])) == [(SECOND, 3 * SECOND), (3 * SECOND, None)]
