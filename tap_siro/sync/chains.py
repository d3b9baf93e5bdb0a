"""What the pages of a chain show of the recordings that are still to come. Pure.

In most orders a chain runs through time, forwards or backwards: what its pages passed is counted. In others each page
is a sample of the whole slice, or of a part of it where most of the slice's recordings are. Where the API's order is
that of creation, the order within a page tells already; where it is that of changes, a chain may be either.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MARGIN = 10
"""The part of a page's moments that is ignored at either end: late changes bring single rows out of order."""
LATEST = 3
"""The pages of a chain that say what it is doing now."""
KEPT = 40
"""The pages of a chain that are kept; one of samples that is longer is too long."""
EVIDENCE = 8
"""The rows that tell whether a page leans."""
SHARP = 0.7
"""How much a page must lean for its order to be that of creation, or nearly..."""
LEANING = 0.25
"""...and the latest pages on the average, to be a run if they lie one after the other. A narrow slice in the order of
changes shows at first what was changed soon: pages that lie one after the other, but of many more rows."""
WIDER = 4
"""How many times wider than the latest page those before it may be to show the same."""
NARROW = 8
"""A page in less than one of so many parts of its slice is no sample of it, if nobody knows what to expect."""
LOCAL = 4
"""A sample of less than one of so many parts of its slice is believed at once."""
TINY = 30
"""A slice with a sample of less than one of so many parts is given up before it has as many pages as expected."""
UNSURE = 9
"""Pages that a slice may have while nobody knows what to expect..."""
OVERDUE = 5
"""...and how many times more than expected; half as many while others have nothing to do."""


@dataclass(frozen=True, slots=True)
class Run:
    """Pages that lie one after the other."""

    passed: list[tuple[int, int, float]]
    """Where they have been: start, end and rows of each stretch."""
    ahead: tuple[int, int]
    """Where they have still to go: start and end."""

    @property
    def density(self) -> float:
        """Rows a millisecond where they are now, as far as is known."""
        start, end, rows = self.passed[-1]
        return rows / max(1, end - start)


@dataclass(frozen=True, slots=True)
class Sample:
    """Pages that lie upon each other: some of the rows created in `[start, end)`."""

    start: int
    end: int
    moments: list[int]
    """When, in order."""


