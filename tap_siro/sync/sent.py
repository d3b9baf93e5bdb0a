"""Memory of the recordings of a pass that have been sent: pages overlap, and many rows would be sent twice.

The first request of a pass asks for everything, and what comes is in a slice again; a slice in which something changed
is read again; a recording without a date comes with every slice.
"""

from __future__ import annotations

from typing import Any

import msgspec

MAX_REMEMBERED = 20_000
"""Recordings that are remembered: some three megabytes. Those that come again mostly do so soon."""

_encode = msgspec.json.Encoder(decimal_format="number").encode


class SentRecordings:
    """Remembers the recordings sent last, by a hash of their content."""

    def __init__(self) -> None:
        self._hashes: dict[int, int] = {}

    def seen_before(self, record: dict[str, Any]) -> bool:
        """Return True if a recording, as it came, was sent already and is the same. Remembers it."""
        key = hash(str(record.get("id")))
        before = self._hashes.pop(key, None)
        try:
            content = hash(_encode(record))
        except (ValueError, OverflowError, RecursionError):
            return False  # nested too deep to be compared
        self._hashes[key] = content  # as the last one, also if it was there
        if len(self._hashes) > MAX_REMEMBERED:
            del self._hashes[next(iter(self._hashes))]
        return before == content
