"""The planner: how the recordings of a pass are divided among the threads, by the moment they were created.

Nothing here reads the network or a clock. The planner is told what each page showed and answers which slice to read
next, and whether a chain of pages is worth following. A wrong guess costs requests, never rows: whatever is cut, the
slices that are left always cover everything that is not yet written.

A thread takes the earliest slice that is left, cut to its share: four to ten pages of what `density.py` expects there.
Where nobody knows what to expect, it takes a step into the unknown. What the pages then show (`chains.py`) tells more.
If a chain turns out far too long, it is given up, its slice goes back to what is left, and others take their shares
of it. The pages that were read of it are wasted: so it is given up early, and seldom.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from tap_siro.sync.chains import Chain, Moments, Run, Sample
from tap_siro.sync.density import LEAP, OLDEST, Densities
from tap_siro.timestamps import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_siro.sync.density import Stretch
    from tap_siro.sync.slices import Slice

LEAST_PAGES = 4
"""Pages below which a slice is not worth its own requests, however many threads are idle."""
MOST_PAGES = 10
"""Pages above which a slice keeps a cursor too long and repeats too much after a restart."""
USUAL_PAGES = 8
"""Pages of a slice while nobody knows how much there is besides."""
SHARES = 1.5
"""Slices a thread should still get of what is left: the last ones are small, so that all threads end together."""
PROBE_PARTS = 16
"""One of so many parts of a sample is read first, to learn how much the sample stands for."""
LONG_CHAIN = 16
"""Pages that may be left of a chain."""
FREE_WASTE = 20
"""Pages that may be read in vain..."""
WASTE = 8
"""...besides one for so many pages. Then nothing is given up any more."""


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
        self._densities = Densities()
        self._pending = [whole]
        self._reading: dict[Slice, Chain] = {}
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
        rows = self._rows(*self._pending, *self._reading, *self._unwritten)
        return rows if math.isfinite(rows) else None

    # What to expect

    def _rows(self, *parts: Slice) -> float:
        return sum(one.rows for part in parts for one in self._stretches(part))

    def _stretches(self, part: Slice) -> Iterator[Stretch]:
        return self._densities.between(part.start or 0, self._end(part), page=self._full_page)

    def _end(self, part: Slice) -> int:
        """Where its rows end: nothing is created in the future."""
        end = self._now if part.end is None else min(part.end, self._now)
        return max(end, part.start or 0)

    @property
    def _full_page(self) -> int:
        return self._largest_page or self._page_size

    # Taking

    def take(self) -> Slice | None:
        """The earliest slice left, cut to a sensible size; None if there is none for now."""
        share = self._share()
        for index, part in enumerate(self._pending):
            if self._is_probed(part):
                continue  # the first page of the probe will say how to go on
            taken, *rest = self._divide(part, share)
            self._pending[index : index + 1] = rest
            self._reading[taken] = self._chain(taken)
            return taken
        return None

    def _chain(self, part: Slice) -> Chain:
        start, whole = part.start, part == self.whole
        return Chain(start or 0, self._end(part), self._expected(part), whole=whole, open=start is None)

    def _expected(self, part: Slice) -> float | None:
        """The rows that it should hold; None if nobody knows."""
        stretches = list(self._stretches(part))
        share = USUAL_PAGES * self._full_page
        return sum(_supposed(one, share) for one in stretches) if all(one.sure for one in stretches) else None

    def _is_probed(self, part: Slice) -> bool:
        """Whether it begins in a sample of which another part was asked for, and nothing has come yet."""
        first = next(self._stretches(part), None)
        if first is None or not first.unscaled:
            return False
        probes = [
            chain
            for other, chain in self._reading.items()
            if any(one.scale is first.scale for one in self._stretches(other))
        ]
        return bool(probes) and not any(chain.length for chain in probes)

    def _share(self) -> float:
        """The rows a slice should hold: all threads busy to the end, with few slices."""
        left = self._rows(*self._pending)
        exploring = any(chain.expected is None and not chain.length for chain in self._reading.values())
        if exploring or not math.isfinite(left):
            return USUAL_PAGES * self._full_page
        pages = left / self._full_page / (SHARES * self._threads)
        return min(max(pages, LEAST_PAGES), MOST_PAGES) * self._full_page

    def _divide(self, part: Slice, share: float) -> list[Slice]:
        """The beginning of a part that holds a share, and the rest if there is any."""
        # Whatever lies in its first second, a part is cut after that, not given whole to one thread.
        point = max(self._end_of_share(part, share), (part.start or 0) + SECOND)
        return part.cut(point) if point < self._end(part) else [part]

    def _end_of_share(self, part: Slice, share: float) -> int:
        rows = 0.0
        before: Stretch | None = None
        for one in self._stretches(part):
            if one.end < (part.start or 0) + SECOND:
                continue  # nothing is cut within a second
            if before and rows > self._full_page and _leaps(before, one):
                return one.start
            if not one.sure:
                return one.end if rows <= share / 2 else one.start
            supposed = _supposed(one, share)
            rows += supposed
            if rows > share:
                return one.end - int((one.end - one.start) * min(1.0, (rows - share) / supposed))
            before = one
        return self._end(part)

    # Learning

    def page(self, part: Slice, pages: int, rows: int, created: Sequence[int]) -> bool:
        """A page with a cursor has arrived.

        Args:
            part: The slice.
            pages: How many of it this makes.
            rows: The page's recordings.
            created: The moments at which they were created, as far as known, in the order of the page.

        Returns:
            Whether to go on with the cursor. If not, the slice was given up and is left to take, in parts.
        """
        self._pages += 1
        full = rows >= min(self._largest_page, self._page_size) and (rows >= self._page_size or pages > 1)
        self._largest_page = max(self._largest_page, rows)
        if not full or not created:
            return True  # some APIs send a cursor with the last page
        chain = self._reading[part]
        chain.add(Moments.of(created), pages)
        if not self._is_too_long(part, chain):
            return True
        self._wasted_pages += pages
        del self._reading[part]
        self._leave(part)
        return False

    def ask_for(self, page_size: int) -> None:
        """Take note that requests ask for so many rows from now on: no more than before."""
        self._page_size = page_size
        self._largest_page = min(self._largest_page, page_size)

    def done(self, part: Slice, rows: int) -> None:
        """A chain has ended: so many rows are in the slice."""
        del self._reading[part]
        self._unwritten.add(part)
        self._densities.count(part.start or 0, self._end(part), rows, page=self._full_page)

    def written(self, part: Slice) -> None:
        """All rows of a slice that is done have been written."""
        self._unwritten.discard(part)

    def halve(self, part: Slice) -> None:
        """Leave a slice to be read again in two halves, because a cursor in it has expired."""
        start = self._end(part) - OLDEST if part.start is None else part.start
        del self._reading[part]
        self._leave(*replace(part, halvings=part.halvings + 1).cut((start + self._end(part)) // 2))

    def _leave(self, *parts: Slice) -> None:
        self._pending += parts
        self._pending.sort(key=lambda left: (left.start is not None, left.start))
        joined: list[Slice] = []
        for part in self._pending:
            before = joined[-1] if joined else None
            if before and before.end == part.start and not before.halvings and not part.halvings:
                joined[-1] = replace(before, end=part.end)
            else:
                joined.append(part)
        self._pending = joined

    # Giving up

    def _is_too_long(self, part: Slice, chain: Chain) -> bool:
        """Take note of what a chain shows: had its slice better be read in parts, at the price of its pages?"""
        if self._wasted_pages + chain.length > FREE_WASTE + self._pages / WASTE:
            return False
        if chain.whole and chain.length == 1:
            return False  # two pages are all that many an organization has
        match chain.shows():
            case Run() as run:
                too_long = self._has_far_to_run(part, chain, run)
            case Sample() as sample:
                too_long = self._has_too_many(part, chain, sample)
        return too_long and len(self._divide(part, MOST_PAGES * self._full_page)) > 1

    def _has_far_to_run(self, part: Slice, chain: Chain, run: Run) -> bool:
        read = chain.length * self._full_page
        if chain.expected is not None and read > 2 * chain.expected:
            self._densities.forget(*run.ahead)
        for stretch in run.passed:
            self._densities.note(*stretch)
        left = self._rows(part) - read
        if left > LONG_CHAIN * self._full_page:
            return True
        leaps = chain.expected is None or run.density * (chain.end - chain.start) > LEAP * chain.expected
        return leaps and not all(one.sure for one in self._stretches(part))  # nobody knows how far

    def _has_too_many(self, part: Slice, chain: Chain, sample: Sample) -> bool:
        idle = not self._pending and len(self._reading) * 2 <= self._threads
        rows = self._expected(part)
        pages = None if rows is None else rows / self._full_page
        far = pages is not None and chain.length > 1 and pages > chain.length + LONG_CHAIN
        if not far and not chain.overdue(sample, pages, idle=idle):
            return False
        self._densities.forget(chain.start, chain.end)
        self._densities.sample(sample.start, sample.end, sample.moments)
        return True


def _supposed(one: Stretch, share: float) -> float:
    """The rows of a stretch; of a sample that stands for nobody knows how much, its share."""
    return one.amount * PROBE_PARTS * share / one.scale.sampled if one.scale and one.unscaled else one.rows


def _leaps(before: Stretch, after: Stretch) -> bool:
    """Whether the density changes so much that one slice for both would be cut in the wrong place."""
    low, high = sorted((before.density, after.density))
    return high > LEAP * low and after.end - after.start > SECOND