@dataclass(frozen=True, slots=True)
class Moments:
    """When the rows of a page were created."""

    ordered: list[int]
    leaning: float
    """Whether the page goes forwards (1) or backwards (-1) through time, or neither (0)."""

    @classmethod
    def of(cls, created: Sequence[int]) -> Moments:
        """Take them in the order of the page."""
        ordered, half = sorted(created), len(created) // 2
        sides = [(moment > ordered[half]) - (moment < ordered[half]) for moment in created]
        return cls(ordered, (sum(sides[-half:]) - sum(sides[:half])) / max(EVIDENCE, 2 * half))

    def __len__(self) -> int:
        return len(self.ordered)

    @property
    def start(self) -> int:
        """Most rows were created after this..."""
        return self.ordered[len(self) // MARGIN]

    @property
    def end(self) -> int:
        """...and before this."""
        return self.ordered[-1 - len(self) // MARGIN]

    @property
    def width(self) -> int:
        """The time that it covers."""
        return self.end - self.start

    @property
    def middle(self) -> int:
        """The median."""
        return self.ordered[len(self) // 2]


def drift(pages: Sequence[Moments]) -> int:
    """How far the last of the pages lies behind the first; 0 if they lie upon each other."""
    first, last = pages[0], pages[-1]
    width = sum(page.width for page in pages) / len(pages)
    # Of beginning, middle and end alike: a middle alone leaps from one side of a gap to the other.
    distance = (last.start + last.middle + last.end - first.start - first.middle - first.end) // 3
    return distance if abs(distance) * 2 > width and last.width * WIDER >= width else 0


@dataclass(slots=True)
class Chain:
    """A slice that is being read, and what its pages have shown."""

    start: int
    end: int
    """Its bounds, in milliseconds since 1970."""
    expected: float | None
    """Rows it should hold; None if nobody knew when it was taken."""
    whole: bool
    """It is the whole of the pass."""
    open: bool
    """It has no beginning."""
    pages: list[Moments] = field(default_factory=list)
    """The last of its full pages."""
    length: int = 0

    def add(self, page: Moments, length: int) -> None:
        """A full page has arrived, with which the chain is so long."""
        if length <= self.length:
            self.pages.clear()  # the slice is being read again
        del self.pages[: 1 - KEPT]  # memory does not depend on how long a chain gets
        self.pages.append(page)
        self.length = length

    def shows(self) -> Run | Sample:
        """What its pages are."""
        direction = self._direction()
        return self._run(falling=direction < 0) if direction else self._sample()

    def _direction(self) -> float:
        """Where it runs: forwards (more than 0), backwards (less) or nowhere (0)."""
        page, latest = self.pages[-1], self.pages[-LATEST:]
        if len(latest) == 1:
            return page.leaning if self._is_sharp else self._from_nearer_end(page)
        if self._is_sharp and (page.middle - latest[-2].middle) * page.leaning > 0:
            return page.leaning
        distance, leaning = drift(latest), sum(one.leaning for one in latest) / len(latest)
        if self.whole or (abs(leaning) >= LEANING and distance * leaning > 0):
            return distance
        # Of pages in no order of their own, it takes many.
        return drift(self.pages[(len(self.pages) - 1) // 2 :]) if len(self.pages) > LATEST else 0

    @property
    def _is_sharp(self) -> bool:
        """Whether it is in the order of creation, as far as the latest page tells."""
        return abs(self.pages[-1].leaning) >= SHARP

    def _from_nearer_end(self, page: Moments) -> float:
        """The direction that a first page suggests of which nobody knew what to expect."""
        if self.expected is not None or self.whole or self.open or page.width * NARROW >= self.end - self.start:
            return 0
        return (self.end - page.end) - (page.start - self.start)

    def _run(self, *, falling: bool) -> Run:
        page, size = self.pages[-1], len(self.pages[-1])
        margin, dropped = size / MARGIN, size * (self.length - len(self.pages))
        sharp = self._is_sharp or len(self.pages) == 1
        # Up to the pages that are kept, from there to the latest, and that one if it is known where it begins.
        rows = size * (len(self.pages) - 1) if sharp else size * (len(self.pages) - 1 / 2) - margin
        begun, gone = (page.start, page.end) if sharp else (page.middle, page.middle)
        if falling:
            near = max(kept.end for kept in self.pages)
            passed, ahead = [(near, self.end, dropped + margin), (gone, near, rows)], (self.start, begun)
        else:
            near = min(kept.start for kept in self.pages)
            passed, ahead = [(self.start, near, dropped + margin), (near, begun, rows)], (gone, self.end)
        if sharp:
            passed.append((begun, gone, size - 2 * margin))
        return Run(passed, ahead)

    def _sample(self) -> Sample:
        latest = self.pages[-LATEST:]
        alike = [page for page in latest if page.width <= WIDER * latest[-1].width]
        moments = sorted(itertools.chain.from_iterable(page.ordered for page in self.pages))
        start, end = min(page.start for page in alike), max(page.end for page in alike) + 1
        local = Sample(start, end, [moment for moment in moments if start <= moment < end])
        is_local = len(alike) < len(latest) or (not self.whole and (self.open or self._part(local) < 1 / 2))
        return local if is_local else Sample(self.start, self.end, moments)

    def _part(self, sample: Sample) -> float:
        """The part of the slice that it is a sample of."""
        return (sample.end - sample.start) / max(1, self.end - self.start)

    def overdue(self, sample: Sample, pages: float | None, *, idle: bool) -> bool:
        """Whether it has shown so much more than was expected that its slice had better be cut by a sample.

        Args:
            sample: What it shows.
            pages: How many its slice should have, as far as is known now.
            idle: Whether half of the threads have nothing to do.
        """
        if self.whole or self.length >= KEPT:
            return True
        part = self._part(sample)
        if self.length < LATEST and (self.open or part * LOCAL > 1):
            return False
        patience = UNSURE if pages is None else OVERDUE * pages * part
        patience = patience / 2 if idle else patience
        if pages is not None and part * TINY > 1:
            patience = max(patience, pages)  # it may end with the next page
        return patience <= self.length
