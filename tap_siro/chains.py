"""What the pages of a chain show of the recordings that are still to come. Pure.

In most orders a chain runs through time, forwards or backwards: what its pages passed is counted. In others each page
is a sample of the whole slice, or of a part of it where most of the slice's recordings are.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MARGIN = 10
"""The part of a page's moments that is ignored at either end: late changes bring single rows out of order."""
WIDE = 8
"""A page that covers more than this part of its slice may be a sample of it: a second one will tell."""
LATEST = 3
"""The pages of a chain that say what it is doing now."""
KEPT = 40
"""The pages of a chain that are kept; one that is longer is too long."""
UNSURE = 7
"""Pages that a slice may have while nobody knows what to expect; idle threads do not cut it later than that."""
OVERDUE = 5
"""How many times more rows than expected a slice may show; half as many while others have nothing to do."""


@dataclass(frozen=True, slots=True)
class Run:
    """Pages that lie one after the other: so many rows were created between two moments."""

    since: int
    until: int
    rows: float
    falling: bool
    """It goes backwards."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Pages that lie upon each other: some of the rows created in `[start, end)`."""

    start: int
    end: int
    moments: list[int]
    """When, in order."""


def extent(page: Sequence[int]) -> tuple[int, int]:
    """Where most rows of a page lie. Pages are the moments of creation, in order."""
    margin = len(page) // MARGIN
    return page[margin], page[-1 - margin]


def middle(page: Sequence[int]) -> int:
    """The median of a page."""
    return page[len(page) // 2]


def run_of(pages: Sequence[Sequence[int]]) -> Run | None:
    """The run that two pages or more make, if they lie far enough from each other."""
    extents = [extent(page) for page in pages]
    width = sum(last - first for first, last in extents) / len(extents)
    # Of beginning, middle and end alike: a middle alone leaps from one side of a gap to the other.
    drift = (middle(pages[-1]) - middle(pages[0]) + sum(extents[-1]) - sum(extents[0])) // 3
    if abs(drift) * 2 <= width:
        return None
    since, until = sorted((middle(pages[0]), middle(pages[-1])))
    return Run(since, until, sum(len(page) for page in pages[1:]), drift < 0)


@dataclass(slots=True)
class Chain:
    """A slice that is being read, and what its pages have shown."""

    start: int
    end: int
    """Its bounds, in milliseconds since 1970."""
    expected: float | None
    """Rows it should hold; None if nobody knows."""
    whole: bool
    """It is the whole of the pass."""
    open: bool
    """It has no beginning."""
    pages: list[list[int]] = field(default_factory=list)
    """The moments of creation on each of the last full pages, in order."""
    length: int = 0

    def add(self, page: list[int], length: int) -> None:
        """A full page has arrived, with which the chain is so long."""
        if length <= self.length:
            self.pages.clear()  # the slice is being read again
        del self.pages[:-KEPT]  # memory does not depend on how long a chain gets
        self.pages.append(page)
        self.length = length

    def shows(self) -> Run | Sample | None:
        """What its pages are, if they tell."""
        if len(self.pages) == 1:
            return self._first()
        latest = self.pages[-LATEST:]
        slow = self.pages[(len(self.pages) - 1) // 2 :]
        return run_of(latest) or run_of(slow) or self._sample(latest)

    def _first(self) -> Run | None:
        """The run that a first page suggests, by the end of the slice that it is nearer to."""
        page = self.pages[0]
        first, last = extent(page)
        if self.expected is not None or self.whole or self.open or (last - first) * WIDE >= self.end - self.start:
            return None
        return Run(first, last, len(page) * (1 - 2 / MARGIN), self.end - last < first - self.start)

    def _sample(self, latest: Sequence[Sequence[int]]) -> Sample:
        moments = sorted(itertools.chain(*self.pages))
        start, end = min(extent(page)[0] for page in latest), max(extent(page)[1] for page in latest) + 1
        local = Sample(start, end, [moment for moment in moments if start <= moment < end])
        is_local = not self.whole and (self.open or self._part(local) < 1 / 2)
        return local if is_local else Sample(self.start, self.end, moments)

    def _part(self, sample: Sample) -> float:
        """The part of the slice that it is a sample of."""
        return (sample.end - sample.start) / max(1, self.end - self.start)

    def passed(self, run: Run) -> tuple[int, int, float] | None:
        """What its second page tells of the time between the run and the end that it came from: start, end, rows."""
        if len(self.pages) != 2:  # noqa: PLR2004 - before, nobody knows which end that is; later, it was told
            return None
        first, last = extent(self.pages[0])
        return (*((last, self.end) if run.falling else (self.start, first)), len(self.pages[0]) / MARGIN)

    def ahead(self, run: Run) -> tuple[int, int]:
        """The time that the run has still to go through."""
        return (self.start, run.since) if run.falling else (run.until, self.end)

    def overdue(self, sample: Sample, full_page: int, *, idle: bool) -> bool:
        """Whether it has shown so much more than was expected that its slice had better be cut by a sample.

        Args:
            sample: What it shows.
            full_page: The rows of a full page.
            idle: Whether half of the threads have nothing to do.
        """
        if self.whole or self.length >= KEPT:
            return True
        if self.length < LATEST:
            return False
        patience: float = UNSURE
        if self.expected is not None:
            patience = OVERDUE * self.expected * self._part(sample) / full_page
        if not idle:
            return patience <= self.length
        return patience / 2 <= self.length and (self.length <= UNSURE or self._part(sample) < 1 / 2)
