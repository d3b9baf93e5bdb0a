"""A slice: the recordings created between two moments, and a guess at how many they are."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tap_siro.instants import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable


class Scale:
    """How many rows there are for each that was expected, among guesses with one origin."""

    def __init__(self, factor: float | None = None) -> None:
        self.factor = factor
        self.counted = factor is not None
        self._expected, self._rows = 1.0, factor or 0.0

    def at_least(self, expected: float, rows: float) -> None:
        """A chain that has not ended: a lower bound, as long as there is nothing better."""
        if not self.counted and expected:
            self.factor = max(self.factor or 0.0, rows / expected)

    def count(self, expected: float, rows: int) -> None:
        """A slice has been read to its end; the last ones count most."""
        weight = 0.5 if self.counted else 0.0
        self._expected = self._expected * weight + expected
        self._rows = self._rows * weight + rows
        if self._expected:
            self.counted = True
            self.factor = max(self._rows, 1.0) / self._expected


@dataclass(frozen=True, slots=True)
class Slice:
    """The recordings created in `[start, end)`; None is open. Instants in milliseconds."""

    start: int | None = None
    end: int | None = None
    halvings: int = 0
    """How often it was halved because a cursor in it had expired."""
    guess: float | None = field(default=None, compare=False)
    """Rows it should hold, before scaling; None: no idea."""
    scale: Scale = field(default_factory=Scale, compare=False)

    def cut(self, points: Iterable[int]) -> list[Slice]:
        """The parts between the whole seconds at or before the points, as far as those lie inside; nothing guessed.

        Nothing is cut before 1970: the API's dates begin somewhere.
        """
        inside = {point - point % SECOND for point in points}
        inside = {p for p in inside if p > (self.start or 0) and (self.end is None or p < self.end)}
        edges = [self.start, *sorted(inside), self.end]
        return [Slice(start, end, self.halvings) for start, end in itertools.pairwise(edges)]

    def expecting(self, guess: float, scale: Scale) -> Slice:
        """The same slice with a guess at its rows."""
        return replace(self, guess=guess, scale=scale)

    @property
    def rows(self) -> float | None:
        """Rows to expect; None: no idea."""
        return None if self.guess is None or self.scale.factor is None else self.guess * self.scale.factor
