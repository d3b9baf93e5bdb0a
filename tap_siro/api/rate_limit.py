"""The rate limit that all requests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrate_limiter import Duration, Limiter, Rate

if TYPE_CHECKING:
    from collections.abc import Callable

PAUSE_SECONDS = 0.05


class RateLimit:
    """At most so many requests within any minute, whatever thread they come from."""

    def __init__(self, per_minute: int) -> None:
        """Allow `per_minute` requests."""
        self._limiter = Limiter(Rate(per_minute, Duration.MINUTE))

    def close(self) -> None:
        """End the limiter's own thread."""
        self._limiter.close()

    def wait(self, pause: Callable[[float], None]) -> None:
        """Return when a request may go out; `pause` is called with seconds to wait."""
        while not self._limiter.try_acquire(blocking=False):
            pause(PAUSE_SECONDS)
