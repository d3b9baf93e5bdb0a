"""The planner: how the recordings of a pass are divided among the threads, by the moment they were created.

1. The first slice is everything. The other slices are what is left of it, and a thread takes the earliest of them.
2. If anything before it has been read, the slice is cut where it should hold 8 pages, by the density of those that
   begin in the week before it. It is at most 3 times as wide as these: where little was found, the steps grow.
3. A chain is looked at when it has 2, 4, 8, ... pages. The time ahead of it is taken to be as dense as that which its
   pages cover; and as many pages as were read are taken to be left in any case, since 8 should have been all.
4. If that makes 16, the chain is given up: one thread would read for long what several could. Its slice is left to take
   in parts: where its pages were, a part for each two of them, and beyond, parts that are each 3 times as wide as the
   last.
5. Pages of a chain that is given up are read again. There may be 20 of them, and one for every 8 pages in all. While
   there are more, chains are followed to their end.

No order is relied on, and a wrong guess costs requests, never rows: the slices that are left, that are read and that
are written cover everything, without a gap. Nothing here reads the network or a clock, and the caller holds a lock.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field, replace
from statistics import median
from typing import TYPE_CHECKING

from tap_siro.timestamps import DAY, SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_siro.sync.slices import Slice

SLICE_PAGES = 8
"""Pages that a slice should have: more repeat much after a restart, fewer cost a request for each remainder."""
GROWTH = 3
"""How many times wider than what is known the next slice may be, and each part than the last beyond a chain's pages."""
WEEK = 7 * DAY
"""The time before a slice that says what to expect of it: nights and weekends even out, an import weeks ago is over."""
FIRST_PARTS = 20
"""Parts of the time that the first slice's pages cover, if they lie upon each other: nobody knows how many are left."""
FREE_WASTE = 20
"""Pages that may be read in vain..."""
WASTE = 8
"""...besides one for so many pages."""
KEPT = 20
"""Moments that are kept of a page."""
APART = 4
"""Pages lie one after the other if the medians of a chain's earlier and later pages differ by more than one of so many
parts of the time that they cover."""


@dataclass(slots=True)
class _Chain:
    """What the pages of a slice that is being read have shown."""

    moments: list[int] = field(default_factory=list)
    """When some of its recordings were created, in milliseconds since 1970, page by page."""
    looked_at: int = 1
    """With how many pages it was looked at."""

    def covers(self) -> tuple[int, int]:
        """The time that its pages cover, without the first and last twentieth: single ones may lie far off."""
        ordered = sorted(self.moments)
        margin = len(ordered) // 20
        return ordered[margin], ordered[-1 - margin]

    def drift(self) -> int:
        """Whether its pages go forwards (1) or backwards (-1) through time, or lie upon each other (0)."""
        half, (start, end) = len(self.moments) // 2, self.covers()
        distance = median(self.moments[half:]) - median(self.moments[:half])
        return (distance > 0) - (distance < 0) if abs(distance) * APART > end - start else 0


