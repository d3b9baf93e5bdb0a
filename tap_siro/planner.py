"""The planner: how the recordings of a pass are divided among the threads, by the moment they were created.

Nothing here reads the network or a clock. The planner is told what each page showed and answers which slice to read
next, and whether a chain of pages is worth following. A wrong guess costs requests, never rows: whatever is cut, the
slices that are left always cover everything that is not yet written.

A thread takes the earliest slice that is left, cut to its share: four to ten pages of what is expected there. What to
expect follows from what has been seen: slices that were read to their end, and the pages of chains that run through
time, forwards or backwards (`density.py`). Where nothing has been seen nearby, a thread explores: it takes a long
stretch, whose first page either is the last or shows how dense the rows are there. The chain is then given up if
others can read the rest sooner, and its slice goes back to what is left. The pages that were read of it are wasted, so
a chain that will end soon is followed.

In some orders a chain does not run through time: each page is a sample of its whole slice, or of a dense day in it.
That time is then cut where the sample says. As a sample does not tell how many rows there are, one thread first reads
a small part while the others do without. Guesses that come from one sample share a scale, how many rows there are for
each that was expected, and every slice that has been read to its end corrects it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from tap_siro.chains import Chain
from tap_siro.density import Densities
from tap_siro.instants import DAY, SECOND
from tap_siro.slices import Scale, Slice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_siro.chains import Course
    from tap_siro.density import Stretch

LEAST_PAGES = 4
"""Pages below which a slice is not worth its own requests, however many threads are idle."""
MOST_PAGES = 10
"""Pages above which a slice keeps a cursor too long and repeats too much after a restart."""
USUAL_PAGES = 8
"""Pages of a slice while nobody knows how much there is besides."""
SHARES = 1.5
"""Slices a thread should still get of what is left: the last ones are small, so that all threads end together."""
LONG_CHAIN = 20
"""Pages that one thread may still read alone, at most: a slice that seems to hold more is given up..."""
FAIR = 1.25
"""...and so is one that seems to hold so many times a thread's fair share of what is left."""
TOO_LATE = 4
"""A chain is followed if at most this many times what it has read is left."""
BELIEF = 4
"""How many times more rows than were sampled there may well be."""
BELIEVED = 2
"""The least pages of a slice while that is all that is known."""
SAMPLE_PARTS = 64
"""Into how many parts a sample divides a slice."""
PROBE_PARTS = 16
"""The part of a sampled slice that is read first, to learn how much the sample stands for."""
CRUMB = 4
"""A rest smaller than this part of a share is taken with it."""
FREE_WASTE = 3
"""Pages a thread that may be read in vain..."""
WASTE = 8
"""...besides one for so many pages, before nothing is given up any more."""
EARLIEST = 20 * 365 * DAY
"""How far back a slice without a beginning is halved."""


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
        return self._sum((*self._pending, *self._reading, *self._unwritten))

    def _sum(self, parts: Sequence[Slice]) -> float | None:
        known = [self._rows(part) for part in parts]
        return None if None in known else sum(rows or 0 for rows in known)

    def _rows(self, part: Slice) -> float | None:
        if part.guess is not None:
            return part.rows
        rows = sum(one.rows for one in self._stretches(part))
        return rows if math.isfinite(rows) else None

    def _stretches(self, part: Slice) -> Iterator[Stretch]:
        return self._densities.between(part.start or 0, self._end(part), self._full_page)

    def _end(self, part: Slice) -> int:
        """Where its rows end: nothing is created in the future."""
        end = self._now if part.end is None else min(part.end, self._now)
        return max(end, part.start or 0)

    @property
    def _full_page(self) -> int:
        return self._largest_page or self._page_size

    # Taking

    def take(self) -> Slice | None:
        """The earliest slice left, joined or cut to a sensible size; None if there is none for now."""
        for index, part in enumerate(self._pending):
            if part.guess is None:
                taken = self._take_expected(index)
                sure = all(one.sure for one in self._stretches(taken))
                expected = self._rows(taken) if sure else None
            elif part.scale.factor is None and any(other.scale is part.scale for other in self._reading):
                continue  # its first page will say how much the sample stands for
            else:
                taken = self._take_sampled(index)
                expected = taken.rows if taken.scale.counted else None
            self._reading[taken] = self._chain(taken, expected)
            return taken
        return None

    def _chain(self, part: Slice, expected: float | None) -> Chain:
        whole, sampled = part == self.whole, part.guess is not None
        return Chain(part.start or 0, self._end(part), expected, whole=whole, sampled=sampled, open=part.start is None)

    def _share(self) -> float:
        """The rows a slice should hold: all threads busy to the end, with few slices."""
        left = self._sum(self._pending)
        if left is None or any(chain.exploring for chain in self._reading.values()):
            return USUAL_PAGES * self._full_page
        pages = left / self._full_page / (SHARES * self._threads)
        return min(max(pages, LEAST_PAGES), MOST_PAGES) * self._full_page

    def _take_expected(self, index: int) -> Slice:
        part = self._pending[index]
        point = self._cut_at(part, self._share())
        taken, *rest = [part] if point is None else part.cut([point])
        self._pending[index : index + 1] = rest
        return taken

    def _cut_at(self, part: Slice, share: float) -> int | None:
        """Where to end the slice that begins with a part; None: with the part."""
        rows = 0.0
        for one in self._stretches(part):
            rows += one.rows
            excess = rows - share
            if excess <= 0 or not math.isfinite(rows):
                continue
            last = one.end == self._end(part)
            if one.sure:
                if last and excess <= share / CRUMB:
                    return None
                return one.end - int((one.end - one.start) * excess / one.rows)
            if rows - one.rows > share / 2:
                return one.start
            return one.step or (None if last else one.end)
        return None

    def _sampled_share(self, scale: Scale) -> float:
        """How much of a sampled slice to take, before scaling."""
        total = sum(part.guess or 0.0 for part in self._pending if part.scale is scale)
        if scale.factor is None:
            return total / PROBE_PARTS
        page = self._full_page / scale.factor
        if not scale.counted:
            return min(max(total / self._threads, BELIEVED * page), LEAST_PAGES * page)
        return self._share() / scale.factor

    def _take_sampled(self, index: int) -> Slice:
        """Take parts of a sampled slice, joined, until they hold a share; what is too much of the last stays."""
        share = self._sampled_share(self._pending[index].scale)
        part = self._pending.pop(index)
        guess, start, scale = part.guess or 0.0, part.start, part.scale
        while guess < share and index < len(self._pending):
            after = self._pending[index]
            if after.scale is not scale or after.start != part.end:
                break
            part = self._pending.pop(index)
            guess += part.guess or 0.0
        excess = guess - share
        if excess > share / CRUMB and part.start is not None and part.guess:
            width = self._end(part) - part.start
            kept, *rest = part.cut([self._end(part) - int(width * min(1.0, excess / part.guess))])
            if rest:
                left = part.guess * (self._end(part) - self._end(kept)) / width
                self._pending.insert(index, rest[0].expecting(left, scale))
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
            Whether to go on with the cursor. If not, the slice was given up and is left to take, in parts.
        """
        self._pages += 1
        full = rows >= self._largest_page and (rows >= self._page_size or chain > 1)
        self._largest_page = max(self._largest_page, rows)
        if not full or not created:
            return True  # some APIs send a cursor with the last page
        self._reading[part].add(sorted(created), chain)
        if part.guess is not None:
            part.scale.at_least(part.guess, BELIEF * chain * rows)
        parts = self._divide(part)
        # Each part is smaller than the whole: this ends. The pages read so far are wasted, within limits.
        if len(parts) <= 1 or self._wasted_pages > FREE_WASTE * self._threads + self._pages / WASTE:
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
        self._densities.note(part.start or 0, self._end(part), rows)

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
        joined: list[Slice] = []
        for part in self._pending:
            before = joined[-1] if joined else None
            plain = part.guess is None and not part.halvings
            if before and plain and before.guess is None and not before.halvings and before.end == part.start:
                joined[-1] = replace(before, end=part.end)
            else:
                joined.append(part)
        self._pending = joined

    # Giving up: the parts to read instead of a slice; one or none if its chain is to be followed

    def _divide(self, part: Slice) -> list[Slice]:
        chain = self._reading[part]
        idle = not self._pending and len(self._reading) * 2 <= self._threads
        sample = chain.sample(self._full_page, idle=idle)
        if sample:
            return self._cut_by_sample(part, sample)
        run = chain.run()
        if not run:
            return []
        for seen in chain.seen(run):
            self._densities.note(*seen)
        pages_left = chain.rows_left(run) / self._full_page
        if pages_left <= self._bearable(part, pages_left) or chain.length > max(2, pages_left / TOO_LATE):
            return []
        back = Slice(part.start, part.end, part.halvings)
        point = self._cut_at(back, USUAL_PAGES * self._full_page)
        return [] if point is None else back.cut([point])

    def _bearable(self, part: Slice, pages_left: float) -> float:
        """The pages that one thread may still read alone without the others waiting for it at the end."""
        rest = self._sum([*self._pending, *(other for other in self._reading if other != part)])
        if rest is None:
            return LONG_CHAIN
        fair = (rest / self._full_page + pages_left) / self._threads
        return min(max(FAIR * fair, MOST_PAGES), LONG_CHAIN)

    def _cut_by_sample(self, part: Slice, sample: Course) -> list[Slice]:
        """Cut where a sample says, so that each part holds as much of it."""
        moments, bounds = self._reading[part].sampled_moments(sample)
        every = max(1, len(moments) // SAMPLE_PARTS)
        parts = part.cut([*bounds, *moments[every::every]])
        inside = [one for one in parts if not bounds or self._lies_in(one, sample)]
        if len(inside) <= 1:
            return []  # all within a second: no cut divides it
        scale, rows = part.scale, part.guess
        if bounds or rows is None or scale.counted:
            scale, rows = Scale(), float(len(moments))
            if part != self.whole:
                scale.at_least(1, BELIEF)
        return [one.expecting(rows / len(inside), scale) if one in inside else one for one in parts]

    def _lies_in(self, part: Slice, sample: Course) -> bool:
        return part.start is not None and sample.start - SECOND < part.start and self._end(part) <= sample.end
