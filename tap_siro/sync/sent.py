"""Which recordings of a pass have been sent already: pages overlap, and many rows would be sent twice.

The first request of a pass asks for everything, and what comes is in a slice again; a slice in which something changed
is read again; a recording without a date comes with every slice.
"""

from __future__ import annotations

import threading
from typing import Any

import msgspec

MOST = 20_000
"""Recordings that are remembered: some three megabytes. Those that come again mostly do so soon."""

_encode = msgspec.json.Encoder(decimal_format="number").encode


class SentRecordings:
    """Remembers the recordings sent last, by a hash of their content."""

    def __init__(self) -> None:
        """Begin with a pass."""
        self._hashes: dict[int, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def is_repeated(self, record: dict[str, Any], details: object = None) -> bool:
        """Whether a recording, as it came, was sent already and is the same. Takes note of it.

        Args:
            record: The recording.
            details: What was asked for of it alone, if anything was: that must have been sent too.
        """
        key, content, more = hash(str(record.get("id"))), _hash(record), _hash(details) if details else 0
        with self._lock:
            before = self._hashes.pop(key, None)
            if content is None or more is None:
                return False  # cannot be compared
            repeated = before is not None and before[0] == content and more in {0, before[1]}
            # As the last one, also if it was there.
            self._hashes[key] = before if repeated and before is not None else (content, more)
            if len(self._hashes) > MOST:
                del self._hashes[next(iter(self._hashes))]
        return repeated


def _hash(content: object) -> int | None:
    """None for what cannot be encoded, because it is nested too deeply."""
    try:
        return hash(_encode(content))
    except (ValueError, OverflowError, RecursionError):
        return None
