"""Clock of a run, its waits, and the flag that ends them. Tests inject their own clock."""

from __future__ import annotations

import threading
import time

from tap_siro.errors import StoppedError

POLL_SECONDS = 0.2
"""Seconds between two looks at the flag."""


class Clock:
    """Clock that also waits, and ends waits when the run stops. All threads of a run share one."""

    def __init__(self) -> None:
        self.signal: int | None = None
        """The signal that asked the run to end. A plain attribute: a signal handler may not take a lock."""
        self._stopped = threading.Event()

    def monotonic(self) -> float:
        """Return seconds since some moment in the past."""
        return time.monotonic()

    def stop(self) -> None:
        """End all waits. Not for signal handlers, which set `signal`."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        """True once the run is to end."""
        return self.signal is not None or self._stopped.is_set()

    def check(self) -> None:
        """Raise a `StoppedError` if the run is to end."""
        if self.stopped:
            raise StoppedError

    def wait(self, seconds: float) -> None:
        """Wait, or raise a `StoppedError` as soon as the run is to end."""
        deadline = self.monotonic() + seconds
        while not self.stopped and (left := deadline - self.monotonic()) > 0:
            self._stopped.wait(min(left, POLL_SECONDS))
        self.check()
