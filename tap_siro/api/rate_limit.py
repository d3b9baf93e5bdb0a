"""The rate limit that all requests share."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pyrate_limiter import Duration, Limiter, Rate

if TYPE_CHECKING:
    from collections.abc import Callable

PAUSE_SECONDS = 0.05

logger = logging.getLogger(__name__)
logging.getLogger("pyrate_limiter").setLevel(logging.WARNING)  # at INFO, it logs how it was made


class RateLimit:
    """At most so many requests within any minute, whatever thread they come from."""

    def __init__(self, per_minute: int) -> None:
        """Allow `per_minute` requests."""
        self._per_minute = per_minute
        self._limiter = Limiter(Rate(per_minute, Duration.MINUTE))
        self._has_waited = False

    def close(self) -> None:
        """End the limiter's own thread."""
        self._limiter.close()

    def wait(self, pause: Callable[[float], None]) -> None:
        """Return when a request may go out; `pause` is called with seconds to wait."""
        while not self._limiter.try_acquire(blocking=False):
            if not self._has_waited:
                self._has_waited = True
                logger.info(
                    "Reached %d requests in a minute (`requests_per_minute`), so the tap waits until more are allowed. "
                    "It does so again without a line in the log.",
                    self._per_minute,
                )
            pause(PAUSE_SECONDS)
