"""How many recordings were created when, as far as pages have shown it, and what that says of all other time. Pure.

Time is seen in stretches. Either the rows of a stretch were counted, or a sample of them was seen: then it is known how
they are spread, but not how many they are, until a part of the sample has been counted.
"""

from __future__ import annotations

import bisect
import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tap_siro.timestamps import DAY, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WEEK = 7 * DAY
"""The time that tells a density, in milliseconds: nights and weekends even out..."""
NEARBY = 4
"""...but less for a gap between two that is less than so many times wider."""
SWING = 8
"""A dense time ends where it would seem so many times less dense, which is more than nights and weekends do..."""
FEW = 50
"""...if it has so many rows."""
LEAP = 30
"""So many times denser is another time, and no slice is cut across both. Among what was seen, it begins where it would
have had so many times more rows than there are before it..."""
MISSED = 800
"""...and so many rows in all."""
ALIKE = 4
"""How many times denser one side may be than the other for what lies between to be taken for their mean."""
NEAR = 12
"""Pages for which a density is believed if it is not the same on the other side; longer if it was seen for longer."""
GROWTH = 8
"""How many times wider the next step into the unknown is."""
OLDEST = 20 * 365 * DAY
"""How far away there are steps, in milliseconds."""
SAMPLE_PARTS = 64
"""Into how many stretches a sample is divided..."""
LEAST_SAMPLED = 4
"""...if there are so many of its rows for each."""


class Scale:
    """How many rows there are for each row of a sample."""

    def __init__(self, sampled: int) -> None:
        """Of what the sample stands for, nothing has been counted."""
        self.sampled = sampled
        self.factor: float | None = None
        self._sampled = self._rows = 0.0

    def count(self, sampled: float, rows: float) -> None:
        """Where the sample had so many rows, there are so many."""
        self._sampled += sampled
        self._rows += rows
        self.factor = max(self._rows, 1.0) / self._sampled


@dataclass(frozen=True, slots=True)
class Stretch:
    """The time `[start, end)`, in milliseconds since 1970, and what it should hold."""

    start: int
    end: int
    amount: float
    """Rows, or rows of a sample; infinite if nothing has been seen."""
    scale: Scale | None = None
    """What the sample stands for."""
    sure: bool = True
    """It has been seen, or is like what has been seen near it. If not, it is a step into the unknown."""

    @property
    def rows(self) -> float:
        """Rows to expect; at least, if nobody knows."""
        return self.amount if self.scale is None else self.amount * (self.scale.factor or 1.0)

    @property
    def unscaled(self) -> bool:
        """It was sampled, and nothing of the sample has been counted."""
        return self.scale is not None and self.scale.factor is None

    @property
    def density(self) -> float:
        """Rows a millisecond."""
        return self.rows / (self.end - self.start)

    def within(self, start: int, end: int) -> Stretch:
        """Its part between two moments."""
        start, end = max(start, self.start), min(end, self.end)
        return replace(self, start=start, end=end, amount=self.amount * (end - start) / (self.end - self.start))


