"""Simulation of the slice planner against an API with threads, without a network or a clock.

`python -m benchmarks slicing`.
"""

from __future__ import annotations

import bisect
import heapq
import random
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.tables import show
from tap_siro.sync.planner import SlicePlanner
from tap_siro.sync.slices import Slice
from tap_siro.timestamps import DAY, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = 1_790_000_000_000
PAGE_SIZE = 100
LATENCY = 150
"""Milliseconds per request."""
THREADS = (4, 8)
YEAR = 365 * DAY
HOUR = 3600 * SECOND


class Row(NamedTuple):
    """A recording as the planner sees it."""

    created: int
    updated: int
    id: float


ORDERS: dict[str, Callable[[Row], tuple[float, float]]] = {
    "newest created": lambda row: (-row.created, row.id),
    "oldest updated": lambda row: (row.updated, row.id),
    "newest updated": lambda row: (-row.updated, row.id),
    "by id": lambda row: (0, row.id),
}


class History:
    """Recordings, and the pages that an API serves of them."""

    def __init__(self, rows: list[Row], order: str) -> None:
        """Serve recordings in one of the orders."""
        self._rows = sorted(rows)
        self._created = [row.created for row in self._rows]
        self._order = ORDERS[order]

    def __len__(self) -> int:
        return len(self._rows)

    def chain(self, part: Slice) -> Chain:
        """Return the recordings of a slice, in order, to be read page by page."""
        start = 0 if part.start is None else bisect.bisect_left(self._created, part.start)
        end = len(self) if part.end is None else bisect.bisect_left(self._created, part.end)
        return Chain(part, [row.created for row in sorted(self._rows[start:end], key=self._order)])


@dataclass
class Chain:
    """A thread's work: one slice, and its position in it."""

    part: Slice
    created: list[int]
    pages: int = 0
    rows: int = 0

    def next_page(self) -> tuple[list[int], bool]:
        """Return the timestamps on the next page, and True if it has a cursor."""
        start = self.pages * PAGE_SIZE
        page = self.created[start : start + PAGE_SIZE]
        self.pages += 1
        self.rows += len(page)
        return page, start + PAGE_SIZE < len(self.created)


