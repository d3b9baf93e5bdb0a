"""The one flag by which a sync is stopped, from a signal handler or from another thread."""

from __future__ import annotations

import threading
import time

STEP = 0.2
"""Seconds between two looks at the flag."""


class Stop:
    """Set once, looked at by everybody who waits."""

    def __init__(self) -> None:
        """Start unset."""
        self.signal: int | None = None
        """The signal that asked for it. A plain attribute: a handler may not take a lock."""
        self._event = threading.Event()

    def set(self) -> None:
        """Stop. Not for signal handlers."""
        self._event.set()

    def is_set(self) -> bool:
        """Whether to stop."""
        return self.signal is not None or self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait, or return True as soon as it is set."""
        deadline = time.monotonic() + seconds
        while not self.is_set() and (left := deadline - time.monotonic()) > 0:
            self._event.wait(min(left, STEP))
        return self.is_set()
