"""The planner hands out every moment of a pass once, whatever happens on the way. A gap would be recordings lost."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import pytest

from tap_siro.sync.density import LEAP
from tap_siro.sync.planner import (
    FREE_WASTE,
    LEAST_PAGES,
    LONG_CHAIN,
    MOST_PAGES,
    PROBE_PARTS,
    USUAL_PAGES,
    WASTE,
    SlicePlanner,
)
from tap_siro.sync.slices import Slice
from tap_siro.timestamps import DAY, SECOND

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


def left(plan: SlicePlanner, *parts: Slice) -> SlicePlanner:
    """A planner with these parts left of its whole."""
    plan._pending = list(parts)
    return plan


def days(start: int, end: int) -> Slice:
    return Slice(start * DAY, end * DAY)


def seen(plan: SlicePlanner, *stretches: tuple[int, int, float]) -> SlicePlanner:
    """A planner that knows how many rows there are on some days."""
    for start, end, rows in stretches:
        plan._densities.note(start * DAY, end * DAY, rows)
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
    a, b, c = (days(day, day + 1) for day in range(3))
    plan = left(planner(days(0, 3)), c)
    plan._reading[b] = plan._chain(b)
    plan._unwritten.add(a)
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
    plan = left(planner(days(0, 30)), days(0, 10))
    part = take(plan)
    left(plan, days(10, 20), days(20, 30)).halve(part)
    assert bounds(plan._pending) == [(0, 5 * DAY), (5 * DAY, 10 * DAY), (10 * DAY, 30 * DAY)]
    assert [one.halvings for one in plan._pending] == [1, 1, 0]


def test_what_is_left_is_in_order_and_joined_only_without_a_gap() -> None:
    """Between two slices there may be one that is being read: joined across it, its recordings would come twice."""
    plan = left(planner(), days(1, 2), Slice(5 * DAY, None))
    plan._leave(days(3, 4), Slice(None, DAY // 2), days(2, 3))
    assert bounds(plan._pending) == [(None, DAY // 2), (DAY, 4 * DAY), (5 * DAY, None)]


# Shares


@pytest.mark.parametrize(
    ("rows", "threads", "pages"),
    [(1_500, 10, 10), (100_000, 4, MOST_PAGES), (300, 4, 5), (20, 16, LEAST_PAGES), (0, 1, LEAST_PAGES)],
)
def test_a_share_is_what_keeps_all_threads_busy_within_limits(rows: int, threads: int, pages: int) -> None:
    assert seen(planner(days(0, 1), threads=threads), (0, 1, rows))._share() == pages * PAGE


def test_the_share_of_the_unknown_is_a_usual_one() -> None:
    """Also while somebody explores: what is left may be nothing, or most of it."""
    assert planner()._share() == USUAL_PAGES * PAGE
    plan = left(seen(planner(days(0, 10_000), threads=4), (0, 1, 200)), days(5_000, 9_000))
    take(plan)
    assert left(plan, days(0, 1))._share() == USUAL_PAGES * PAGE
    plan._reading.clear()
    assert plan._share() == LEAST_PAGES * PAGE
    known = left(plan, days(0, 1), days(1, 2))
    take(known)
    assert known._share() < USUAL_PAGES * PAGE, "nobody explores"


def test_a_slice_is_cut_to_its_share_and_the_rest_stays() -> None:
    plan = seen(planner(days(0, 100)), (0, 100, 1_000))
    assert bounds([take(plan)]) == [(0, MOST_PAGES * DAY)]
    assert bounds(plan._pending) == [(MOST_PAGES * DAY, 100 * DAY)]


def test_a_slice_ends_where_the_density_leaps() -> None:
    """A dense day at its end would make it far too long, and after it was given up it would be cut there again."""
    for ratio, end in ((LEAP / 2, 30 * DAY), (LEAP * 2, 20 * DAY)):
        plan = seen(planner(days(0, 30), threads=8), (0, 20, 20), (20, 30, 10 * ratio))
        (taken, *_) = plan._divide(days(0, 30), 1e9)
        assert taken.end == end
    few = seen(planner(days(0, 30)), (0, 20, PAGE), (20, 30, 10_000))
    assert len(few._divide(days(0, 30), 1e9)) == 1, "a page is not worth a request of its own"


def test_a_step_into_the_unknown_is_a_slice() -> None:
    """Joined with what is known, nobody would know when to give it up."""
    plan = seen(planner(days(0, 10_000), threads=4), (9, 10, 100))
    edges = [one.end for one in plan._stretches(days(10, 10_000))]
    left(plan, days(9, 10_000))
    known = [take(plan).end]
    while (known[-1] or 0) < edges[0]:
        known.append(take(plan).end)
    assert known[-1] == edges[0]
    assert take(plan).end == edges[1]


@pytest.mark.parametrize(("rows", "joined"), [(5, True), (6, False)])
def test_a_step_into_the_unknown_is_joined_with_less_than_half_a_share(rows: int, joined: bool) -> None:
    """A request for each remainder would be one in eight."""
    plan = seen(planner(days(0, 10_000)), (0, 1, rows * PAGE), (1, 10, 0), (10, 11, 10_000))
    plan._densities.forget(DAY, 10 * DAY)
    step = next(one for one in plan._stretches(days(1, 10)) if not one.sure)
    plan._densities.note(DAY, step.start, 0)
    (taken, *_) = plan._divide(days(0, 10), 10.0 * PAGE)
    assert taken.end == (step.end if joined else step.start)


def test_a_chain_knows_whether_it_has_a_beginning() -> None:
    """Without one, a page near its end tells nothing."""
    plan = left(planner(), Slice(None, DAY), Slice(DAY, None))
    assert [plan._reading[take(plan)].open for _ in range(2)] == [True, False]


def test_a_dense_second_at_its_beginning_does_not_keep_a_slice_whole() -> None:
    """After an import of thousands at once: all that came later would be one thread's."""
    plan = planner(days(0, 1_000))
    plan._densities.note(0, 2 * SECOND, 10_000)
    plan._densities.note(2 * SECOND, 1_000 * DAY, 500_000)
    assert bounds(plan._divide(days(0, 1_000), 8.0 * PAGE)) == [(0, SECOND), (SECOND, 1_000 * DAY)]


