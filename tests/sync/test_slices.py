"""The slices of a pass end and leave no gap, for all kinds of pages, with few superfluous requests."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_siro.api.chain import MAX_EMPTY_PAGES, CursorPaginator
from tap_siro.errors import TapSiroError
from tap_siro.sync.planner import FREE_WASTE, WASTE, SlicePlanner
from tap_siro.sync.slices import Slice
from tap_siro.timestamps import DAY, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.thorough

NOW = 1_790_000_000_000


@dataclass
class Organization:
    """Recordings by time of creation, in one of the API's orders."""

    created: list[int]
    order: str
    requests: int = 0
    longest_chain: int = 0
    wasted: int = 0
    read: list[int] = field(default_factory=list)
    given_up: list[Slice] = field(default_factory=list)

    def rows(self, part: Slice) -> list[int]:
        inside = [
            (index, at)
            for index, at in enumerate(self.created)
            if (part.start is None or at >= part.start) and (part.end is None or at < part.end)
        ]
        return [at for _, at in sorted(inside, key=KEYS[self.order])]


@cache
def _delay(index: int) -> float:
    return random.Random(index).expovariate(1 / (2 * DAY))


KEYS: dict[str, Callable[[tuple[int, int]], float]] = {
    "newest": lambda row: -row[1],
    "oldest": lambda row: row[1],
    "by id": lambda row: hash((row[0], 7)),
    "updated": lambda row: -row[1] - _delay(row[0]),  # within days
    "oldest updated": lambda row: row[1] + _delay(row[0]),
    "by user": lambda row: (row[0] % 3) * 1e15 + row[1],
}


def read_all(
    organization: Organization, *, threads: int, page_size: int, seed: int = 0, whole: Slice | None = None
) -> None:
    """Read everything as threads would, in a random order by seed; check the position at every step."""
    rng = random.Random(seed)
    planner = SlicePlanner(whole or Slice(), now=NOW, page_size=page_size)
    chains: list[tuple[Slice, list[int], int]] = []
    unwritten: list[Slice] = []
    position: float = float("-inf")
    unread = sorted(organization.created)
    while not planner.complete:
        while len(chains) < threads and (part := planner.take()) is not None:
            chains.append((part, organization.rows(part), 0))
        if chains:
            part, rows, pages = chains.pop(rng.randrange(len(chains)))
            page = rows[pages * page_size : (pages + 1) * page_size]
            organization.requests += 1
            organization.longest_chain = max(organization.longest_chain, pages + 1)
            if (pages + 1) * page_size >= len(rows):
                planner.done(part, len(rows))
                organization.read += rows
                gone = set(rows)
                unread = [at for at in unread if at not in gone]
                unwritten.append(part)
            elif planner.page(part, pages + 1, len(page), page):
                chains.append((part, rows, pages + 1))
            else:
                assert organization.given_up.count(part) <= 1, "cut as before, it costs as much again"
                organization.given_up.append(part)
                organization.wasted += pages + 1
        if unwritten and (rng.random() < 0.5 or not chains):
            planner.written(unwritten.pop(rng.randrange(len(unwritten))))
        now_at = planner.position
        assert now_at is None or now_at >= position
        position = position if now_at is None else now_at
        assert not unread or position <= unread[0], "the position passed a recording that was not read"


def busy_threads(organization: Organization, threads: int) -> list[int]:
    """Return the number of threads with a request in flight, if all take the same time, from the first to the last."""
    planner = SlicePlanner(Slice(), now=NOW, page_size=100)
    chains: list[tuple[Slice, list[int], int]] = []
    busy: list[int] = []
    while True:
        while len(chains) < threads and (part := planner.take()) is not None:
            chains.append((part, organization.rows(part), 0))
        if not chains:
            return busy
        busy.append(len(chains))
        asked, chains = chains, []
        for part, rows, pages in asked:
            page = rows[pages * 100 : (pages + 1) * 100]
            if (pages + 1) * 100 >= len(rows):
                planner.done(part, len(rows))
                planner.written(part)
            elif planner.page(part, pages + 1, len(page), page):
                chains.append((part, rows, pages + 1))


