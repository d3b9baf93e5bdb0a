"""What can go wrong. Every message is one sentence or two that say what happened and what to do.

No message holds the token or anything out of a recording.
"""

from __future__ import annotations


class TapSiroError(Exception):
    """The sync cannot go on. The message is for the user."""


class RetryableError(TapSiroError):
    """The same request may succeed later."""

    def __init__(
        self, message: str, *, retry_after: float | None = None, heavy: bool = False, advice: str | None = None
    ) -> None:
        """Describe a failed try.

        Args:
            message: What happened.
            retry_after: Seconds after which the server asked to be tried again, if it did.
            heavy: Whether it may be that too much was asked for.
            advice: What to do about it, if other tries are unlikely to help.
        """
        super().__init__(message)
        self.retry_after = retry_after
        self.heavy = heavy
        self.advice = advice


class RefusedError(TapSiroError):
    """The server refuses a request, with a status that no other try changes."""

    def __init__(self, message: str, status: int) -> None:
        """Describe an answer.

        Args:
            message: What it means.
            status: Its HTTP status.
        """
        super().__init__(message)
        self.status = status


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
