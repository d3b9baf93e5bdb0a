"""Errors. Each message says what happened and what to do.

No message holds the token or anything out of a recording.
"""

from __future__ import annotations

from http import HTTPStatus


class TapSiroError(Exception):
    """The sync cannot go on. The message is for the user."""


class OutputError(TapSiroError):
    """Records cannot be written, so the whole run ends."""


class RetryableError(TapSiroError):
    """The same request may succeed later."""

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        reduce_page: bool = False,
        hint: str | None = None,
        unreachable: bool = False,
    ) -> None:
        """Record why a try failed.

        Args:
            message: What happened.
            retry_after: Seconds after which the server asked to be tried again, if it did.
            reduce_page: The page may have been too much for the server.
            hint: What to do about it, if other tries are unlikely to help.
            unreachable: No connection was made.
        """
        super().__init__(message)
        self.retry_after = retry_after
        self.reduce_page = reduce_page
        self.hint = hint
        self.unreachable = unreachable


class GaveUpError(TapSiroError):
    """All tries of a request have failed."""

    def __init__(self, message: str, *, unreachable: bool = False) -> None:
        """Record why the last try failed.

        Args:
            message: What happened.
            unreachable: No connection was made.
        """
        super().__init__(message)
        self.unreachable = unreachable


class ChainError(TapSiroError):
    """A chain of pages cannot be followed to its end."""


class IncompleteError(ChainError):
    """The API reports that records are missing from a list."""


class RefusedError(TapSiroError):
    """The API refuses a request with a permanent status."""

    def __init__(self, message: str, status: int, *, is_json: bool = True) -> None:
        """Record the answer.

        Args:
            message: Its meaning.
            status: Its HTTP status.
            is_json: It is JSON, as all answers of the API are.
        """
        super().__init__(message)
        self.status = status
        self.is_json = is_json

    @property
    def is_about_parameters(self) -> bool:
        """Return True if the server does not take one of the query parameters."""
        return self.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}


class BoundsRefusedError(RefusedError):
    """The API refuses a request with `createdAt` bounds; it may accept it without them."""


class PageTooHeavyError(TapSiroError):
    """The API seems unable to send a page of that size."""

    def __init__(self, message: str, *, is_reduced: bool = False) -> None:
        """Describe the last try.

        Args:
            message: What happened.
            is_reduced: The next chain requests smaller pages.
        """
        super().__init__(message)
        self.is_reduced = is_reduced


class CursorRefusedError(TapSiroError):
    """The API rejects its own cursor."""


class BoundsIgnoredError(TapSiroError):
    """The API ignores the `createdAt` bounds of a request."""


class StoppedError(Exception):
    """The sync is stopping; a thread that gets this ends quietly."""
