"""How densely recordings were created, as far as it has been seen, and what that says of the time between. Pure."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ALIKE = 4
"""How many times denser one side may be than the other for what lies between to be taken for their mean."""
ENOUGH = 500
"""Rows of neighbouring stretches that are looked at together: hours, nights and weekends are evened out."""
NEAR = 30
"""Pages for which a density is believed although nothing is known beyond."""
SMALL = 10
"""Pages that are read at once where the density changes; more are halved."""
SPARSE = 2
"""Pages that the sparser side must promise for its density to be believed up to the denser one."""
GROWTH = 4
"""How many times wider the next step into the unknown is."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The time `[start, end)`, in milliseconds since 1970, and the rows it should hold."""

    start: int
    end: int
    rows: float
    """Infinite if nothing has been seen."""
    sure: bool = True
    """It has been seen, or is like what has been seen near it."""
    step: int | None = None
    """If not sure: where a slice that explores it should end, if before the end."""


class Densities:
    """The stretches of time that have been seen, disjoint and in order."""

    def __init__(self) -> None:
        """Nothing has been seen."""
        self._seen: list[Stretch] = []

    def note(self, start: int, end: int, rows: float) -> None:
        """So many rows are in a stretch. What is known of parts of it is forgotten."""
        if start < end:
            first = bisect.bisect_right(self._seen, start, key=lambda one: one.end)
            after = bisect.bisect_left(self._seen, end, key=lambda one: one.start)
            self._seen[first:after] = [Stretch(start, end, rows)]

    def between(self, start: int, end: int, page: int) -> Iterator[Stretch]:
        """What to expect from `start` to `end`, in order and without gaps. `page` is the rows of a page."""
        index = bisect.bisect_right(self._seen, start, key=lambda one: one.end)
        while start < end:
            seen = self._seen[index] if index < len(self._seen) else None
            stop = end if seen is None else min(max(seen.start, start), end)
            if start < stop:
                yield from self._guess(start, stop, index, page)
            if seen is None or stop == end:
                return
            start, stop = stop, min(seen.end, end)
            yield Stretch(start, stop, seen.rows * (stop - start) / (seen.end - seen.start))
            start, index = stop, index + 1

    def _density(self, index: int, direction: int) -> float | None:
        """The rows a millisecond of a seen stretch, together with those beyond that adjoin it."""
        rows = width = 0.0
        edge = None
        while 0 <= index < len(self._seen) and rows < ENOUGH:
            one = self._seen[index]
            near, far = (one.start, one.end) if direction > 0 else (one.end, one.start)
            if edge is not None and near != edge:
                break
            rows += one.rows
            width += one.end - one.start
            edge, index = far, index + direction
        return rows / width if width else None

    def _guess(self, start: int, end: int, index: int, page: int) -> Iterator[Stretch]:
        """What to expect of a time between two seen stretches: the one at the index and the one before."""
        before, after = self._density(index - 1, -1), self._density(index, 1)
        if before is None and after is None:
            yield Stretch(start, end, float("inf"), sure=False)
            return
        low, high = sorted((before or 0.0, after or 0.0))
        if high <= ALIKE * low or not high:
            yield Stretch(start, end, (low + high) / 2 * (end - start))
            return
        # One side is much denser, or nothing is known of it: where does it change?
        bounded = before is not None and after is not None
        sparse = low * (end - start) >= SPARSE * page
        reach = max(1, int((SMALL if sparse else NEAR) * page / high))
        dense_first = high == before
        edge = self._seen[index - 1].end if dense_first else self._seen[index].start
        border = min(max(edge + reach if dense_first else edge - reach, start), end)
        for first, last, near in ((start, border, dense_first), (border, end, not dense_first)):
            rows = (high if near else low if sparse else (low + high) / 2) * (last - first)
            if first == last:
                continue
            if near and bounded and rows > SMALL * page:
                yield Stretch(first, last, rows / 2, sure=False, step=(first + last) // 2)
            elif near or sparse:
                yield Stretch(first, last, rows)
            else:
                step = self._step_away(edge, reach, first) if dense_first else self._step_towards(edge, reach, first)
                yield Stretch(first, last, rows, sure=False, step=step if first < step < last else None)

    def _step_away(self, edge: int, reach: int, start: int) -> int:
        """The end of the next step from `start`, the farther from the dense edge the wider."""
        while edge + reach <= start + reach // GROWTH:
            reach *= GROWTH
        return edge + reach

    def _step_towards(self, edge: int, reach: int, start: int) -> int:
        """The end of the next step from `start` to a dense edge, the nearer the narrower."""
        if not start:  # There is no beginning: as far back again as has been seen, several times.
            return edge - max(reach, GROWTH * (self._seen[-1].end - edge))
        least = reach
        while edge - reach * GROWTH > start + least:
            reach *= GROWTH
        return edge - reach
