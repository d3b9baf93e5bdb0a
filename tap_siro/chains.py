"""What the pages of a chain show of the recordings that are still to come. Pure."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MARGIN = 10
"""The part of a page's moments that is ignored at either end: late changes bring single rows out of order."""
WIDE = 8
"""A page that covers more than this part of its slice may be a sample of it: a second one will tell."""
UNEVEN = 4
"""How many times farther than another a page may lie before a further one must tell what is happening."""

LONGEST_CHAIN = 40
"""Pages after which a chain is given up if its pages are samples and do not say when it ends."""
UNSURE = 5
"""Pages that a slice may have while nobody knows what to expect."""
OVERDUE = 4
"""How many times more rows than expected a slice may show; half as many while others have nothing to do."""
LATEST = 3
"""The pages of a chain that say what it is doing now."""


@dataclass(frozen=True, slots=True)
class Course:
    """How pages lie to each other: one after the other through time, or upon each other."""

    start: int
    end: int
    """Most of their rows were created in `[start, end]`."""
    drift: int
    """How far the chain went through time on them, backwards if negative; 0: they are samples of the same time."""
    since: int
    until: int
    rows: float
    """The rows created in `[since, until]`, if it went through time."""

    @property
    def falling(self) -> bool:
        """It goes backwards."""
        return self.drift < 0

    @property
    def density(self) -> float:
        """Rows a millisecond."""
        return self.rows / max(1, self.until - self.since)


def extent(page: Sequence[int]) -> tuple[int, int]:
    """Where most rows of a page lie. Pages are the moments of creation, in order."""
    margin = len(page) // MARGIN
    return page[margin], page[-1 - margin]


def middle(page: Sequence[int]) -> int:
    """The median of a page."""
    return page[len(page) // 2]


def first_course(page: Sequence[int], start: int, end: int) -> Course | None:
    """The course that a slice's first page suggests, by the end that it is nearer to; None if it may be a sample."""
    first, last = extent(page)
    if (last - first) * WIDE >= end - start:
        return None
    falling = end - last < first - start
    drift = first - last if falling else last - first
    return Course(first, last, drift or 1, first, last, len(page) * (1 - 2 / MARGIN))


def course(pages: Sequence[Sequence[int]]) -> Course:
    """The course of two pages or more."""
    extents = [extent(page) for page in pages]
    width = sum(last - first for first, last in extents) / len(extents)
    since, until = sorted((middle(pages[0]), middle(pages[-1])))
    # Of beginning, middle and end alike: a middle alone leaps from one side of a gap to the other.
    drift = (middle(pages[-1]) - middle(pages[0]) + sum(extents[-1]) - sum(extents[0])) // 3
    start, end = min(first for first, _ in extents), max(last for _, last in extents)
    rows = sum(len(page) for page in pages[1:])
    return Course(start, end, drift if abs(drift) * 2 > width else 0, since, until, rows)


def uneven(pages: Sequence[Sequence[int]]) -> bool:
    """Whether the pages lie at very different distances: the density has just changed."""
    gaps = [abs(middle(after) - middle(before)) for before, after in itertools.pairwise(pages)]
    return max(gaps) > UNEVEN * min(gaps)


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
    sampled: bool
    """It was cut by a sample."""
    open: bool
    """It has no beginning."""
    pages: list[list[int]] = field(default_factory=list)
    """The moments of creation on each of the last full pages, in order."""
    length: int = 0

    @property
    def exploring(self) -> bool:
        """Nobody knows what it holds, but its first page will show something."""
        return self.expected is None and not self.sampled and not self.length

    def add(self, page: list[int], length: int) -> None:
        """A full page has arrived, with which the chain is so long."""
        if length <= self.length:
            self.pages.clear()  # the slice is being read again
        del self.pages[:-LONGEST_CHAIN]  # memory does not depend on how long a chain gets
        self.pages.append(page)
        self.length = length

    def run(self) -> Course | None:
        """Its course through time, if it has one."""
        if len(self.pages) == 1:
            if self.whole or (self.open and self.sampled):
                return None
            return first_course(self.pages[0], self.start, self.end)
        run = course(self.pages[-LATEST:])
        if not run.drift:  # A slow one shows only over many pages.
            run = course(self.pages[(len(self.pages) - 1) // 2 :])
        if not run.drift or (self.length < LONGEST_CHAIN and uneven(self.pages[-LATEST:])):
            return None
        return run

    def rows_left(self, run: Course) -> float:
        """How many rows are to come if it goes on like that."""
        if not run.falling:
            return run.density * (self.end - run.end)
        return math.inf if self.open else run.density * (run.start - self.start)

    def seen(self, run: Course) -> list[tuple[int, int, float]]:
        """The times that a run has passed, as start, end and rows."""
        seen = [(run.since, run.until, run.rows)]
        if len(self.pages) <= 2:  # noqa: PLR2004 - later, what lies beside was noted
            start, end = extent(self.pages[0])
            beside = (end, self.end) if run.falling else (self.start, start)
            seen.append((*beside, len(self.pages[0]) / MARGIN))
        return seen

    def sample(self, full_page: int, *, idle: bool) -> Course | None:
        """What its last pages are a sample of, if they show that there is more than expected.

        Args:
            full_page: The rows of a full page.
            idle: Whether half of the threads have nothing to do.
        """
        if len(self.pages) == 1:
            return None
        sample = course(self.pages[-LATEST:])
        return sample if not sample.drift and self._overdue(sample, full_page, idle=idle) else None

    def _overdue(self, sample: Course, full_page: int, *, idle: bool) -> bool:
        """Whether it has shown much more than expected."""
        if self.whole or self.length >= LONGEST_CHAIN:
            return True
        if self.length < LATEST or (self.expected is None and self.sampled and not idle):
            return False  # the first slice of a sample is to tell how much that stands for
        patience = self._patience(sample, full_page)
        if idle:
            return self.length >= patience / 2
        if self._is_local(sample):
            return patience <= LATEST
        # Later, giving up would waste more than it gains.
        return patience <= self.length <= patience + LATEST

    def _patience(self, sample: Course, full_page: int) -> float:
        """The pages that it may have where the sample lies."""
        local = self._is_local(sample)
        if self.expected is None:
            return 0 if local else UNSURE
        part = (sample.end - sample.start) / (self.end - self.start) if local else 1
        return OVERDUE * self.expected * part / full_page

    def _is_local(self, sample: Course) -> bool:
        """Whether a sample is of a small part of the slice."""
        return not self.whole and (sample.end - sample.start) * 2 < self.end - self.start

    def sampled_moments(self, sample: Course) -> tuple[list[int], list[int]]:
        """The moments of a sample, in order, and its bounds if it is of a part of the slice."""
        moments = sorted(itertools.chain(*self.pages))
        if not self._is_local(sample):
            return moments, []
        return [moment for moment in moments if sample.start <= moment <= sample.end], [sample.start, sample.end]
