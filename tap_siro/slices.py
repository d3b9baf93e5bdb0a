"""Slices: how the recordings of a pass are divided among the threads, by the moment they were created.

Nothing here reads the network or a clock. The planner is told what each page showed and answers which slice to read
next, and whether a chain of pages is worth following. A wrong guess costs requests, never rows: whatever is cut, the
slices that are left always cover everything that is not yet written.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tap_siro.instants import DAY, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TARGET_PAGES = 10
"""Pages that a slice should hold."""
LEAST_PAGES = 3
"""Pages below which a slice is not worth its own requests, however many threads are idle."""
TOO_DENSE = 2.5
"""A slice that seems to hold this many times its share is cut again; if its density was known, twice as many."""
LONGEST_CHAIN = 25
"""Pages after which a chain is cut if nothing is known of its length; doubled with each such cut."""
SAMPLE_PARTS = 16
"""Into how many parts a stretch is cut of which only a sample was seen."""
GROWTH = 4
"""How many times wider than an empty slice the next one may be."""
FREE_WASTE = 20
"""Pages that may be read in vain, besides one for every GROWTH, before nothing is cut any more."""
EARLIEST = 20 * 365 * DAY
"""How far before a first page the beginning of everything is looked for, in steps."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The recordings created in `[start, end)`; None is open. Instants in milliseconds."""

    start: int | None = None
    end: int | None = None
    density: float | None = None
    """Rows a millisecond to expect; None: no idea."""
    counted: bool = False
    """The density was counted in the slice before, not guessed from a page."""
    thin: bool = False
    """The slices before held next to nothing: what is taken of this one may grow each time."""
    cuts: int = 0
    """How often it was cut for want of knowing better."""
    halvings: int = 0
    """How often it was halved because a cursor in it had expired."""

    def cut(self, points: Iterable[int]) -> list[Slice]:
        """The parts between the whole seconds at or before the points, as far as those lie inside."""
        inside = {point - point % SECOND for point in points}
        inside = {p for p in inside if (self.start is None or p > self.start) and (self.end is None or p < self.end)}
        edges = [self.start, *sorted(inside), self.end]
        return [replace(self, start=start, end=end) for start, end in itertools.pairwise(edges)]

    def expecting(self, density: float | None, *, counted: bool = False, thin: bool = False) -> Slice:
        """The same slice with another expectation."""
        return replace(self, density=density, counted=counted, thin=thin)


