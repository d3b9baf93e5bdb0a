"""A slice: the recordings created between two moments."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from tap_siro.timestamps import SECOND


@dataclass(frozen=True, slots=True)
class Slice:
    """The recordings created in `[start, end)`; None is open. Timestamps in milliseconds."""

    start: int | None = None
    end: int | None = None
    halvings: int = 0
    """How often it was halved because a cursor in it had expired."""

    def cut(self, *points: int) -> list[Slice]:
        """The parts between the whole seconds at or before the points, as far as those lie inside.

        Nothing is cut before 1970: the API's dates begin somewhere.
        """
        inside = {point - point % SECOND for point in points}
        inside = {p for p in inside if p > (self.start or 0) and (self.end is None or p < self.end)}
        edges = [self.start, *sorted(inside), self.end]
        return [Slice(start, end, self.halvings) for start, end in itertools.pairwise(edges)]
