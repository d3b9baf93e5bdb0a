"""Which recordings of a pass have been sent already: pages overlap, and many rows would be sent twice.

The first request of a pass asks for everything, and what comes is in a slice again; a slice in which something changed
is read again; a recording without a date comes with every slice.
"""

from __future__ import annotations

from typing import Any

import msgspec

MOST = 20_000
"""Recordings that are remembered: some three megabytes. Those that come again mostly do so soon."""

_encode = msgspec.json.Encoder(decimal_format="number").encode


class SentRecordings:
    """Remembers the recordings sent last, by a hash of their content."""

    def __init__(self) -> None:
        """Begin with a pass."""
        self._hashes: dict[int, int] = {}

    def is_repeated(self, record: dict[str, Any], details: object = None) -> bool:
        """Whether a recording, as it came, was sent already and is the same, with its details. Takes note of it."""
        key, content = hash(str(record.get("id"))), _hash((record, details))
        repeated = self._hashes.pop(key, None) == content
        if content is None:
            return False
        self._hashes[key] = content  # as the last one, also if it was there
        if len(self._hashes) > MOST:
            del self._hashes[next(iter(self._hashes))]
        return repeated


def _hash(content: object) -> int | None:
    """None for what cannot be encoded, because it is nested too deeply."""
    try:
        return hash(_encode(content))
    except (ValueError, OverflowError, RecursionError):
        return None