def test_nothing_expected_is_one_slice_with_the_next_step() -> None:
    plan = seen(planner(days(0, 10_000)), (0, 50, 0), (50, 60, 6_000))
    assert plan._divide(days(0, 50), 100.0) == [days(0, 50)]


# Samples


def with_sample(*, threads: int = 4) -> SlicePlanner:
    """A planner that has seen a sample of 32 days, 100 rows evenly."""
    plan = planner(days(0, 64), threads=threads)
    plan._densities.sample(0, 32 * DAY, range(0, 32 * DAY, 32 * DAY // 100))
    return left(plan, days(0, 32))


def test_only_one_thread_asks_for_a_sample_of_which_nothing_is_known() -> None:
    """The others wait for its first page: if there is a second, there is enough for all; if not, it was counted."""
    plan = with_sample()
    probe = take(plan)
    assert probe.end is not None
    assert probe.end / DAY == pytest.approx(32 / PROBE_PARTS, abs=0.01)
    assert plan._reading[probe].expected == pytest.approx(USUAL_PAGES * PAGE, rel=0.01)
    assert plan.take() is None
    plan.page(probe, 1, PAGE, spread(0, 32 // PROBE_PARTS))
    for number in (2, 3, 4):
        part = take(plan)
        assert part.end is not None
        assert part.end / DAY == pytest.approx(number * 32 / PROBE_PARTS, abs=0.01)


def test_a_probe_tells_how_much_the_rest_holds() -> None:
    plan = with_sample(threads=1)
    probe = take(plan)
    plan.done(probe, 100)
    assert plan._rows(*plan._pending) == pytest.approx(100 * (PROBE_PARTS - 1))
    taken = take(plan)
    assert plan._rows(taken) == pytest.approx(MOST_PAGES * PAGE, rel=0.01)
    assert plan._reading[taken].expected == pytest.approx(MOST_PAGES * PAGE, rel=0.01)


def test_another_part_is_taken_while_a_sample_waits() -> None:
    plan = seen(with_sample(), (40, 43, 30))
    plan._pending.append(days(40, 43))
    assert take(plan).start == 0
    assert take(plan).start == 40 * DAY


# What is left


def test_rows_left_are_those_left_read_and_unwritten_or_unknown() -> None:
    """The log says how long it will take."""
    plan = left(planner(days(0, 4)), days(0, 1))
    plan._reading[days(1, 2)] = plan._chain(days(1, 2))
    plan._unwritten.add(days(2, 3))
    assert plan.rows_left() is None, "nothing is known"
    assert seen(plan, (0, 3, 60)).rows_left() == 60


def test_a_slice_that_was_read_tells_how_dense_its_neighbours_are() -> None:
    plan = left(planner(days(0, 100)), days(0, 10))
    plan.done(take(plan), 200)
    taken = take(left(plan, days(10, 100)))
    assert taken.start == 10 * DAY
    assert taken.end is not None
    assert LEAST_PAGES * PAGE <= (taken.end - 10 * DAY) / DAY * 20 <= MOST_PAGES * PAGE


# Giving up


A_DAY = [number * DAY // PAGE for number in range(PAGE)]


def test_a_chain_that_runs_through_time_and_is_long_is_given_up_for_parts() -> None:
    """One thread alone would read for minutes while the others wait."""
    plan = left(planner(days(0, 2_000), threads=4), days(0, 1_000))
    assert not plan.page(take(plan), 1, PAGE, A_DAY)
    assert not plan._reading
    assert plan._wasted_pages == 1
    assert bounds(plan._pending) == [(0, 1_000 * DAY)]
    assert take(plan).end == LEAST_PAGES * PAGE * DAY * 8 // 90, "nine rows in eight tenths of a day"


def test_a_whole_is_not_given_up_for_its_first_page() -> None:
    """Two pages are all that many an organization has."""
    plan = planner(threads=4)
    assert plan.page(take(plan), 1, PAGE, [NOW - at for at in A_DAY])


@pytest.mark.parametrize("leaning", [0, 1])
@pytest.mark.parametrize(("pages", "goes_on"), [(LONG_CHAIN - 2, True), (LONG_CHAIN + 1, False)])
def test_a_chain_is_followed_if_little_is_left_of_it(pages: int, leaning: int, goes_on: bool) -> None:
    """Each of its pages would be read again. A run or not: its neighbours tell how much there is."""
    plan = seen(left(planner(days(0, 99), threads=4)), (0, 99, 99 * PAGE))
    part = days(0, 2 + pages)
    plan._reading[part] = plan._chain(part)
    read = [[day * DAY + at for at in A_DAY] if leaning else spread(day, 2 + pages) for day in range(2)]
    assert all(plan.page(part, number, PAGE, page) for number, page in enumerate(read, 1)) is goes_on


@pytest.mark.parametrize(("rows", "goes_on"), [(PAGE * 100 // LEAP + PAGE, True), (PAGE * 100 // LEAP - PAGE, False)])
def test_a_chain_that_turns_out_far_denser_is_given_up_if_nobody_knows_how_far(rows: int, goes_on: bool) -> None:
    """A dense day in a month. If it is as dense as was expected, the chain ends when it should."""
    plan = seen(left(planner(days(0, 200), threads=4)), (50, 150, rows))
    part = days(50, 150)
    plan._reading[part] = plan._chain(part)
    plan._densities.forget(0, 200 * DAY)
    seen(plan, (150, 151, 0))
    assert plan.page(part, 1, PAGE, [50 * DAY + DAY // 10 + at * 8 // 7 for at in A_DAY]) is goes_on


def test_what_is_expected_is_forgotten_when_it_proves_wrong() -> None:
    """Years of nothing were expected where there is a page a day: one thread would read all of them."""
    plan = seen(planner(days(0, 2_000), threads=4), (0, 2_000, PAGE // 2))
    part = take(plan)
    assert part == days(0, 2_000)
    assert plan.page(part, 1, PAGE, A_DAY)
    assert not plan.page(part, 2, PAGE, [DAY + at for at in A_DAY])
    assert plan._rows(days(1, 10)) > 5 * PAGE


def test_a_backward_run_without_a_beginning_is_given_up() -> None:
    """Nobody knows where it ends."""
    plan = planner(threads=4)
    part = take(plan)
    assert plan.page(part, 1, PAGE, [NOW - at for at in A_DAY])
    assert not plan.page(part, 2, PAGE, [NOW - DAY - at for at in A_DAY])


def spread(number: int, end: int) -> list[int]:
    """A page of a chain whose pages are samples of so many days, in no order."""
    return [number + end * DAY * (row * 7 % PAGE) // PAGE for row in range(PAGE)]


def test_a_whole_whose_pages_are_samples_is_divided_by_them() -> None:
    """By id, one thread would read everything alone."""
    plan = planner(days(0, 100), threads=4)
    plan._wasted_pages = 5
    part = take(plan)
    assert plan.page(part, 1, PAGE, spread(0, 100))
    assert not plan.page(part, 2, PAGE, spread(1, 100))
    assert all(one.unscaled for one in plan._stretches(part))
    assert (plan._pages, plan._wasted_pages) == (2, 5 + 2)


@pytest.mark.parametrize(("threads", "pending", "goes_on"), [(2, [], False), (1, [], True), (2, [days(50, 51)], True)])
def test_a_slice_with_more_than_expected_is_divided_sooner_while_others_have_nothing_to_do(
    threads: int, pending: list[Slice], goes_on: bool
) -> None:
    """With a page left for each thread, its pages would be read again for nothing."""
    plan = seen(planner(days(0, 60), threads=threads), (0, 10, 3 * PAGE), (10, 60, 0))
    part = take(left(plan, days(0, 10)))
    left(plan, *pending)
    going_on = [plan.page(part, number, PAGE, spread(number, 10)) for number in range(1, 8)]
    assert all(going_on)
    assert plan.page(part, 8, PAGE, spread(8, 10)) is goes_on


def test_many_rows_of_one_second_are_followed() -> None:
    """No cut divides them."""
    plan = left(planner(days(0, 9)), Slice(DAY, DAY + SECOND))
    part = take(plan)
    assert all(plan.page(part, number, PAGE, [DAY + number] * PAGE) for number in range(1, 60))


@pytest.mark.parametrize(("chain", "rows", "goes_on"), [(1, PAGE - 1, True), (1, PAGE, False)])
def test_a_page_that_is_not_full_is_followed(chain: int, rows: int, goes_on: bool) -> None:
    """Some APIs send a cursor with the last page."""
    plan = left(planner(days(0, 2_000), threads=4), days(0, 1_000))
    assert plan.page(take(plan), chain, rows, A_DAY[:rows]) is goes_on


def test_a_page_with_more_than_was_asked_for_does_not_make_all_others_short() -> None:
    """Nothing would be cut any more: one thread would read everything."""
    plan = left(planner(days(0, 2_000), threads=4), days(0, 1_000), days(1_000, 2_000))
    assert not plan.page(take(plan), 1, PAGE + 1, A_DAY)
    left(plan, days(1_000, 2_000))
    assert not plan.page(take(plan), 1, PAGE, [1_000 * DAY + at for at in A_DAY])


def test_what_cannot_be_cut_into_shares_is_not_given_up() -> None:
    """It would be taken as it was, and given up again, until nothing may be wasted any more."""
    for rows in range(LEAST_PAGES * PAGE, (MOST_PAGES + 3) * PAGE, PAGE // 2):
        plan = seen(planner(days(0, 10_000), threads=4), (0, 1, rows), (40, 41, 0))
        part = days(0, 40)
        plan._reading[part] = plan._chain(part)
        left(plan)
        for number in range(1, 20):
            if not plan.page(part, number, PAGE, spread(number, 40)):
                assert take(plan) != part
                break


def test_an_api_that_gives_less_than_was_asked_for_has_full_pages_too() -> None:
    """From the second page on, it is known how many rows there are on one."""
    plan = left(planner(days(0, 2_000), threads=4, page_size=2 * PAGE), days(0, 1_000))
    part = take(plan)
    assert plan.page(part, 1, PAGE, A_DAY)
    assert not plan.page(part, 2, PAGE, [DAY + at for at in A_DAY])


@pytest.mark.parametrize(("wasted", "goes_on"), [(FREE_WASTE - 1, False), (FREE_WASTE, True)])
def test_waste_is_limited(wasted: int, goes_on: bool) -> None:
    """An API in an order that no guess fits would be read again and again."""
    plan = left(planner(days(0, 2_000)), days(0, 1_000))
    plan._wasted_pages = wasted
    assert plan.page(take(plan), 1, PAGE, A_DAY) is goes_on


def test_a_long_history_may_waste_more() -> None:
    plan = left(planner(days(0, 2_000)), days(0, 1_000))
    plan._wasted_pages, plan._pages = FREE_WASTE, WASTE
    assert not plan.page(take(plan), 1, PAGE, A_DAY)


def test_a_slice_keeps_its_halvings_and_is_cut_inside_itself_only() -> None:
    assert [one.halvings for one in Slice(0, DAY, 2).cut(DAY // 2)] == [2, 2]
    assert bounds(Slice(None, DAY).cut(0, -DAY, DAY, SECOND - 1, SECOND)) == [(None, SECOND), (SECOND, DAY)]
    assert bounds(Slice(SECOND, None).cut(SECOND, 3 * SECOND + 1)) == [(SECOND, 3 * SECOND), (3 * SECOND, None)]
