"""What can go wrong. Every message is one sentence or two that say what happened and what to do.

No message holds the token or anything out of a recording.
"""

from __future__ import annotations

from http import HTTPStatus


class TapSiroError(Exception):
    """The sync cannot go on. The message is for the user."""


class OutputError(TapSiroError):
    """Records cannot be written, so that the whole run ends."""


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
        """Describe a failed try.

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
        """Describe the last try.

        Args:
            message: What happened.
            unreachable: No connection was made.
        """
        super().__init__(message)
        self.unreachable = unreachable


class ChainError(TapSiroError):
    """A chain of pages cannot be followed to its end."""


class IncompleteError(ChainError):
    """The server said itself that records are missing from a list."""


class RefusedError(TapSiroError):
    """The server refuses a request, with a status that no other try changes."""

    def __init__(self, message: str, status: int, *, is_json: bool = True) -> None:
        """Describe an answer.

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
    """The server refuses a request with `createdAt` bounds; it may take it without."""


class PageTooHeavyError(TapSiroError):
    """The server seems unable to answer with a page of that size."""


class CursorRefusedError(TapSiroError):
    """The server no longer takes a cursor that it gave."""


class BoundsIgnoredError(TapSiroError):
    """The server does not keep to the `createdAt` bounds of a request."""


class StoppedError(Exception):
    """The sync is being stopped; a thread that sees this ends quietly."""
