"""The planner: how the recordings of a pass are divided among the threads, by the moment they were created.

Nothing here reads the network or a clock. The planner is told what each page showed and answers which slice to read
next, and whether a chain of pages is worth following. A wrong guess costs requests, never rows: whatever is cut, the
slices that are left always cover everything that is not yet written.

What is left is a row of slices, each with a guess at its rows. A thread takes the earliest: small ones are joined and
a large one is cut until it holds its share, three to ten pages. A slice of which nothing is known is taken whole.

Guesses come from the pages of a chain that was cut. Its pages are wasted, so a chain that will end soon is followed.
The order of the rows shows in how the chain's pages lie to each other:

- They run through time, forwards or backwards. A page then shows how dense the rows are where it lies, and the slice
  is expected to go on like that. Backwards, the rows may begin anywhere: farther away nothing is expected, and it is
  cut in ever wider steps, so that an empty stretch costs one request each. Where the slice has no beginning, the first
  step goes several times as far back as anything has been seen.
- They lie upon each other: each is a sample of the whole slice. The slice is cut where the sample says, and as a sample
  does not tell how many rows there are, one thread first reads a small part while the others wait for its first page.

Guesses with one origin share a scale, how many rows there are for each that was expected. Every slice that has been
read to its end corrects it. A chain that has become much longer than expected is cut by what it has shown.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tap_siro.instants import DAY, SECOND
from tap_siro.slices import Scale, Slice

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_PAGES = 3
"""Pages below which a slice is not worth its own requests, however many threads are idle."""
MOST_PAGES = 10
"""Pages above which a slice keeps a cursor too long and repeats too much after a restart."""
USUAL_PAGES = 6
"""Pages of a slice while nobody knows how much there is besides."""
SHARES = 1.5
"""Slices a thread should still get of what is left: the last ones are small, so that all threads end together."""
LONG_CHAIN = 16
"""Pages that one thread may still read alone: a slice that seems to hold more is cut."""
LONGEST_CHAIN = 40
"""Pages after which a chain without a known end is cut although every thread has work."""
SHORT_CHAIN = 8
"""Pages up to which a chain is followed even if that is more than was expected."""
OVERDUE = 2
"""How many times longer than expected a chain may become while threads are idle."""
GROWTH = 4
"""How many times wider the next step into the unknown is; and how many times more than seen there may well be."""
NEAR = 3 * MOST_PAGES
"""Pages for which the density of a page is believed."""
SAMPLE_PARTS = 64
"""Into how many parts a sample divides a slice."""
PROBE_PARTS = 16
"""The part of a sampled slice that is read first, to learn how much the sample stands for."""
WIDE = 8
"""A page that covers more than this part of its slice may be a sample of it: a second one will tell."""
TRIM = 10
"""The part of a page's moments that is ignored at either end: late changes bring single rows out of order."""
FREE_WASTE = 3
"""Pages a thread that may be read in vain, besides one for every GROWTH, before nothing is cut any more."""
EARLIEST = 20 * 365 * DAY
"""How far back a slice without a beginning is halved."""


