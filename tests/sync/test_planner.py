"""The planner hands out the whole range of a pass exactly once. A gap would lose recordings."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import pytest

from tap_siro.sync.planner import FIRST_PARTS, FREE_WASTE, GROWTH, PROBES, SLICE_PAGES, WASTE, SlicePlanner
from tap_siro.sync.slices import Slice
from tap_siro.timestamps import DAY, SECOND
from tests.support.planning import NOW, Chain, History, Simulation, made

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = 10


def planner(whole: Slice | None = None, *, page_size: int = PAGE) -> SlicePlanner:
    return SlicePlanner(whole or Slice(), now=NOW, page_size=page_size)


def take(plan: SlicePlanner) -> Slice:
    part = plan.take()
    assert part is not None
    return part


def bounds(parts: list[Slice]) -> list[tuple[int | None, int | None]]:
    return [(part.start, part.end) for part in parts]


def parts_left(plan: SlicePlanner) -> list[Slice]:
    """Return the remaining parts, without dividing them as `take` does."""
    return list(plan._pending)


def check_cover(whole: Slice, parts: list[Slice]) -> None:
    """Check that the parts cover the whole range without gaps or overlaps."""
    edges = sorted(bounds(parts), key=lambda bound: float("-inf") if bound[0] is None else bound[0])
    assert (edges[0][0], edges[-1][1]) == (whole.start, whole.end)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(edges))


def take_all(plan: SlicePlanner) -> list[Slice]:
    """Take, read and write all remaining parts, one after the other."""
    taken = []
    while (part := plan.take()) is not None:
        taken.append(part)
        plan.done(part, 0)
        plan.written(part)
    return taken


def left(plan: SlicePlanner, *parts: Slice) -> SlicePlanner:
    """Return a planner with these remaining parts."""
    plan._pending = list(parts)
    return plan


def days(start: int, end: int) -> Slice:
    return Slice(start * DAY, end * DAY)


# Completeness


@pytest.mark.parametrize("order", ["newest created", "oldest created", "by id", "newest updated"])
@pytest.mark.parametrize("seed", range(8))
def test_what_is_left_and_what_is_done_cover_the_whole_at_every_step(seed: int, order: str) -> None:
    """With threads that end in any order, cursors that expire, dense moments, pages that are too heavy and one that
    always is."""
    rng = random.Random(seed)
    dense = NOW - 300 * DAY
    created = [NOW - int(rng.random() * 800 * DAY) for _ in range(300)]
    created += [dense + int(rng.random() * DAY) for _ in range(150)] + [dense] * 30
    poison = NOW - 500 * DAY + 1_234_567
    whole = Slice([None, NOW - 900 * DAY][seed % 2])
    aside: list[Slice] = []
    position = float("-inf")

    def trouble(simulation: Simulation, chain: Chain) -> bool:
        part, rng = chain.part, simulation.random
        if chain.pages > 1 and part.halvings < 3 and rng.random() < 0.05:
            simulation.planner.halve(part)
        elif part.contains(poison) or rng.random() < 0.01:
            succeed = rng.random() < 0.5 and part.contains(poison)
            simulation.planner.heavy(part, simulation.requests, others_succeed=succeed)
            aside.extend([] if succeed else [part])
        else:
            return False
        return True

    def check(simulation: Simulation) -> None:
        nonlocal position
        plan = simulation.planner
        # What was set aside is taken, in parts, once nothing else is left.
        taken = [*parts_left(plan), *simulation.in_flight]
        aside[:] = [part for part in aside if not any(part.contains(one.start or 0) for one in taken)]
        ours = [*taken, *simulation.unwritten, *aside, *plan.poison]
        check_cover(whole, [*ours, *simulation.written])
        lowest = min(bound[0] or float("-inf") for bound in bounds(ours) or [(NOW, 0)])
        assert (float("-inf") if plan.position is None else plan.position) == lowest
        assert lowest >= position
        position = lowest

    history = History([made(rng, at) for at in created], order, page_size=PAGE)
    simulation = Simulation(history, 1 + seed % 4, whole, seed, trouble, check).run()
    plan = simulation.planner
    assert plan.complete
    assert plan.take() is None
    (second,) = plan.poison
    assert second.contains(poison)
    assert plan.position == second.start == poison - poison % SECOND


# The position and the end


def test_the_position_waits_for_what_is_left_read_and_written() -> None:
    """If the position passed unwritten rows, a restart would leave them out."""
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
    """A position in the future would leave out recordings created until then."""
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
    """Halves are short enough for the next cursor; a count ends the sync if no cursor works."""
    plan = planner(part)
    plan.halve(take(plan))
    found = parts_left(plan)
    assert bounds(found) == halves
    assert {one.halvings for one in found} == {part.halvings + 1}
    assert "." not in repr(bounds(found)), "moments are whole milliseconds"


def test_a_slice_without_a_beginning_is_halved_where_its_recordings_are() -> None:
    """The middle between 1970 and now is years before the first recording."""
    plan = planner()
    part = take(plan)
    plan.page(part, 1, PAGE, [NOW - 2 * DAY, NOW])
    plan.halve(part)
    middle = NOW - DAY - NOW % SECOND
    assert bounds(parts_left(plan)) == [(None, middle), (middle, None)]


def test_halves_are_in_order_with_what_lies_beside_them() -> None:
    plan = left(planner(days(0, 30)), days(0, 10))
    part = take(plan)
    left(plan, days(10, 20), days(20, 30)).halve(part)
    found = parts_left(plan)
    assert bounds(found) == [(each * DAY, end * DAY) for each, end in ((0, 5), (5, 10), (10, 20), (20, 30))]
    assert [one.halvings for one in found] == [1, 1, 0, 0]


# Division


def read_first(plan: SlicePlanner, rows: int) -> SlicePlanner:
    """Return a planner whose first slice has a number of rows."""
    plan.done(take(plan), rows)
    return plan


def test_a_slice_has_eight_pages_at_the_density_of_the_week_before_it() -> None:
    plan = read_first(left(planner(days(0, 100)), days(0, 1), days(1, 100)), 4 * PAGE)
    assert take(plan) == days(1, 1 + SLICE_PAGES // 4)
    assert take(plan).start == (1 + SLICE_PAGES // 4) * DAY


def test_after_an_empty_time_a_slice_is_a_few_times_wider() -> None:
    """Empty years would take thousands of requests, or the first dense month a single thread."""
    plan = read_first(left(planner(days(0, 100)), days(0, 1), days(1, 100)), 0)
    assert take(plan) == days(1, 1 + GROWTH)


def test_what_was_more_than_a_week_ago_says_nothing() -> None:
    """After an import of thousands, all later slices would be too narrow."""
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
    """Return pages of one recording per hour."""
    moments = [hour * DAY // 24 for hour in range(number * PAGE)]
    if newest_first:
        moments = [NOW - moment for moment in moments]
    return [moments[page * PAGE : (page + 1) * PAGE] for page in range(number)]


def samples(number: int, end: int) -> list[list[int]]:
    """Return overlapping pages within a number of days."""
    return [[page + end * DAY * (row * 7 % PAGE) // PAGE for row in range(PAGE)] for page in range(number)]


def follow(plan: SlicePlanner, part: Slice, read: list[list[int]]) -> int:
    """Show the pages of a chain, and return the number after which it is given up, or 0."""
    for number, created in enumerate(read, 1):
        if not plan.page(part, number, len(created), created):
            return number
    return 0


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_chain_that_has_far_to_go_is_given_up_for_parts(newest_first: bool) -> None:
    """One thread would read for minutes while the others wait."""
    plan = planner(None if newest_first else days(0, 1_000))
    assert follow(plan, take(plan), pages(40, newest_first=newest_first)) == 2
    assert len(parts_left(plan)) > 4
    check_cover(plan.whole, parts_left(plan))


def test_a_chain_is_followed_if_little_is_left_of_it() -> None:
    """Each of its pages would be read again."""
    plan = planner(Slice(0, 12 * PAGE * DAY // 24))
    assert not follow(plan, take(plan), pages(12))


def test_a_chain_that_should_have_ended_is_given_up() -> None:
    """In an unknown order, only the number of pages shows that the slice has more recordings than estimated."""
    plan = left(planner(days(0, 20)), days(0, 10))
    assert follow(plan, take(plan), samples(40, 10)) == 2 * SLICE_PAGES


def test_a_whole_whose_pages_lie_upon_each_other_is_divided_where_they_are() -> None:
    """In the order of ids, one thread would read everything alone."""
    plan = planner()
    assert follow(plan, take(plan), [[NOW - at for at in page] for page in samples(40, 900)]) == 2
    assert len(parts_left(plan)) > FIRST_PARTS / 2


def test_many_rows_of_one_second_are_followed() -> None:
    """No division separates these recordings."""
    plan = left(planner(days(0, 9)), Slice(DAY, DAY + SECOND))
    assert not follow(plan, take(plan), [[DAY + number] * PAGE for number in range(60)])


@pytest.mark.parametrize(("rows", "given_up"), [(PAGE // 2 - 1, 0), (PAGE - 1, 2), (PAGE, 2)])
def test_a_page_that_is_far_from_full_is_followed(rows: int, given_up: int) -> None:
    """Some APIs send a cursor with the last page. But one row less than usual does not make a page the last."""
    plan = planner(days(0, 1_000))
    part, (first, second) = take(plan), pages(2)
    assert follow(plan, part, [first, second[:rows]]) == given_up


def test_a_page_with_more_than_was_asked_for_does_not_make_all_others_short() -> None:
    """Slices would not be divided any more: one thread would read everything."""
    plan = left(planner(days(0, 2_000)), days(0, 1), days(1, 2_000))
    plan.page(take(plan), 1, PAGE + 1, [0] * (PAGE + 1))
    assert follow(plan, take(plan), [[DAY + at for at in page] for page in pages(2)]) == 2


def test_a_single_row_far_off_does_not_tell_where_a_chain_goes() -> None:
    """A recording of 1970 would make unordered pages look ordered, and the slice be divided in an empty range."""
    plan = planner()
    first, *others = [[NOW - at for at in page] for page in samples(40, 900)]
    assert follow(plan, take(plan), [[0, *first[1:]], *others]) == 2
    assert len(parts_left(plan)) > FIRST_PARTS / 2


def test_after_the_open_slice_the_density_is_that_of_its_recordings() -> None:
    """The average since 1970 is low, so the next slices would be decades wide."""
    begin = NOW - 80 * DAY
    plan = left(planner(), Slice(None, begin), Slice(begin))
    part = take(plan)
    plan.page(part, 1, PAGE, [begin - 4 * DAY] * PAGE)
    plan.done(part, 2 * PAGE)
    assert take(plan).end == begin + GROWTH * 4 * DAY - (begin + GROWTH * 4 * DAY) % SECOND


def test_an_api_that_gives_less_than_was_asked_for_has_full_pages_too() -> None:
    """From the second page on, the number of rows on a page is known."""
    plan = planner(days(0, 1_000), page_size=2 * PAGE)
    assert follow(plan, take(plan), pages(40)) == 2


def test_smaller_pages_are_full_pages_too() -> None:
    """After pages were too large, slices would not be divided any more."""
    plan = planner(days(0, 1_000), page_size=2 * PAGE)
    plan.page(take(plan), 1, 2 * PAGE, [0] * 2 * PAGE)
    plan.resize(PAGE)
    plan.halve(days(0, 1_000))
    assert follow(plan, take(plan), pages(40)) == 2


@pytest.mark.parametrize("good", [0, 5 * WASTE])
def test_waste_is_limited(good: int) -> None:
    """In an order that no estimate fits, slices would be read repeatedly. A long full sync may waste more requests."""
    parts = [days(start, start + 500) for start in range(0, 20_000, 500)]
    plan = left(planner(days(-1, 20_000)), days(-1, 0), *parts)
    first, *others = [take(plan) for _ in range(len(parts) + 1)]
    for number in range(1, good + 1):
        assert plan.page(first, number, PAGE, [])
    wasted = [follow(plan, part, [[(part.start or 0) + at for at in page] for page in pages(3)]) for part in others]
    assert set(wasted) == {0, 2}
    read = good + sum(number or 3 for number in wasted)
    assert -2 < sum(wasted) - FREE_WASTE - read / WASTE <= 0


# Large pages, and changes


def read_all(plan: SlicePlanner, heavy: Callable[[Slice], bool], *, succeed: bool = True) -> list[Slice]:
    """Read and write all parts except those that are too large."""
    read = list[Slice]()
    while (part := plan.take()) is not None:
        if heavy(part):
            plan.heavy(part, len(read), others_succeed=succeed)
        else:
            read.append(part)
            plan.done(part, 1)
            plan.written(part)
    return read


def test_what_is_too_heavy_is_halved_down_to_a_second_while_others_succeed() -> None:
    """One recording that the API cannot return would stop all others."""
    poison = 3 * DAY + 12_345_678
    plan = planner(Slice(None, 30 * DAY))
    read = read_all(plan, lambda part: part.contains(poison))
    (second,) = plan.poison
    assert (second.start, second.end) == (poison - poison % SECOND, poison - poison % SECOND + SECOND)
    check_cover(Slice(None, 30 * DAY), [*read, second])
    assert plan.finished
    assert plan.complete
    assert plan.position == second.start, "the next run goes on from there"
    assert len(read) < 60


def test_the_position_stays_before_the_first_poison() -> None:
    heavy = [DAY, 2 * DAY]
    plan = planner(days(0, 5))
    read_all(plan, lambda part: any(part.contains(moment) for moment in heavy))
    assert sorted(part.start or 0 for part in plan.poison) == heavy
    assert plan.position == DAY


def test_halves_remember_when_the_trouble_began() -> None:
    """Failures without a success in between are an outage, not single recordings."""
    plan = planner(days(0, 2))
    plan.heavy(take(plan), 7, others_succeed=True)
    assert [(part.failed_at, part.set_aside) for part in parts_left(plan)] == [(7, 0)] * 2
    plan.heavy(take(plan), 7, others_succeed=False)
    assert bounds([take(plan)]) == [(DAY, 2 * DAY)]
    assert plan.take() is None


def test_while_nothing_succeeds_a_slice_waits_until_nothing_else_is_left() -> None:
    """In an outage, every slice would be halved to seconds and skipped."""
    a, b, c = (days(day, day + 1) for day in range(3))
    plan = left(planner(days(0, 3)), a, b, c)
    plan.heavy(take(plan), 5, others_succeed=False)
    second, third = take(plan), take(plan)
    assert [second, third] == [b, c]
    plan.heavy(second, 6, others_succeed=False)
    assert plan.take() is None, "the third is still being read"
    assert (plan.finished, plan.poison, plan.position) == (False, [], 0)
    plan.done(third, 1)
    plan.written(third)
    parts = [plan.take() for _ in range(2 * PROBES)]
    check_cover(days(0, 2), [part for part in parts if part])
    assert [(part.set_aside, part.failed_at) for part in parts if part] == [(1, 5)] * PROBES + [(1, 6)] * PROBES
    assert plan.position == 0
    first, *others = [part for part in parts if part]
    for part in others:
        plan.done(part, 1)
        plan.written(part)
    plan.heavy(first, 6, others_succeed=False)
    last = take(plan)
    assert (last.start, last.end, last.set_aside) == (0, DAY // PROBES, 2), "not divided a second time"
    plan.heavy(last, 9, others_succeed=True)
    assert {part.set_aside for part in parts_left(plan)} == {0}
    read_all(plan, lambda _: False)
    assert (plan.position, plan.complete, plan.poison) == (3 * DAY, True, [])


def test_chains_in_which_something_changed_are_read_again() -> None:
    """An edited recording may have pushed others past a cursor. One page alone cannot lack anything."""
    plan = left(planner(days(0, 4)), days(0, 1), days(1, 2), days(2, 4))
    for chain, pages_read in zip([take(plan) for _ in range(3)], (3, 1, 2), strict=True):
        plan.done(chain, 10, pages=pages_read)
        plan.written(chain)
    assert plan.finished
    assert plan.read_again([DAY + 1, 9 * DAY]) == []
    assert plan.finished
    assert plan.read_again([1, DAY - 1, DAY + 1]) == [days(0, 1)]
    assert bounds(take_all(plan)) == [(0, DAY)]
    assert plan.read_again([1]) == [], "read again on one page"
    assert plan.read_again([1, 2 * DAY], Slice(-DAY, 0), days(0, 1)) == [days(0, 1), days(2, 4)]
    assert sum((end or 0) - (start or 0) for start, end in bounds(take_all(plan))) == 3 * DAY
    assert plan.complete


def test_what_cannot_be_divided_is_one_chain() -> None:
    """Without bounds of creation, each part would contain everything."""
    plan = SlicePlanner(Slice(), now=NOW, page_size=PAGE, divisible=False)
    for halvings in range(2):
        part = take(plan)
        assert part == Slice(halvings=halvings)
        assert plan.take() is None
        assert not follow(plan, part, [[NOW - at for at in page] for page in samples(60, 900)])
        if not halvings:
            plan.halve(part)
    plan.done(part, 600, pages=60)
    plan.written(part)
    assert (plan.complete, plan.position) == (True, NOW)


def test_a_slice_keeps_its_halvings_and_is_cut_inside_itself_only() -> None:
    assert [one.halvings for one in Slice(0, DAY, 2).cut(DAY // 2)] == [2, 2]
    assert bounds(Slice(None, DAY).cut(0, -DAY, DAY, SECOND - 1, SECOND)) == [(None, SECOND), (SECOND, DAY)]
    assert bounds(Slice(SECOND, None).cut(SECOND, 3 * SECOND + 1)) == [(SECOND, 3 * SECOND), (3 * SECOND, None)]
