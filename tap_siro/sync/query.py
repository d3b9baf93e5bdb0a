"""Query parameters of a pass, and the check that the API honors them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tap_siro import timestamps
from tap_siro.errors import BoundsError, TapSiroError
from tap_siro.sync.slices import Slice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_siro.sync.slice_fetcher import RecordingsPage

SETTLING = 10 * timestamps.SECOND
"""Milliseconds until a change is visible at the latest, after its `updatedAt`."""
TOLERANCE = timestamps.SECOND
"""Milliseconds that a recording may lie outside its bounds."""


@dataclass(frozen=True, slots=True)
class Query:
    """The recordings that a pass reads, and with which blocks."""

    since: int | None
    """Only those updated at or after this timestamp."""
    until: int | None
    """Only those updated before this timestamp."""
    created_after: int | None
    created_before: int | None
    filters: Mapping[str, str]
    """The status filters."""
    flags: frozenset[str]
    """The blocks to ask for."""
    page_size: int
    """The recordings to ask for with each request."""
    bounded: bool = True
    """True if the API is asked for a part of what was created; otherwise the tap itself keeps to the range."""

    def whole(self, position: int | None) -> Slice:
        """All of it that was created from a position on."""
        if not self.bounded:
            return Slice()
        starts = [start for start in (position, self.created_after) if start is not None]
        start = max(starts) if starts else None
        if self.created_after is not None and start == self.created_after:
            start += 1
        return Slice(start, self.created_before)

    def parameters(self, part: Slice) -> dict[str, str]:
        """Return the query parameters for the pages of a slice."""
        parameters = dict(self.filters)
        if self.since is not None:
            parameters["updatedAt:gte"] = timestamps.text(self.since)
        if self.until is not None:
            parameters["updatedAt:lt"] = timestamps.text(self.until)
        if part.start is not None:
            # Exclusive, to the millisecond: finer parts of one are in both slices rather than in none.
            parameters["createdAt:gt"] = timestamps.text(part.start - 1)
        if part.end is not None:
            parameters["createdAt:lt"] = timestamps.text(part.end)
        parameters.update(dict.fromkeys(sorted(self.flags), "true"))
        return parameters

    def keeps(self, created: int | None) -> bool:
        """Return True if a recording is in the range that the API did not apply itself. One of unknown age is."""
        if self.bounded or created is None:
            return True
        after, before = self.created_after, self.created_before
        return (after is None or created > after) and (before is None or created < before)

    @property
    def loses_edited(self) -> bool:
        """Return True if a recording that is edited can leave the result."""
        return self.until is not None or bool(self.filters)

    def edited(self, since: int) -> Query:
        """Return the query for what was edited meanwhile, whether it is still in the result or not."""
        return replace(self, since=since, until=None, filters={}, flags=frozenset())

    def check(self, page: RecordingsPage, part: Slice) -> None:
        """Make sure that a page holds what was asked for.

        Raises:
            BoundsError: A recording was created well outside the bounds, so the API ignores them.
            TapSiroError: A recording was updated well outside the bounds, so the API ignores those.
        """
        created = [timestamp for timestamp in page.created if timestamp is not None]
        updated = [timestamp for timestamp in page.updated if timestamp is not None]
        if created and (
            (part.start is not None and min(created) < part.start - TOLERANCE)
            or (part.end is not None and max(created) >= part.end + TOLERANCE)
        ):
            message = "Siro's API ignores the `createdAt` bounds of a request: it returned recordings outside of them."
            raise BoundsError(message, are_ignored=True)
        ignored = None
        if updated and self.since is not None and min(updated) < self.since - TOLERANCE:
            ignored = "updatedAt:gte"
        elif self.until is not None and any(
            # What was updated just now was searched before and read after it.
            self.until + TOLERANCE <= timestamp < page.asked_at - SETTLING
            for timestamp in updated
        ):
            ignored = "updatedAt:lt"
        if ignored:
            message = (
                f"Siro's API returned recordings outside `{ignored}`, so it ignores that filter and its answers are "
                "not reliable. No bookmark was moved. Report it to Siro, and update tap-siro if there is a newer "
                "version."
            )
            raise TapSiroError(message)
