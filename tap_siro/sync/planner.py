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
6. A slice that is too heavy even in the smallest pages is halved, down to a second, if other requests succeed: a
   recording in it is poison. If none does, the slice waits until all others have been read, and is then tried in 8
   parts: if one of them succeeds, it is poison; if none does, an outage.

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
"""Factor by which the next slice may be wider than what is known, and a part beyond a chain's pages than the last."""
WEEK = 7 * DAY
"""The time before a slice that says what to expect of it: nights and weekends even out, an import weeks ago is over."""
FIRST_PARTS = 20
"""Parts of the time that the first slice's pages cover, if they lie upon each other: nobody knows how many are left."""
FREE_WASTE = 20
"""Pages that may be read in vain..."""
WASTE = 8
"""...besides one for so many pages."""
PROBES = 8
"""Parts of a slice that are tried while nothing else is left that could tell poison from an outage."""
KEPT = 20
"""Moments that are kept of a page."""
APART = 4
"""Pages lie one after the other if the medians of a chain's earlier and later pages differ by more than one of so many
parts of the time that they cover."""


@dataclass(slots=True)
class _Chain:
    """Observations on the pages of a slice that is being read."""

    moments: list[int] = field(default_factory=list)
    """Timestamps at which some of its recordings were created, page by page."""
    looked_at: int = 1
    """With how many pages it was looked at."""

    def covers(self) -> tuple[int, int]:
        """The time that its pages cover, without the first and last twentieth: single ones may lie far off."""
        ordered = sorted(self.moments)
        margin = len(ordered) // 20
        return ordered[margin], ordered[-1 - margin]

    def drift(self) -> int:
        """Return 1 if its pages go forwards through time, -1 if backwards, 0 if they overlap."""
        half, (start, end) = len(self.moments) // 2, self.covers()
        distance = median(self.moments[half:]) - median(self.moments[:half])
        return (distance > 0) - (distance < 0) if abs(distance) * APART > end - start else 0


class SlicePlanner:
    """Decides which slice is read next, from what has been seen so far.

    `take` hands out the earliest slice left. `page` is told of a page with a cursor and says whether to go on; `done`
    is told of a chain that ended, `written` that all its rows have been written.
    """

    def __init__(self, whole: Slice, *, now: int, page_size: int, divisible: bool = True) -> None:
        """Plan a pass over a whole.

        Args:
            whole: What the pass is to read.
            now: About the latest moment at which anything can have been created, in milliseconds since 1970.
            page_size: The rows requested with each page.
            divisible: The API takes bounds of creation; otherwise the whole is read in one chain.
        """
        self.whole = whole
        self.poison: list[Slice] = []
        """Slices that cannot be read."""
        self._now = now
        self._divisible = divisible
        self._page_size = page_size
        self._largest_page = 0
        self._pages = 0
        self._wasted_pages = 0
        self._counted: list[tuple[int, int, int]] = []
        """Start, width and rows of each slice that was read, in order."""
        self._pending = [whole]
        self._reading: dict[Slice, _Chain] = {}
        self._unwritten: set[Slice] = set()
        self._set_aside: list[Slice] = []
        self._chains: list[Slice] = []
        """Slices of more than one page that were read."""

    @property
    def finished(self) -> bool:
        """Everything has been read (not: written)."""
        return not self._pending and not self._reading and not self._set_aside

    @property
    def complete(self) -> bool:
        """Everything has been read and written."""
        return self.finished and not self._unwritten

    @property
    def position(self) -> int | None:
        """The moment before which everything created has been written; None: not even the beginning."""
        left = [*self._pending[:1], *self._reading, *self._unwritten, *self._set_aside, *self.poison]
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
        """Return the earliest slice left, cut to a sensible size; None if there is none for now."""
        if not self._pending and not self._reading:
            self._pending = sorted((part for each in self._set_aside for part in self._probes(each)), key=_start)
            self._set_aside = []
        if not self._pending:
            return None
        part = self._pending.pop(0)
        start = part.start or 0
        rows, width = self._week_before(start)
        if width and self._divisible:
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
        if 2 * rows < self._full_page or not chain.moments or not self._divisible:
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

    def resize(self, page_size: int) -> None:
        """Take note of the rows that requests ask for from now on."""
        self._page_size = page_size
        self._largest_page = min(self._largest_page, page_size)

    def done(self, part: Slice, rows: int, *, pages: int = 1) -> None:
        """Take note of a chain that has ended, with so many rows on so many pages."""
        start = self._start(part)
        del self._reading[part]
        self._unwritten.add(part)
        if pages > 1:
            self._chains.append(part)
        bisect.insort(self._counted, (start, max(1, self._end(part) - start), rows))

    def read_again(self, moments: Sequence[int], *earlier: Slice) -> list[Slice]:
        """Leave chains to be read again: those in which something was created at one of these moments.

        Args:
            moments: When the recordings were created that were edited.
            earlier: What was read in an earlier run, whose slices are not known any more.
        """
        found = [each for each in (*earlier, *self._chains) if any(each.contains(moment) for moment in moments)]
        self._chains = [each for each in self._chains if each not in found]
        self._pending = sorted({*self._pending, *found}, key=_start)
        return found

    def written(self, part: Slice) -> None:
        """All rows of a slice that is done have been written."""
        self._unwritten.discard(part)

    def again(self, part: Slice) -> None:
        """Leave a slice to be read again, and cut anew, because the size of pages has changed."""
        self._leave(part, [part])

    def halve(self, part: Slice) -> None:
        """Leave a slice to be read again in two halves, because a cursor in it has expired."""
        self._leave(part, self._halves(replace(part, halvings=part.halvings + 1), self._start(part)))

    def heavy(self, part: Slice, pages: int, *, others_succeed: bool) -> None:
        """Take note that a slice is too heavy even in the smallest pages.

        Args:
            part: The slice.
            pages: Pages of recordings that came so far.
            others_succeed: Some of them came since the slice, or the one that it is a half of, began to fail.
        """
        if not others_succeed:
            del self._reading[part]
            self._set_aside.append(replace(part, failed_at=pages, set_aside=part.set_aside + 1))
            return
        halves = self._halves(replace(part, failed_at=pages, set_aside=0), self._start(part))
        if len(halves) > 1:
            self._leave(part, halves)
        else:
            del self._reading[part]
            self.poison.append(part)

    def _halves(self, part: Slice, start: int) -> list[Slice]:
        """The halves of a slice; only itself if it is a second, or cannot be divided."""
        return part.cut((start + self._end(part)) // 2) if self._divisible else [part]

    def _probes(self, part: Slice) -> list[Slice]:
        """The parts in which a slice that was set aside is tried: for the first time, several."""
        start, end = part.start or 0, self._end(part)
        points = [start + (end - start) * number // PROBES for number in range(1, PROBES)]
        return part.cut(*points) if self._divisible and part.set_aside == 1 else [part]

    def _leave(self, part: Slice, parts: list[Slice]) -> None:
        """A slice is no longer read, but left in parts."""
        del self._reading[part]
        self._pending += parts
        self._pending.sort(key=_start)

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
        """Return the start of the rows of a slice that is being read: an open one is mostly the time since 1970."""
        return min(self._reading[part].moments, default=0) if part.start is None else part.start

    def _end(self, part: Slice) -> int:
        """Return the end of its rows: nothing is created in the future."""
        end = self._now if part.end is None else min(part.end, self._now)
        return max(end, part.start or 0)

    @property
    def _full_page(self) -> int:
        return self._largest_page or self._page_size


def _start(part: Slice) -> tuple[bool, int]:
    return part.start is not None, part.start or 0