class Densities:
    """The stretches of time that have been seen, disjoint and in order."""

    def __init__(self) -> None:
        """Nothing has been seen."""
        self._seen: list[Stretch] = []

    # What was seen

    def note(self, start: int, end: int, rows: float) -> None:
        """There are so many rows in a stretch."""
        if start < end:
            self._replace(start, end, [Stretch(start, end, rows)])

    def sample(self, start: int, end: int, moments: Sequence[int]) -> None:
        """Some of the rows in a stretch were created at these moments, which are in order."""
        if start >= end:
            return
        parts = min(SAMPLE_PARTS, max(1, len(moments) // LEAST_SAMPLED))
        inner = {moments[part * len(moments) // parts] for part in range(1, parts)}
        edges = sorted({start, end, *(moment for moment in inner if start < moment < end)})
        scale, amount = Scale(len(moments)), len(moments) / (len(edges) - 1)
        self._replace(start, end, [Stretch(*edge, amount, scale) for edge in itertools.pairwise(edges)])

    def count(self, start: int, end: int, rows: int, *, page: int) -> None:
        """A stretch has been read, and so many rows were in it. Of what was sampled there, the scale is known now."""
        expected = list(self.between(start, end, page=page))
        total = sum(one.rows for one in expected)
        if 0 < total < float("inf"):
            for scale in {one.scale for one in expected if one.scale is not None and one.amount}:
                inside = [one for one in expected if one.scale is scale]
                scale.count(sum(one.amount for one in inside), rows * sum(one.rows for one in inside) / total)
        self.note(start, end, rows)

    def forget(self, start: int, end: int) -> None:
        """What is known of a stretch turned out to be wrong."""
        if start < end:
            self._replace(start, end, [])

    def _replace(self, start: int, end: int, stretches: list[Stretch]) -> None:
        first = bisect.bisect_right(self._seen, start, key=lambda one: one.end)
        after = bisect.bisect_left(self._seen, end, key=lambda one: one.start)
        old = self._seen[first:after]
        before = [one.within(one.start, start) for one in old[:1] if one.start < start]
        behind = [one.within(end, one.end) for one in old[-1:] if one.end > end]
        self._seen[first:after] = [*before, *stretches, *behind]

    # What it says

    def between(self, start: int, end: int, *, page: int) -> Iterator[Stretch]:
        """What to expect from `start` to `end`, in order and without gaps. `page` is the rows of a page."""
        index = bisect.bisect_right(self._seen, start, key=lambda one: one.end)
        while start < end:
            seen = self._seen[index] if index < len(self._seen) else None
            if seen and seen.start <= start:
                yield seen.within(start, end)
                start, index = seen.end, index + 1
            else:
                stop = min(seen.start, end) if seen else end
                for guess in self._guess(index, stop, page):
                    if guess.start < stop and guess.end > start:
                        yield guess.within(start, stop)
                start = stop

    def _guess(self, index: int, until: int, page: int) -> Iterator[Stretch]:
        """What to expect until the seen stretch at the index, if there is one, from the one before, if there is one."""
        start = self._seen[index - 1].end if index else 0
        end = self._seen[index].start if index < len(self._seen) else until
        reach = min(WEEK, (end - start) / NEARBY) if 0 < index < len(self._seen) else WEEK
        before, after = self._density(index - 1, -1, reach), self._density(index, 1, reach)
        if before is None and after is None:
            yield Stretch(start, end, float("inf"), sure=False)
            return
        (low, _), (high, width) = sorted((before or (0.0, 0.0), after or (0.0, 0.0)))
        if high <= ALIKE * low:
            yield Stretch(start, end, (low + high) / 2 * (end - start))
            return
        # One side is much denser, or nothing is known of it. Where that changes must be found out.
        forwards = (high, width) == before
        believed = not self._seen[index - 1 if forwards else index].unscaled
        sure_of = int(max(width, NEAR * page / high))
        for first, last in itertools.pairwise(_steps(start, end, sure_of, forwards=forwards)):
            near = first == start if forwards else last == end
            yield Stretch(first, last, (high if near else low) * (last - first), sure=near and believed)

    def _density(self, index: int, direction: int, reach: float) -> tuple[float, float] | None:
        """The rows a millisecond of a seen stretch and those beyond it, and for how long; None if there is none."""
        rows = width = densest = 0.0
        while 0 <= index < len(self._seen) and width < reach:
            one = self._seen[index]
            if one.scale is None and one.end - one.start > OLDEST:
                break  # that is the time since 1970, and says nothing of when its rows were created
            more, wider = rows + one.rows, width + one.end - one.start
            if densest > SWING * more / wider or one.density * width > max(MISSED, LEAP * rows):
                break
            rows, width = more, wider
            densest = max(densest, rows / width if rows >= FEW else 0.0)
            index += direction
        return (rows / width, width) if width else None


def _steps(start: int, end: int, reach: int, *, forwards: bool) -> list[int]:
    """The edges of steps from one end of a time to the other, each wider than the one before, on whole seconds."""
    distances = [max(1, reach)]
    while distances[-1] < min(end - start, OLDEST):
        distances.append(distances[-1] * GROWTH)
    edges = [start + distance if forwards else end - distance for distance in distances[:-1]]
    inside = (edge - edge % SECOND for edge in edges)
    return sorted({start, end, *(edge for edge in inside if start < edge < end)})