def spread(count: int, days: float, *, before: float = 0, seed: int = 1) -> list[int]:
    rng = random.Random(seed)
    return [int(NOW - (before + rng.random() * days) * DAY) for _ in range(count)]


moments = st.one_of(
    st.integers(NOW - 3000 * DAY, NOW),
    st.integers(NOW - DAY, NOW),
    st.sampled_from([NOW - 500 * DAY, NOW - 500 * DAY + 1, NOW - 500 * DAY + SECOND]),
)


@settings(max_examples=150, deadline=None)
@given(
    created=st.lists(moments, max_size=300),
    order=st.sampled_from(["newest", "oldest", "by id", "updated", "oldest updated", "by user"]),
    threads=st.integers(1, 5),
    page_size=st.integers(1, 20),
    seed=st.integers(0, 5),
    start=st.none() | moments,
)
def test_everything_is_read_exactly_once_and_it_ends(
    *, created: list[int], order: str, threads: int, page_size: int, seed: int, start: int | None
) -> None:
    """The pass starts at the beginning, or at the position of an interrupted pass."""
    created = [at for at in created if start is None or at >= start]
    organization = Organization(created, order)
    read_all(organization, threads=threads, page_size=page_size, seed=seed, whole=Slice(start))
    assert sorted(organization.read) == sorted(created)
    assert organization.wasted <= FREE_WASTE + organization.requests / WASTE


def test_many_recordings_of_one_second_do_not_loop() -> None:
    """A second cannot be divided, so its chain must be followed to the end."""
    for order in ("newest", "oldest", "by id", "updated"):
        organization = Organization([NOW - 300 * DAY + offset for offset in range(900)] + spread(100, 600), order)
        read_all(organization, threads=4, page_size=10)
        assert len(organization.read) == 1000
        assert organization.requests < 180


@pytest.mark.parametrize("seed", [*range(5), 240])
def test_what_is_given_up_is_not_taken_whole_again(seed: int) -> None:
    """The planner gave up a chain by one measure and took it again by another (240 times), until the limit of waste."""
    rng = random.Random(seed)
    ages = itertools.accumulate(int(rng.expovariate(1) * DAY) for _ in range(800))
    organization = Organization([NOW - age for age in ages], "oldest updated")
    read_all(organization, threads=1, page_size=10, seed=seed)
    assert len(set(organization.given_up)) == len(organization.given_up)


ORDERS = pytest.mark.parametrize("order", ["newest", "oldest", "by id", "updated"])
THREADS = pytest.mark.parametrize("threads", [4])


@ORDERS
@THREADS
def test_cutting_costs_few_more_requests_than_pages(order: str, threads: int) -> None:
    organization = Organization(spread(10_000, 400), order)
    read_all(organization, threads=threads, page_size=100)
    assert organization.requests <= 140


@ORDERS
@THREADS
def test_nights_and_weekends_cost_little(order: str, threads: int) -> None:
    """With calls only during office hours, one request in four was superfluous, and chains were long."""
    rng = random.Random(5)
    workdays = [day for day in range(200) if day % 7 < 5]
    created = [int(NOW - (rng.choice(workdays) + rng.random() / 3) * DAY) for _ in range(30_000)]
    organization = Organization(created, order)
    read_all(organization, threads=threads, page_size=100)
    assert organization.requests <= 450  # 300 pages
    assert organization.longest_chain <= 100


@ORDERS
@THREADS
def test_a_resumed_pass_costs_no_more(order: str, threads: int) -> None:
    organization = Organization(spread(10_000, 400), order)
    read_all(organization, threads=threads, page_size=100, whole=Slice(NOW - 401 * DAY))
    assert organization.requests <= 140


@ORDERS
@pytest.mark.parametrize("threads", [1, 2])
def test_the_position_moves_with_few_threads_too(order: str, threads: int) -> None:
    """A full sync that is killed after hours would restart, because a position does not move during a chain."""
    organization = Organization(spread(5_000, 400), order)
    read_all(organization, threads=threads, page_size=10)
    assert organization.longest_chain <= 200  # of 500 pages


