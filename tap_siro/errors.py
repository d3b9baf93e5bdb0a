"""Errors. Each message says what happened and what to do.

No message holds the token or anything out of a recording.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus


class TapSiroError(Exception):
    """The sync cannot go on. The message is for the user."""


class StreamMapError(TapSiroError):
    """A stream map of the user's fails on a record."""


class OutputError(TapSiroError):
    """Records cannot be written, so the whole run ends."""


@dataclass(eq=False, repr=False)
class RetryableError(TapSiroError):
    """The same request may succeed later."""

    message: str
    retry_after: float | None = None
    """Seconds after which the server asked to be tried again, if it did."""
    reduce_page: bool = False
    """The page may have been too much for the server."""
    hint: str | None = None
    """Advice, if other tries are unlikely to help."""
    unreachable: bool = False
    """No connection was made."""


@dataclass(eq=False, repr=False)
class GaveUpError(TapSiroError):
    """All tries of a request have failed."""

    message: str
    unreachable: bool = False
    """No connection was made."""


class ChainError(TapSiroError):
    """A chain of pages cannot be followed to its end."""


class IncompleteError(ChainError):
    """The API reports that records are missing from a list."""


@dataclass(eq=False, repr=False)
class RefusedError(TapSiroError):
    """The API refuses a request with a permanent status."""

    message: str
    status: int = field(kw_only=True)
    """The HTTP status of the answer."""
    is_json: bool = True
    """The answer is JSON, as all answers of the API are."""

    @property
    def is_about_parameters(self) -> bool:
        """Return True if the server does not take one of the query parameters."""
        return self.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}


@dataclass(eq=False, repr=False)
class BoundsError(TapSiroError):
    """The `createdAt` bounds of a request are of no use; it may succeed without them."""

    message: str
    are_ignored: bool = False
    """The API ignores them; otherwise it refuses them."""


@dataclass(eq=False, repr=False)
class PageTooHeavyError(TapSiroError):
    """The API seems unable to send a page of that size."""

    message: str
    is_reduced: bool = False
    """The next chain requests smaller pages."""


class CursorRefusedError(TapSiroError):
    """The API rejects its own cursor."""


class StoppedError(Exception):
    """The sync is stopping; a thread that gets this ends quietly."""
