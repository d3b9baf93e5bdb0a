"""Simulation of passes over recordings: the slice planner alone, without a network or a clock."""

from __future__ import annotations

import bisect
import heapq
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tap_siro.sync.planner import SlicePlanner
from tap_siro.sync.slices import Slice
from tap_siro.timestamps import DAY, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

NOW = 1_790_000_000_000
LATENCY = 150
"""Milliseconds a request."""
HOUR = 3600 * SECOND


class Row(NamedTuple):
    """A recording as the planner sees it."""

    created: int
    updated: int
    id: float


ORDERS: dict[str, Callable[[Row], tuple[float, float]]] = {
    "newest created": lambda row: (-row.created, row.id),
    "oldest created": lambda row: (row.created, row.id),
    "oldest updated": lambda row: (row.updated, row.id),
    "newest updated": lambda row: (-row.updated, row.id),
    "by id": lambda row: (0, row.id),
    "by user": lambda row: (row.id * 1_000 // 1 % 3, row.created),
}


def made(rng: random.Random, created: int, latest: int = NOW) -> Row:
    """Return a recording. Most are changed for the last time within days."""
    return Row(created, min(latest, created + int(rng.expovariate(1 / (2 * DAY)))), rng.random())


def even(count: int, days: float, *, ago: float = 0, seed: int = 1) -> list[Row]:
    """Return recordings spread evenly over a number of days before now, or before a moment in the past."""
    rng = random.Random(seed)
    latest = NOW - int(ago)
    return [made(rng, latest - int(rng.random() * days * DAY), latest) for _ in range(count)]


def office_hours(count: int, days: int, *, seed: int = 2) -> list[Row]:
    """Return recordings made on weekdays, within eight hours."""
    rng = random.Random(seed)
    workdays = [day for day in range(days) if day % 7 < 5]
    return [made(rng, NOW - rng.choice(workdays) * DAY - int(rng.random() * 8 * HOUR)) for _ in range(count)]


class History:
    """Recordings, and the pages that an API serves of them."""

    def __init__(self, rows: Iterable[Row], order: str, *, page_size: int = 100) -> None:
        """Serve recordings in one of the orders."""
        self.page_size = page_size
        self._rows = sorted(rows)
        self._created = [row.created for row in self._rows]
        self._order = ORDERS[order]

    def __len__(self) -> int:
        return len(self._rows)

    def chain(self, part: Slice) -> Chain:
        """Return the recordings of a slice, in order, to be read page by page."""
        start = 0 if part.start is None else bisect.bisect_left(self._created, part.start)
        end = len(self) if part.end is None else bisect.bisect_left(self._created, part.end)
        rows = [row.created for row in sorted(self._rows[start:end], key=self._order)]
        return Chain(part, rows, self.page_size)


@dataclass
class Chain:
    """A thread's work: one slice, and its position in it."""

    part: Slice
    created: list[int]
    page_size: int
    pages: int = 0
    rows: int = 0

    def next_page(self) -> tuple[list[int], bool]:
        """Return the timestamps on the next page, and True if it has a cursor."""
        start = self.pages * self.page_size
        page = self.created[start : start + self.page_size]
        self.pages += 1
        self.rows += len(page)
        return page, start + self.page_size < len(self.created)


@dataclass
class Simulation:
    """A pass, its requests and its time.

    Without a seed, all requests take the same time and each slice is written as soon as it is read. With one, both
    happen in an order that it decides.
    """

    history: History
    threads: int
    whole: Slice = field(default_factory=Slice)
    seed: int | None = None
    trouble: Callable[[Simulation, Chain], bool] = lambda *_: False
    """Called with each page that arrives; returns True if it has told the planner that the chain cannot go on."""
    check: Callable[[Simulation], object] = lambda _: None
    """Called before each step and at the end."""
    requests: int = 0
    slices: int = 0
    longest: int = 0
    time: int = 0
    busy: int = 0
    wasted: int = 0
    """Requests of chains that were given up."""
    read: list[int] = field(default_factory=list)
    given_up: list[Slice] = field(default_factory=list)
    unwritten: list[Slice] = field(default_factory=list)
    written: list[Slice] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Plan the pass."""
        self.planner = SlicePlanner(self.whole, now=NOW, page_size=self.history.page_size)
        self.random = random.Random(self.seed)
        self._in_flight: list[tuple[int, int, Chain]] = []

    @property
    def in_flight(self) -> list[Slice]:
        """Return the slices that are being read."""
        return [chain.part for *_, chain in self._in_flight]

    @property
    def pages(self) -> int:
        """Return the least number of requests."""
        return max(1, -(-len(self.history) // self.history.page_size))

    @property
    def ideal(self) -> float:
        """Return the least time: all threads always busy, and no request too many."""
        return -(-self.pages // self.threads) * LATENCY

    def run(self) -> Simulation:
        """Read everything."""
        while True:
            while len(self._in_flight) < self.threads and (part := self.planner.take()) is not None:
                self._request(self.history.chain(part))
            self.check(self)
            if self._in_flight:
                self._receive()
            elif not self.unwritten:
                return self
            while self.unwritten and (self.seed is None or not self._in_flight or self.random.random() < 0.5):
                self.written.append(self.unwritten.pop(self.random.randrange(len(self.unwritten))))
                self.planner.written(self.written[-1])

    def _request(self, chain: Chain) -> None:
        self.requests += 1
        latency = LATENCY if self.seed is None else self.random.randrange(1, LATENCY)
        heapq.heappush(self._in_flight, (self.time + latency, self.requests, chain))

    def _receive(self) -> None:
        self.busy += len(self._in_flight) * (self._in_flight[0][0] - self.time)
        self.time, _, chain = heapq.heappop(self._in_flight)
        created, more = chain.next_page()
        self.longest = max(self.longest, chain.pages)
        if self.trouble(self, chain):
            return
        if not more:
            self.planner.done(chain.part, chain.rows)
            self.unwritten.append(chain.part)
            self.read += chain.created
            self.slices += 1
        elif self.planner.page(chain.part, chain.pages, len(created), created):
            self._request(chain)
        else:
            self.given_up.append(chain.part)
            self.wasted += chain.pages
