"""stdout without partial writes."""

from __future__ import annotations

import io
import os
import select
import sys
from typing import Any

from tap_siro.errors import TapSiroError


class WholeWrites(io.RawIOBase):
    """File descriptor whose writes return when all bytes are written.

    The system may take only a part of them: when a signal such as SIGCONT comes in between, or when the other side has
    made the pipe non-blocking. A raw file, which stdout is with `PYTHONUNBUFFERED=1`, leaves the rest to its caller.
    """

    def __init__(self, descriptor: int) -> None:
        """Write to `descriptor`, which stays open when this is closed."""
        self._descriptor = descriptor

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._descriptor

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Write all bytes and return their number, or raise an `OSError`."""
        left = memoryview(data)
        written = len(left)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [])
        return written


def write_wholly() -> None:
    """Make `sys.stdout` write without buffering and without partial writes.

    Raises:
        TapSiroError: It is closed.
    """
    if sys.stdout is None:
        raise TapSiroError("stdout is closed, so nothing can be written. Connect it to a target or a file.")
    if sys.stdout is sys.__stdout__:  # not redirected within Python
        whole = WholeWrites(sys.__stdout__.fileno())
        sys.stdout = io.TextIOWrapper(whole, encoding="utf-8", write_through=True)