class SlicePlanner:
    """Decides which slice is read next, from what has been seen so far.

    `take` hands out the earliest slice left. `page` is told of a page that is not its chain's last and says whether to
    go on; `done` is told of a chain that ended, `written` that all its rows have been written.
    """

    def __init__(self, whole: Slice, *, now: int, page_size: int, threads: int) -> None:
        """Plan a pass over a whole.

        Args:
            whole: What the pass is to read.
            now: About the latest moment at which anything can have been created.
            page_size: The rows asked for with each request.
            threads: How many slices are read at once.
        """
        self.whole = whole
        self._now = now
        self._page_size = page_size
        self._threads = threads
        self._largest_page = 0
        self._density: float | None = None  # seen last, to guess at what is left
        self._pages = 0
        self._wasted_pages = 0
        self._pending = [whole]
        self._reading: dict[Slice, tuple[int, int] | None] = {}  # with the first and last moment of the page before
        self._unwritten: set[Slice] = set()

    # What is left

    @property
    def finished(self) -> bool:
        """Everything has been read (not: written)."""
        return not self._pending and not self._reading

    @property
    def complete(self) -> bool:
        """Everything has been read and written."""
        return self.finished and not self._unwritten

    @property
    def position(self) -> int | None:
        """The moment before which everything created has been written; None: not even the beginning."""
        left = [*self._pending[:1], *self._reading, *self._unwritten]
        if not left:
            return self._end(self.whole)
        starts = [part.start for part in left if part.start is not None]
        return min(starts) if len(starts) == len(left) else None

    def rows_left(self) -> float | None:
        """A guess at how many rows are still to be written."""
        position = self.position
        if self._density is None or position is None:
            return None
        return max(0.0, self._density * (self._end(self.whole) - position))

    def _end(self, part: Slice) -> int:
        return max(self._now, part.start or 0) if part.end is None else part.end

    @property
    def _full_page(self) -> int:
        return self._largest_page or self._page_size

    # Taking

    def take(self) -> Slice | None:
        """The earliest slice left, cut to a sensible size; None if there is none for now."""
        if not self._pending:
            return None
        part = self._pending.pop(0)
        if part.density is not None and part.start is not None:
            width = self._width(part.density, part.start)
            if self._end(part) - part.start > width * 3 // 2:
                part, *rest = part.cut([part.start + width + SECOND - 1])
                if part.thin:
                    rest = [left.expecting(part.density / GROWTH, thin=True) for left in rest if part.density]
                self._pending[:0] = rest
        self._reading[part] = None
        return part

    def _width(self, density: float, start: int) -> int:
        """How wide a slice should be, in milliseconds: all threads busy to the end, but no narrower than needed."""
        share = density * (self._end(self.whole) - start) / self._full_page / (2 * self._threads)
        pages = min(max(share, LEAST_PAGES), TARGET_PAGES)
        return max(SECOND, int(pages * self._full_page / density))

    # Learning

    def page(self, part: Slice, chain: int, rows: int, created: Sequence[int]) -> bool:
        """A page with a cursor has arrived.

        Args:
            part: The slice.
            chain: How many pages of it this makes.
            rows: The page's recordings.
            created: The moments at which they were created, as far as known.

        Returns:
            Whether to go on with the cursor. If not, the slice was cut and its parts are left to take.
        """
        self._pages += 1
        full = rows >= self._largest_page and (rows >= self._page_size or chain > 1)
        self._largest_page = max(self._largest_page, rows)
        if not full or not created:
            return True  # some APIs send a cursor with the last page
        page = _PageSeen(part, chain, sorted(created), self._end(part), self._reading[part])
        self._reading[part] = (page.first, page.last)
        # Two parts at least, each smaller than the whole: this ends. The pages read so far are wasted, within limits.
        parts = self._cut(page) if self._wasted_pages <= FREE_WASTE + self._pages / GROWTH else []
        if len(parts) <= 1:
            return True
        self._wasted_pages += chain
        del self._reading[part]
        self._leave(parts)
        return False

    def done(self, part: Slice, rows: int) -> None:
        """A chain has ended: so many rows are in the slice."""
        del self._reading[part]
        self._unwritten.add(part)
        if part.start is None:
            return
        width = max(SECOND, self._end(part) - part.start)
        self._density = rows / width
        for index, left in enumerate(self._pending):
            if left.start is not None and left.start >= part.start:
                if left.density is not None or rows:
                    self._pending[index] = self._after(left, rows, width)
                break

    def _after(self, left: Slice, rows: int, width: int) -> Slice:
        """What to expect of a slice when the one before it held so many rows."""
        thin = LEAST_PAGES * self._full_page / (GROWTH * width)
        if rows / width >= thin:
            return left.expecting(rows / width, counted=True)
        return left.expecting(min(thin, left.density or thin) if left.thin else thin, thin=True)

    def written(self, part: Slice) -> None:
        """All rows of a slice that is done have been written."""
        self._unwritten.discard(part)

    def halve(self, part: Slice) -> None:
        """Leave a slice to be read again in two halves, because a cursor in it has expired."""
        start = self._end(part) - EARLIEST if part.start is None else part.start
        del self._reading[part]
        self._leave(replace(part, halvings=part.halvings + 1).cut([(start + self._end(part)) // 2]))

    def _leave(self, parts: list[Slice]) -> None:
        self._pending += parts
        self._pending.sort(key=lambda left: (left.start is not None, left.start))

    def _cut(self, page: _PageSeen) -> list[Slice]:
        """The parts to read instead, or nothing if the chain is to be followed."""
        part = page.part
        if page.chain == 1 and (part == self.whole or page.spread):
            return []  # a second page tells more
        if page.scattered:
            return self._cut_scattered(page)
        if part.start is None:
            return self._cut_open(page)
        distance = page.first - part.start if page.falling else page.end - page.last
        pages_left = page.density * distance / self._full_page
        limit = TARGET_PAGES * TOO_DENSE * (2 if part.counted else 1)
        if pages_left < limit or page.chain > max(2, pages_left / GROWTH):
            return []
        below, *rest = part.cut([page.first])
        if not page.falling:
            return [below, *(piece.expecting(page.density) for piece in rest)]
        # The rows end here but may begin anywhere: look for that in ever wider steps.
        steps = _steps(self._step(page.density), distance)
        unknown = below.expecting(None).cut([page.first - step for step in steps])
        return [*unknown, *(piece.expecting(page.density) for piece in rest)]

    def _step(self, density: float) -> int:
        return max(SECOND, int(TARGET_PAGES * self._full_page / density))

    def _cut_open(self, page: _PageSeen) -> list[Slice]:
        """Cut a slice whose beginning is not known."""
        below, *rest = page.part.cut([page.first])
        unknown = [below.expecting(None)]
        if page.part != self.whole and page.falling:  # else first see whether there is anything below
            unknown = unknown[0].cut([page.first - step for step in _steps(self._step(page.density), EARLIEST)])
        return [*unknown, *(piece.expecting(page.density) for piece in rest)]

    def _cut_scattered(self, page: _PageSeen) -> list[Slice]:
        """Cut a slice whose pages come from all over it, so that none says how many there are."""
        part = page.part
        density = SAMPLE_PARTS * LEAST_PAGES * self._full_page / page.span
        if part.start is None:
            below, *rest = part.cut([page.first])
            return [below.expecting(None), *(piece.expecting(density) for piece in rest)]
        if page.chain < (LONGEST_CHAIN * 2**part.cuts if part.counted or part.cuts else 2):
            return []
        parts = part.cut([page.first, page.first + page.span // SAMPLE_PARTS])
        return [replace(piece, cuts=part.cuts + 1).expecting(density) for piece in parts]


class _PageSeen:
    """What a page says about its slice."""

    def __init__(
        self, part: Slice, chain: int, created: Sequence[int], end: int, before: tuple[int, int] | None
    ) -> None:
        self.part = part
        self.chain = chain
        self.end = end
        self.first = created[0]
        self.last = created[-1]
        self.span = self.last - self.first + 1
        self.density = len(created) / self.span
        self.before = before

    @property
    def spread(self) -> bool:
        """The page's rows come from a large part of the slice."""
        return self.part.start is None or self.span * GROWTH >= self.end - self.part.start

    @property
    def scattered(self) -> bool:
        """The page's rows lie among those of the page before: the order has nothing to do with their creation."""
        if self.before is None:
            return False
        overlap = min(self.last, self.before[1]) - max(self.first, self.before[0])
        return overlap * 2 > self.span

    @property
    def falling(self) -> bool:
        """The order seems to be newest first."""
        if self.before is not None:
            return self.first < self.before[0]
        return self.part.start is None or self.end - self.last < self.first - self.part.start


def _steps(step: int, reach: int) -> list[int]:
    steps = []
    while step < reach:
        steps.append(step)
        step *= GROWTH
    return steps