@ORDERS
@THREADS
def test_empty_years_cost_next_to_nothing(order: str, threads: int) -> None:
    organization = Organization(spread(5_000, 400) + spread(5_000, 400, before=5 * 365), order)
    read_all(organization, threads=threads, page_size=100)
    assert organization.requests <= 135


@ORDERS
@THREADS
def test_a_dense_day_is_divided(order: str, threads: int) -> None:
    organization = Organization(spread(5_000, 1460) + spread(5_000, 1, before=700, seed=3), order)
    read_all(organization, threads=threads, page_size=100)
    assert organization.requests <= 170


@ORDERS
@THREADS
def test_all_threads_read_a_dense_day_to_its_end(order: str, threads: int) -> None:
    """One or two threads read everything, for three times as long, while the others were idle."""
    organization = Organization(spread(5_000, 1460) + spread(5_000, 1, before=700, seed=3), order)
    busy = busy_threads(organization, threads)
    assert sum(busy) <= 170
    assert len(busy) <= 55  # of 25, at one request per page


@ORDERS
@pytest.mark.parametrize(("count", "most"), [(60, 1), (200, 2), (400, 25), (1000, 25)])
def test_a_small_organization_costs_few_requests(order: str, count: int, most: int) -> None:
    organization = Organization(spread(count, 400), order)
    read_all(organization, threads=8, page_size=100)
    assert organization.requests <= most


@ORDERS
def test_poison_costs_few_requests(order: str) -> None:
    """One recording in ten thousand is too large: halving down to it must not read everything twice."""
    organization = Organization(spread(10_000, 400), order)
    poison = NOW - 200 * DAY
    planner, requests, read = SlicePlanner(Slice(), now=NOW, page_size=100), 0, 0
    while (part := planner.take()) is not None:
        rows = [] if part.contains(poison) else organization.rows(part)
        for pages in itertools.count(1):
            requests += 1
            if part.contains(poison):
                planner.heavy(part, requests, others_succeed=True)
                break
            if pages * 100 >= len(rows):
                planner.done(part, len(rows))
                planner.written(part)
                read += len(rows)
                break
            if not planner.page(part, pages, 100, rows[(pages - 1) * 100 : pages * 100]):
                break
    assert [bounded.contains(poison) for bounded in planner.poison] == [True]
    assert planner.position == poison - poison % SECOND
    assert read >= 9_999
    assert requests <= 220  # 100 pages, and some 25 halves of the slice with the poison in it


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


class TestPaginator:
    """The end of a chain is a page without a cursor, and nothing else."""

    def test_it_goes_on_while_there_is_a_cursor(self) -> None:
        assert CursorPaginator().cursor is None
        paginator = CursorPaginator()
        assert paginator.advance(5, "a")
        assert paginator.cursor == "a"
        assert paginator.advance(0, "b")
        assert not paginator.advance(5, None)
        assert paginator.pages == 3

    @pytest.mark.parametrize("cursors", [["a", "a"], ["a", "b", "a"], ["a", "b", "c", "b"]])
    def test_a_cursor_that_comes_back_is_an_error(self, cursors: list[str]) -> None:
        paginator = CursorPaginator()
        for cursor in cursors[:-1]:
            paginator.advance(5, cursor)
        with pytest.raises(TapSiroError, match="same cursor twice"):
            paginator.advance(5, cursors[-1])

    def test_a_hundred_empty_pages_in_a_row_are_an_error(self) -> None:
        paginator = CursorPaginator()
        for number in range(MAX_EMPTY_PAGES - 1):
            assert paginator.advance(0, f"cursor {number}")
        assert paginator.advance(1, "a row between them")
        for number in range(MAX_EMPTY_PAGES - 1):
            assert paginator.advance(0, f"another {number}")
        with pytest.raises(TapSiroError, match="empty pages in a row"):
            paginator.advance(0, "the hundredth")
