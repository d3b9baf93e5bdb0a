"""What a sync reports: log lines on its progress, and recordings that could not be loaded."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from tap_siro import timestamps
from tap_siro.sync.state import BOOKMARK, has_open_history, read_bookmark

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_siro.api.decoding import Page
    from tap_siro.settings import Settings
    from tap_siro.singer.writer import StreamWriter
    from tap_siro.sync.reader import PassReader
    from tap_siro.sync.slices import Slice
    from tap_siro.sync.state import Progress

PROGRESS_SECONDS = 10.0
"""Seconds between two log lines on a long pass."""

logger = logging.getLogger(__name__)


class RecordsWithoutId:
    """Records without an id: counted, and reported at the end."""

    def __init__(self, what: str = "recording(s)") -> None:
        self._what = what
        self._seen: set[int] = set()
        self._created: list[int] = []

    def add(self, record: object, created: int | None) -> None:
        """Count a record."""
        # The same one comes again if its slice is read again; only its content can tell.
        self._seen.add(hash(repr(record)))
        if created is not None:
            self._created = [min([*self._created, created]), max([*self._created, created])]

    def fault(self) -> str | None:
        """What to do about them, if there were any."""
        if not self._seen:
            return None
        when = " and ".join(timestamps.text(timestamp) for timestamp in dict.fromkeys(self._created))
        when = f"created between {when}" if " and " in when else f"created at {when}" if when else "of unknown age"
        return (
            f"{len(self._seen)} {self._what} {when} came without an id and cannot be loaded. All others were, and the "
            "bookmarks have moved. Report it to Siro with these dates."
        )


class UndatedRecordings:
    """Warns, once in a run, of recordings that slices may not have: they do not say when they were created."""

    def __init__(self) -> None:
        """Begin with a run."""
        self._warned = False

    def add(self, page: Page, *, bounded: bool) -> None:
        """Look at a page. Those of slices are no reason to warn: the API does return such recordings there."""
        if self._warned or not bounded or not page.whole or None not in page.created:
            return
        self._warned = True
        logger.warning(
            "Siro returned a recording without a readable `createdAt`. A long history asks by that date and may "
            "miss such recordings; they come when they are updated. Please report it to Siro."
        )


def warn_of_bookmarks(streams: Iterable[StreamWriter], settings: Settings, now: int) -> list[StreamWriter]:
    """Say what is strange about bookmarks, beside the settings and the clock.

    Returns:
        The streams that have something to read.
    """
    left: list[StreamWriter] = []
    future: list[str] = []
    for stream in streams:
        bookmark = read_bookmark(stream.state)
        if bookmark is None and stream.state.get(BOOKMARK) is not None:
            logger.warning(
                "The bookmark of '%s' in the state is not a date, so its history is read again. If the state was "
                "changed by hand, restore it.",
                stream.name,
            )
        if stream.full_table or bookmark is None:
            left.append(stream)
            continue
        if settings.start is not None and settings.start > bookmark:
            logger.warning(
                "`start_date` is later than the bookmark of '%s' (%s) and does nothing: the sync goes on from the "
                "bookmark. To leave out what is in between, clear the stream's state.",
                stream.name, timestamps.text(bookmark),
            )  # fmt: skip
        if settings.end is not None and settings.end < bookmark and not has_open_history(stream.state):
            logger.warning(
                "`end_date` is earlier than the bookmark of '%s' (%s), so nothing is read for it. To read a window "
                "again, use a state of its own.",
                stream.name, timestamps.text(bookmark),
            )  # fmt: skip
            continue
        left.append(stream)
        if bookmark - settings.lookback > now:
            future.append(f"'{stream.name}' ({timestamps.text(bookmark)})")
    if future:
        logger.warning(
            "A bookmark is in the future, so nothing comes until then: %s. If the state was changed by hand, restore "
            "it, or read the streams again; otherwise check this machine's clock.",
            ", ".join(future),
        )
    return left


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
        """Count the recordings of a page, and log the progress."""
        self._records += records
        self.show(reader)

    def show(self, reader: PassReader) -> None:
        """Log the progress, if there is any and the last line is old enough."""
        now = time.monotonic()
        if now - self._logged < PROGRESS_SECONDS or not (self._records or reader.details):
            return
        self._logged = now
        rate = self._records / (now - self._started)
        position, left = reader.position, reader.rows_left()
        logger.info(
            "%s: %d recordings%s%s; done up to %s%s.",
            self._name,
            self._records,
            f" and details of {reader.details}" if reader.details else "",
            f", {rate:.1f} a second" if rate else "",
            "(not yet known)" if position is None else timestamps.text(position),
            f"; about {left / rate:.0f} seconds left" if left is not None and rate else "",
        )

    def end(self) -> None:
        """Log the end of the pass."""
        seconds = time.monotonic() - self._started
        logger.info("%s: done, %d recordings in %.1f seconds.", self._name, self._records, seconds)
