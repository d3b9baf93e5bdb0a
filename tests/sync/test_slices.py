"""The slices of a pass end and leave no gap, for all kinds of pages, with few superfluous requests."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_siro.sync.planner import FREE_WASTE, WASTE, SlicePlanner
from tap_siro.sync.slices import Slice
from tap_siro.timestamps import DAY, SECOND
from tests.support.planning import LATENCY, NOW, ORDERS, Chain, History, Row, Simulation, even, made, office_hours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

pytestmark = pytest.mark.thorough


def rows_at(created: Iterable[int], seed: int = 1) -> list[Row]:
    """Return recordings that were created at these moments."""
    rng = random.Random(seed)
    return [made(rng, at) for at in created]


def read_all(
    rows: list[Row], order: str, *, threads: int = 4, page_size: int = 100, seed: int = 0, **options: Any
) -> Simulation:
    """Read everything as threads would, in an order that the seed decides."""
    simulation = Simulation(History(rows, order, page_size=page_size), threads, seed=seed, **options).run()
    assert simulation.planner.complete
    assert max(map(simulation.given_up.count, simulation.given_up), default=0) <= 2, "cut as before, it costs as much"
    return simulation


def position_of(rows: list[Row]) -> Callable[[Simulation], None]:
    """Return a check of the position: it does not go back, and passes no recording that has not been written."""
    left, written, last = sorted(row.created for row in rows), 0, float("-inf")

    def check(simulation: Simulation) -> None:
        nonlocal left, written, last
        for part in simulation.written[written:]:
            left = [at for at in left if not part.contains(at)]
        written = len(simulation.written)
        position = simulation.planner.position
        now = float("-inf") if position is None else position
        assert now >= last
        assert not left or now <= left[0], "the position passed a recording that was not written"
        last = now

    return check


moments = st.one_of(
    st.integers(NOW - 3000 * DAY, NOW),
    st.integers(NOW - DAY, NOW),
    st.sampled_from([NOW - 500 * DAY, NOW - 500 * DAY + 1, NOW - 500 * DAY + SECOND]),
)


@settings(max_examples=150, deadline=None)
@given(
    created=st.lists(moments, max_size=300),
    order=st.sampled_from(sorted(ORDERS)),
    threads=st.integers(1, 5),
    page_size=st.integers(1, 20),
    seed=st.integers(0, 5),
    start=st.none() | moments,
)
def test_everything_is_read_exactly_once_and_it_ends(
    *, created: list[int], order: str, threads: int, page_size: int, seed: int, start: int | None
) -> None:
    """The pass starts at the beginning, or at the position of an interrupted pass."""
    rows = rows_at(at for at in created if start is None or at >= start)
    simulation = read_all(
        rows, order, threads=threads, page_size=page_size, seed=seed, whole=Slice(start), check=position_of(rows)
    )
    assert sorted(simulation.read) == sorted(row.created for row in rows)
    assert simulation.wasted <= FREE_WASTE + simulation.requests / WASTE


MAIN_ORDERS = pytest.mark.parametrize("order", ["newest created", "oldest created", "by id", "newest updated"])


@MAIN_ORDERS
def test_many_recordings_of_one_second_do_not_loop(order: str) -> None:
    """A second cannot be divided, so its chain must be followed to the end."""
    rows = rows_at(NOW - 300 * DAY + offset for offset in range(900)) + even(100, 600)
    simulation = read_all(rows, order, page_size=10)
    assert len(simulation.read) == 1000
    assert simulation.requests < 180


@pytest.mark.parametrize("seed", [*range(5), 240])
def test_what_is_given_up_is_not_taken_whole_again(seed: int) -> None:
    """The planner gave up a chain by one measure and took it again by another (240 times), until the limit of waste."""
    rng = random.Random(seed)
    ages = itertools.accumulate(int(rng.expovariate(1) * DAY) for _ in range(800))
    rows = rows_at((NOW - age for age in ages), seed)
    simulation = read_all(rows, "oldest updated", threads=1, page_size=10, seed=seed)
    assert len(set(simulation.given_up)) == len(simulation.given_up)


HISTORIES: dict[str, tuple[list[Row], Slice, int]] = {
    "a year": (even(10_000, 400), Slice(), 140),
    "a year, resumed": (even(10_000, 400), Slice(NOW - 401 * DAY), 140),
    # With calls only during office hours, one request in four was superfluous, and chains were long.
    "nights and weekends": (office_hours(30_000, 200, seed=5), Slice(), 450),  # 300 pages
    "empty years": (even(5_000, 400) + even(5_000, 400, ago=5 * 365 * DAY), Slice(), 140),
    "a dense day": (even(5_000, 1460) + even(5_000, 1, ago=700 * DAY, seed=3), Slice(), 170),
}


@MAIN_ORDERS
@pytest.mark.parametrize("name", HISTORIES)
def test_slicing_costs_few_more_requests_than_pages(name: str, order: str) -> None:
    rows, whole, most = HISTORIES[name]
    simulation = read_all(rows, order, whole=whole)
    assert len(simulation.read) == len(rows)
    assert simulation.requests <= most
    assert simulation.longest <= 100


@MAIN_ORDERS
@pytest.mark.parametrize("threads", [1, 2])
def test_the_position_moves_with_few_threads_too(order: str, threads: int) -> None:
    """A full sync that is killed after hours would restart, because a position does not move during a chain."""
    simulation = read_all(even(5_000, 400), order, threads=threads, page_size=10)
    assert simulation.longest <= 200  # of 500 pages


@MAIN_ORDERS
def test_all_threads_read_a_dense_day_to_its_end(order: str) -> None:
    """One or two threads read everything, for three times as long, while the others were idle."""
    simulation = Simulation(History(HISTORIES["a dense day"][0], order), 4).run()
    assert simulation.time <= 55 * LATENCY  # of 25, at one request per page


@MAIN_ORDERS
@pytest.mark.parametrize(("count", "most"), [(60, 1), (200, 2), (400, 25), (1000, 30)])
def test_a_small_organization_costs_few_requests(order: str, count: int, most: int) -> None:
    assert read_all(even(count, 400), order, threads=8).requests <= most


@MAIN_ORDERS
def test_poison_costs_few_requests(order: str) -> None:
    """One recording in ten thousand is too large: halving down to it must not read everything twice."""
    poison = NOW - 200 * DAY

    def fail(simulation: Simulation, chain: Chain) -> bool:
        if chain.part.contains(poison):
            simulation.planner.heavy(chain.part, simulation.requests, others_succeed=True)
        return chain.part.contains(poison)

    simulation = Simulation(History(even(10_000, 400), order), 1, trouble=fail).run()
    assert [second.contains(poison) for second in simulation.planner.poison] == [True]
    assert simulation.planner.position == poison - poison % SECOND
    assert len(simulation.read) >= 9_999
    assert simulation.requests <= 220  # 100 pages, and some 25 halves of the slice with the poison in it


def test_slices_are_cut_on_whole_seconds_without_a_gap() -> None:
    parts = Slice(1_500, 9_999).cut(1_600, 3_456, 3_457, 20_000, 0)
    assert [(part.start, part.end) for part in parts] == [(1_500, 3_000), (3_000, 9_999)]
    assert Slice(1_500, 1_900).cut(1_700) == [Slice(1_500, 1_900)]


def test_a_cursor_on_a_page_that_is_not_full_is_followed() -> None:
    """Some APIs send a cursor with the last page: a division there would read everything again."""
    planner = SlicePlanner(Slice(), now=NOW, page_size=100)
    part = planner.take()
    assert part
    assert planner.page(part, 1, 100, [NOW - DAY])
    assert planner.page(part, 2, 40, [NOW - DAY])
    planner.done(part, 140)
    planner = SlicePlanner(Slice(), now=NOW, page_size=100)
    part = planner.take()
    assert part
    assert planner.page(part, 1, 60, [NOW - DAY])
    assert planner.page(part, 2, 0, [])


def test_a_slice_is_halved_where_a_cursor_expired() -> None:
    planner = SlicePlanner(Slice(0, 10 * DAY), now=NOW, page_size=100)
    part = planner.take()
    assert part
    planner.halve(part)
    halves = [planner.take(), planner.take()]
    assert [(half.start, half.end, half.halvings) for half in halves if half] == [
        (0, 5 * DAY, 1),
        (5 * DAY, 10 * DAY, 1),
    ]