@dataclass
class Outcome:
    """Requests and time of a pass."""

    rows: int
    threads: int
    requests: int = 0
    slices: int = 0
    longest: int = 0
    time: int = 0
    busy: int = 0

    @property
    def pages(self) -> int:
        """Return the least number of requests."""
        return max(1, -(-self.rows // PAGE_SIZE))

    @property
    def ideal(self) -> float:
        """Return the least time: all threads always busy, and no superfluous request."""
        return -(-self.pages // self.threads) * LATENCY


def simulate(history: History, threads: int) -> Outcome:
    """Simulate a full sync with a number of threads. All requests take the same time.

    Raises:
        AssertionError: Some recordings were not read, or twice.
    """
    planner = SlicePlanner(Slice(), now=NOW, page_size=PAGE_SIZE)
    outcome = Outcome(len(history), threads)
    in_flight: list[tuple[int, int, Chain]] = []
    read = 0
    while True:
        while len(in_flight) < threads and (part := planner.take()) is not None:
            outcome.requests += 1
            heapq.heappush(in_flight, (outcome.time + LATENCY, outcome.requests, history.chain(part)))
        if not in_flight:
            break
        outcome.busy += len(in_flight) * (in_flight[0][0] - outcome.time)
        outcome.time, _, chain = heapq.heappop(in_flight)
        created, more = chain.next_page()
        if not more:
            planner.done(chain.part, chain.rows)
            planner.written(chain.part)
            read += chain.rows
            outcome.slices += 1
            outcome.longest = max(outcome.longest, chain.pages)
        elif planner.page(chain.part, chain.pages, len(created), created):
            outcome.requests += 1
            heapq.heappush(in_flight, (outcome.time + LATENCY, outcome.requests, chain))
    assert planner.complete
    assert read == outcome.rows
    return outcome


def even(count: int, days: int, *, ago: int = 0, seed: int = 1) -> list[Row]:
    """Return recordings spread evenly over a number of days before now, or before a time in the past."""
    rng = random.Random(seed)
    return [_row(rng, NOW - ago - int(rng.random() * days * DAY), NOW - ago) for _ in range(count)]


def office_hours(count: int, days: int, *, seed: int = 2) -> list[Row]:
    """Return recordings made on weekdays, within eight hours."""
    rng = random.Random(seed)
    workdays = [day for day in range(days) if day % 7 < 5]
    return [_row(rng, NOW - rng.choice(workdays) * DAY - int(rng.random() * 8 * HOUR), NOW) for _ in range(count)]


def _row(rng: random.Random, created: int, latest: int) -> Row:
    # Most are last changed within days.
    return Row(created, min(latest, created + int(rng.expovariate(1 / (2 * DAY)))), rng.random())


def cases(seed: int = 0) -> Iterator[tuple[str, list[Row]]]:
    """Return histories of all shapes, by name. Another seed makes other recordings."""

    def spread(count: int, days: int, *, ago: int = 0, number: int = 1) -> list[Row]:
        return even(count, days, ago=ago, seed=number + 10 * seed)

    yield "10,000 over 400 days", spread(10_000, 400)
    yield "10,000 over 400 days, in office hours", office_hours(10_000, 400, seed=2 + 10 * seed)
    yield "60,000 over 400 days, in office hours", office_hours(60_000, 400, seed=2 + 10 * seed)
    yield "10,000 over 400 days, then five years of nothing", spread(10_000, 400, ago=5 * YEAR)
    halves = spread(5_000, 200), spread(5_000, 200, ago=200 * DAY + 5 * YEAR, number=3)
    yield "10,000 with five years of nothing in the middle", halves[0] + halves[1]
    dense_day = spread(5_000, 1, ago=(700 + 97 * seed) % 1400 * DAY, number=3)
    yield "5,000 in one day among 5,000 over four years", spread(5_000, 1460) + dense_day
    yield "1,000 over 400 days", spread(1_000, 400)
    yield "200 over 400 days", spread(200, 400)
    yield "60 over 400 days", spread(60, 400)
    yield "nothing", []


def million() -> Iterator[tuple[str, list[Row]]]:
    """Return a million recordings, which takes minutes."""
    yield "1,000,000 over four years", even(1_000_000, 1460)


def run(histories: Iterator[tuple[str, list[Row]]]) -> None:
    """Print a table for each set of recordings."""
    for name, rows in histories:
        outcomes = [
            (order, simulate(History(rows, order), threads)) for threads in THREADS for order in ORDERS
        ]  # fmt: skip
        show(
            f"Slicing alone: {name}",
            ("order", "threads", "requests", "a page", "slices", "longest chain", "seconds", "of the ideal", "busy"),
            [
                (
                    order,
                    str(one.threads),
                    str(one.requests),
                    f"{one.requests / one.pages:.2f}",
                    str(one.slices),
                    str(one.longest),
                    f"{one.time / SECOND:.1f}",
                    f"{one.time / one.ideal:.2f}",
                    f"{one.busy / (one.time * one.threads):.0%}",
                )
                for order, one in outcomes
            ],
        )


def repeat(seeds: int) -> None:
    """Print a table for each number of threads: requests and times over many sets of recordings, in all orders."""
    outcomes: dict[int, dict[str, list[Outcome]]] = {threads: {} for threads in THREADS}
    for seed in range(seeds):
        for name, rows in cases(seed):
            histories = [History(rows, order) for order in ORDERS]
            for threads, named in outcomes.items():
                named.setdefault(name, []).extend(simulate(one, threads) for one in histories)
    for threads, named in outcomes.items():
        show(
            f"Slicing alone, {threads} threads: {seeds} sets of recordings, {len(ORDERS)} orders each",
            ("history", "requests a page", "at most", "time, of the ideal", "at most", "longest chain"),
            [
                (
                    name,
                    *_mean_and_most([one.requests / one.pages for one in several]),
                    *_mean_and_most([one.time / one.ideal for one in several]),
                    str(max(one.longest for one in several)),
                )
                for name, several in named.items()
            ],
        )


def _mean_and_most(figures: list[float]) -> tuple[str, str]:
    return f"{statistics.mean(figures):.2f}", f"{max(figures):.2f}"