@dataclass(slots=True)
class _Chain:
    """What is known of a slice that is being read."""

    expected: float | None
    """Rows it should hold, if that was more than a lower bound."""
    pages: list[list[int]] = field(default_factory=list)
    """The moments of creation on each page, in order."""


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
        self._pages = 0
        self._wasted_pages = 0
        self._pending = [whole]
        self._reading: dict[Slice, _Chain] = {}
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
        known = [part.rows for part in (*self._pending, *self._reading, *self._unwritten)]
        return None if None in known else sum(rows or 0 for rows in known)

    def _end(self, part: Slice) -> int:
        """Where its rows end: nothing is created in the future."""
        end = self._now if part.end is None else min(part.end, self._now)
        return max(end, part.start or 0)

    @property
    def _full_page(self) -> int:
        return self._largest_page or self._page_size

    @property
    def _waste_allowed(self) -> float:
        return FREE_WASTE * self._threads + self._pages / GROWTH

    # Taking

    def take(self) -> Slice | None:
        """The earliest slice left, joined or cut to a sensible size; None if there is none for now."""
        if not self._pending:
            return None
        part = self._pending[0]
        if part.guess is not None:
            if part.scale.factor is None and any(other.scale is part.scale for other in self._reading):
                return None  # its first page will say how much the sample stands for
            part = self._take_share(self._share(part.scale))
        else:
            del self._pending[0]
        self._reading[part] = _Chain(part.rows if part.scale.counted else None)
        return part

    def _share(self, scale: Scale) -> float:
        """How much a slice should hold, before scaling: all threads busy to the end, with few slices."""
        if scale.factor is None:
            return sum(part.guess or 0 for part in self._pending if part.scale is scale) / PROBE_PARTS
        known = [part.rows for part in (*self._pending, *self._reading)]
        if not scale.counted:
            pages: float = LEAST_PAGES
        elif None in known:
            pages = USUAL_PAGES
        else:
            left = sum(part.rows or 0 for part in self._pending) / self._full_page
            pages = min(max(left / (SHARES * self._threads), LEAST_PAGES), MOST_PAGES)
        return pages * self._full_page / scale.factor

    def _take_share(self, share: float) -> Slice:
        """Take the earliest slices, joined, until they hold a share; what is too much of the last stays."""
        part = self._pending.pop(0)
        guess, start, scale = part.guess or 0.0, part.start, part.scale
        while guess < share and self._pending:
            after = self._pending[0]
            if after.scale is not scale or after.start != part.end:
                break
            part = self._pending.pop(0)
            guess += part.guess or 0.0
        excess = guess - share
        if excess > share / WIDE and part.start is not None and part.guess:
            width = self._end(part) - part.start
            kept, *rest = part.cut([self._end(part) - int(width * min(1.0, excess / part.guess))])
            if rest:
                left = part.guess * (self._end(part) - self._end(kept)) / width
                self._pending.insert(0, rest[0].expecting(left, scale))
                part, guess = kept, guess - left
        return replace(part, start=start).expecting(guess, scale)

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
        seen = self._reading[part].pages
        del seen[LONGEST_CHAIN:]  # memory does not depend on how long a chain gets
        seen.append(sorted(created))
        if part.guess is not None:
            part.scale.at_least(part.guess, GROWTH * chain * rows)
        # Two parts at least, each smaller than the whole: this ends. The pages read so far are wasted, within limits.
        parts = self._cut(part, chain) if self._wasted_pages <= self._waste_allowed else []
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
        if part.guess is not None:
            part.scale.count(part.guess, rows)
        if part.start is None or not rows:
            return
        density = rows / max(SECOND, self._end(part) - part.start)
        for index, left in enumerate(self._pending):
            if left.start == part.end and left.start is not None and left.guess is None and not left.halvings:
                self._pending[index] = left.expecting(density * (self._end(left) - left.start), Scale(1))

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

    # Cutting: the parts to read instead, or nothing if the chain is to be followed

    def _cut(self, part: Slice, chain: int) -> list[Slice]:
        pages = self._reading[part].pages
        first, last = _extent(pages[-1])
        if chain == 1 and self._may_be_sample(part, last - first):
            return []
        falling = part.start is None or self._end(part) - last < first - part.start
        if len(pages) > 1:
            first_before, last_before = _extent(pages[0])
            overlap = min(last, last_before) - max(first, first_before)
            sampled = overlap * 2 > last - first
            # Of a run the pages say when it ends; they are doubted only while threads are idle.
            doubted = self._reading[part].expected is not None and not self._pending
            if chain >= self._limit(part) and (sampled or doubted):
                return self._cut_by_sample(part, pages)
            if sampled:
                return []
            falling = first < first_before
        density = len(pages[-1]) * (1 - 2 / TRIM) / (last - first + 1)
        if falling:
            return self._cut_falling(part, chain, first, density)
        return self._cut_rising(part, chain, last, density)

    def _may_be_sample(self, part: Slice, span: int) -> bool:
        if part == self.whole or part.start is None:
            return part == self.whole or part.guess is not None
        return span * WIDE >= self._end(part) - part.start

    def _limit(self, part: Slice) -> float:
        """How long the chain of a slice may get without its pages saying when it ends."""
        if part == self.whole:
            return 2
        expected = self._reading[part].expected
        if self._pending or expected is None:
            return LONGEST_CHAIN
        return max(SHORT_CHAIN, OVERDUE * expected / self._full_page)

    def _worth_following(self, chain: int, pages_left: float) -> bool:
        return pages_left <= LONG_CHAIN or chain > max(2, pages_left / GROWTH)

    def _cut_falling(self, part: Slice, chain: int, first: int, density: float) -> list[Slice]:
        expected, full = self._reading[part].expected, self._full_page
        if part.start is None:
            if expected is not None and chain * full < OVERDUE * expected:
                return []
            back = max(int(MOST_PAGES * full / density), GROWTH * (self._end(self.whole) - first))
            return part.cut([first - back])
        distance = first - part.start
        if self._worth_following(chain, density * distance / full):
            return []
        near = max(SECOND, int(NEAR * full / density))
        points = [first]
        while points[-1] > part.start:
            points.append(first - near * GROWTH ** (len(points) - 1))
        *parts, above = part.cut(points)
        if not parts:
            return []
        scale = Scale(1)
        parts[-1] = parts[-1].expecting(density * min(near, distance), scale)
        return [*parts, above.expecting(chain * full, scale)]

    def _cut_rising(self, part: Slice, chain: int, last: int, density: float) -> list[Slice]:
        distance = self._end(part) - last
        if self._worth_following(chain, density * distance / self._full_page):
            return []
        scale = Scale(1)
        below, *above = part.cut([last])
        return [
            below.expecting(chain * self._full_page, scale),
            *(piece.expecting(density * distance, scale) for piece in above),
        ]

    def _cut_by_sample(self, part: Slice, pages: list[list[int]]) -> list[Slice]:
        sample = sorted(itertools.chain(*pages))
        every = max(1, len(sample) // SAMPLE_PARTS)
        parts = part.cut(sample[every::every])
        scale, rows = part.scale, part.guess
        if rows is None or scale.counted:
            scale, rows = Scale(), float(len(sample))
            if part != self.whole:
                scale.at_least(1, OVERDUE)
        return [piece.expecting(rows / len(parts), scale) for piece in parts]


def _extent(page: list[int]) -> tuple[int, int]:
    """Where most of a page's rows lie."""
    margin = len(page) // TRIM
    return page[margin], page[-1 - margin]
