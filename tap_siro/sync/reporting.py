"""What a sync reports: log lines on its progress, and recordings that could not be loaded."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from tap_siro import timestamps
from tap_siro.errors import TapSiroError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_siro.singer.writer import StreamWriter
    from tap_siro.sync.reader import PassReader
    from tap_siro.sync.slices import Slice
    from tap_siro.sync.state import Progress

PROGRESS_SECONDS = 10.0
"""Seconds between two log lines on a long pass."""

logger = logging.getLogger(__name__)


class RecordsWithoutId:
    """Recordings without an id: counted, and reported at the end."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._created: list[int] = []

    def add(self, record: object, created: int | None) -> None:
        """Count a recording."""
        # The same one comes again if its slice is read again; only its content can tell.
        self._seen.add(hash(repr(record)))
        if created is not None:
            self._created = [min([*self._created, created]), max([*self._created, created])]

    def raise_if_any(self) -> None:
        """Raise a `TapSiroError` if there was one."""
        if not self._seen:
            return
        when = " and ".join(timestamps.text(timestamp) for timestamp in dict.fromkeys(self._created))
        when = f"created between {when}" if " and " in when else f"created at {when}" if when else "of unknown age"
        message = (
            f"{len(self._seen)} recording(s) {when} came without an id and cannot be loaded. All others were, and the "
            "bookmarks have moved. Report it to Siro with these dates."
        )
        raise TapSiroError(message)


class ProgressLog:
    """Log lines on a pass: when it begins and ends, and every now and then if it is long."""

    def __init__(self, plans: Mapping[StreamWriter, Progress], whole: Slice) -> None:
        plan = next(iter(plans.values()))
        since = min((p.since for p in plans.values()), key=lambda since: since or float("-inf"))
        self._name = f"{plan.kind.value.capitalize()} of {', '.join(stream.name for stream in plans)}"
        self._started = self._logged = time.monotonic()
        self._records = 0
        logger.info(
            "%s: reading what was updated since %s%s.",
            self._name,
            "the beginning" if since is None else timestamps.text(since),
            f", going on from what was created at {timestamps.text(whole.start)}"
            if plan.resumed and whole.start
            else "",
        )

    def page(self, records: int, reader: PassReader) -> None:
        """Log the progress, if the last line is old enough."""
        self._records += records
        now = time.monotonic()
        if now - self._logged < PROGRESS_SECONDS:
            return
        self._logged = now
        rate = self._records / (now - self._started)
        position, left = reader.position, reader.rows_left()
        logger.info(
            "%s: %d recordings, %.0f a second; done up to %s%s.",
            self._name,
            self._records,
            rate,
            "(not yet known)" if position is None else timestamps.text(position),
            f"; about {left / rate:.0f} seconds left" if left is not None and rate else "",
        )

    def end(self) -> None:
        """Log the end of the pass."""
        seconds = time.monotonic() - self._started
        logger.info("%s: done, %d recordings in %.1f seconds.", self._name, self._records, seconds)
