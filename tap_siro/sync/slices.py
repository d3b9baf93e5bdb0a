"""A slice: the recordings created between two moments."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

from tap_siro.timestamps import SECOND


@dataclass(frozen=True, slots=True)
class Slice:
    """The recordings created in `[start, end)`; None is open. Timestamps in milliseconds."""

    start: int | None = None
    end: int | None = None
    halvings: int = 0
    """Times that it was halved because a cursor in it had expired."""
    set_aside: int = 0
    """Times that it was left until all others have been read."""
    failed_at: int | None = None
    """Pages of recordings that had come when it, or the slice it is a half of, was too heavy; None if never."""

    @property
    def is_divisible(self) -> bool:
        """Return True if it is longer than a second."""
        return self.start is None or self.end is None or self.end - self.start > SECOND

    def contains(self, moment: int) -> bool:
        """Return True if a recording created at that moment is in it."""
        return (self.start is None or self.start <= moment) and (self.end is None or moment < self.end)

    def cut(self, *points: int) -> list[Slice]:
        """The parts between the whole seconds at or before the points, as far as those lie inside.

        Nothing is cut before 1970: the API's dates begin somewhere.
        """
        inside = {point - point % SECOND for point in points}
        inside = {p for p in inside if p > (self.start or 0) and (self.end is None or p < self.end)}
        edges = [self.start, *sorted(inside), self.end]
        return [replace(self, start=start, end=end) for start, end in itertools.pairwise(edges)]
