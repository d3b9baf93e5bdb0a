"""The rate limit that all requests share."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pyrate_limiter import InMemoryBucket, Limiter, Rate
from pyrate_limiter.limiter import SingleBucketFactory

from tap_siro.timestamps import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE = 60 * SECOND


class RateLimit:
    """At most so many requests within any minute, whatever thread they come from."""

    def __init__(self, per_minute: int) -> None:
        """Allow `per_minute` requests."""
        bucket = InMemoryBucket([Rate(per_minute, MINUTE)])
        self._bucket = bucket
        # Without the library's own thread: the few old entries are dropped here.
        self._limiter = Limiter(SingleBucketFactory(bucket, schedule_leak=False))
        # The library says no, too, when another thread is just asking.
        self._lock = threading.Lock()

    def wait(self, pause: Callable[[float], None]) -> None:
        """Return when a request may go out; `pause` is called with seconds to wait."""
        while not self._allows():
            pause(0.05)

    def _allows(self) -> bool:
        with self._lock:
            self._bucket.leak(int(self._bucket.now()))  # type: ignore[no-untyped-call]
            return bool(self._limiter.try_acquire(blocking=False))
