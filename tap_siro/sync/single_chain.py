"""A pass that is read in one chain, for an API that does not take bounds of creation: slower, and as complete."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tap_siro.sync.slices import Slice

if TYPE_CHECKING:
    from collections.abc import Sequence


class SingleChain:
    """In place of the planner: hands out the whole, and nothing else."""

    def __init__(self) -> None:
        """Begin with everything left."""
        self._pending: Slice | None = Slice()
        self.finished = False
        """Everything has been read (not: written)."""
        self.complete = False
        """Everything has been read and written."""

    position: int | None = None
    """Not even the beginning, to the end: an interrupted pass begins again."""

    def rows_left(self) -> float | None:
        """Nobody knows."""
        return 0.0 if self.complete else None

    def take(self) -> Slice | None:
        """The whole, if nobody reads it."""
        taken, self._pending = self._pending, None
        return taken

    def page(self, part: Slice, pages: int, rows: int, created: Sequence[int]) -> bool:  # noqa: ARG002
        """Whether to go on with the cursor: always."""
        return True

    def ask_for(self, page_size: int) -> None:
        """Take note of smaller pages: they make no difference."""

    def done(self, part: Slice, rows: int) -> None:  # noqa: ARG002
        """The chain has ended."""
        self.finished = True

    def written(self, part: Slice) -> None:  # noqa: ARG002
        """All rows have been written."""
        self.complete = True

    def halve(self, part: Slice) -> None:
        """Leave the whole to be read again, because a cursor has expired. It cannot be cut."""
        self._pending = replace(part, halvings=part.halvings + 1)