class SlicePlanner:
    """Decides which slice is read next, from what has been seen so far.

    `take` hands out the earliest slice left. `page` is told of a page with a cursor and says whether to go on; `done`
    is told of a chain that ended, `written` that all its rows have been written.
    """

    def __init__(self, whole: Slice, *, now: int, page_size: int) -> None:
        """Plan a pass over a whole.

        Args:
            whole: What the pass is to read.
            now: About the latest moment at which anything can have been created, in milliseconds since 1970.
            page_size: The rows asked for with each request.
        """
        self.whole = whole
        self._now = now
        self._page_size = page_size
        self._largest_page = 0
        self._pages = 0
        self._wasted_pages = 0
        self._counted: list[tuple[int, int, int]] = []
        """Start, width and rows of each slice that was read, in order."""
        self._pending = [whole]
        self._reading: dict[Slice, _Chain] = {}
        self._unwritten: set[Slice] = set()

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
        """A guess at how many rows are still to be written; None if nothing was found before any of it."""
        rows = 0.0
        for part in (*self._pending, *self._reading, *self._unwritten):
            start = part.start or 0
            found, width = self._week_before(start)
            if not found:
                return None
            rows += found / width * (self._end(part) - start)
        return rows

    def take(self) -> Slice | None:
        """The earliest slice left, cut to a sensible size; None if there is none for now."""
        if not self._pending:
            return None
        part = self._pending.pop(0)
        start = part.start or 0
        rows, width = self._week_before(start)
        if width:
            share = SLICE_PAGES * self._full_page
            end = start + max(SECOND, int(width * share / max(rows, share / GROWTH)))
            part, *rest = part.cut(end) if end < self._end(part) else [part]
            self._pending[:0] = rest
        self._reading[part] = _Chain()
        return part

    def page(self, part: Slice, pages: int, rows: int, created: Sequence[int]) -> bool:
        """A page with a cursor has arrived.

        Args:
            part: The slice.
            pages: How many of it this makes.
            rows: The page's recordings.
            created: The moments at which they were created, as far as known.

        Returns:
            Whether to go on with the cursor. If not, the slice was given up and is left to take, in parts.
        """
        self._pages += 1
        self._largest_page = max(self._largest_page, min(rows, self._page_size))
        if pages == 1:
            self._reading[part] = _Chain()  # it may be read again from its first page
        chain = self._reading[part]
        chain.moments += sorted(created)[:: -(-len(created) // KEPT) or 1]
        if 2 * rows < self._full_page or not chain.moments:
            return True  # some APIs send a cursor with the last page
        if pages < 2 * chain.looked_at or self._wasted_pages + pages > FREE_WASTE + self._pages / WASTE:
            return True
        chain.looked_at = pages
        parts = self._divide(part, chain, pages)
        if len(parts) == 1:
            return True
        self._wasted_pages += pages
        self._leave(part, parts)
        return False

    def ask_for(self, page_size: int) -> None:
        """Take note that requests ask for so many rows from now on: no more than before."""
        self._page_size = page_size
        self._largest_page = min(self._largest_page, page_size)

    def done(self, part: Slice, rows: int) -> None:
        """A chain has ended: so many rows are in the slice."""
        start = self._start(part)
        del self._reading[part]
        self._unwritten.add(part)
        bisect.insort(self._counted, (start, max(1, self._end(part) - start), rows))

    def written(self, part: Slice) -> None:
        """All rows of a slice that is done have been written."""
        self._unwritten.discard(part)

    def halve(self, part: Slice) -> None:
        """Leave a slice to be read again in two halves, because a cursor in it has expired."""
        middle = (self._start(part) + self._end(part)) // 2
        self._leave(part, replace(part, halvings=part.halvings + 1).cut(middle))

    def _leave(self, part: Slice, parts: list[Slice]) -> None:
        """A slice is no longer read, but left in parts."""
        del self._reading[part]
        self._pending += parts
        self._pending.sort(key=lambda left: (left.start is not None, left.start))

    def _divide(self, part: Slice, chain: _Chain, pages: int) -> list[Slice]:
        """The parts in which a chain's slice had better be read; only one if it had not."""
        if len(chain.moments) == 1:
            return [part]
        start, end = chain.covers()
        drift = chain.drift()
        before = start - (part.start or 0) if drift <= 0 else 0
        after = self._end(part) - end if drift >= 0 else 0
        page = max(SECOND, end - start) / pages
        if max(pages, (before + after) / page) < 2 * SLICE_PAGES:
            return [part]
        inside = FIRST_PARTS if part == self.whole and not drift else pages // 2
        ordered = sorted(chain.moments)
        points = [ordered[len(ordered) * number // inside] for number in range(1, inside)]
        distance = width = SLICE_PAGES * page
        while distance < max(before, after):
            points += [int(start - distance)] if distance < before else []
            points += [int(end + distance)] if distance < after else []
            width *= GROWTH
            distance += width
        return part.cut(*points)

    def _week_before(self, moment: int) -> tuple[int, int]:
        """The rows of the slices that begin in the week before, or of the last one before that; and their width."""
        last = bisect.bisect_left(self._counted, (moment,))
        first = min(bisect.bisect_left(self._counted, (moment - WEEK,)), max(0, last - 1))
        known = self._counted[first:last]
        return sum(rows for _, _, rows in known), sum(width for _, width, _ in known)

    def _start(self, part: Slice) -> int:
        """Where the rows of a slice that is being read begin: of an open one, most is the time since 1970."""
        return min(self._reading[part].moments, default=0) if part.start is None else part.start

    def _end(self, part: Slice) -> int:
        """Where its rows end: nothing is created in the future."""
        end = self._now if part.end is None else min(part.end, self._now)
        return max(end, part.start or 0)

    @property
    def _full_page(self) -> int:
        return self._largest_page or self._page_size
