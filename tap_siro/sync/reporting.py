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

MANY_GONE = 20
"""Recordings of which nothing was there, and of none something: that is rather the address than the recordings."""

logger = logging.getLogger(__name__)


class RecordsWithoutId:
    """Records without an id: counted, and reported at the end."""

    def __init__(self, what: str = "recording(s)") -> None:
        self._what = what
        self._seen: set[int] = set()
        self._created: list[int] = []

    def add(self, record: object, created: int | None) -> None:
        """Count a record, and say so now if it is the first: the run may be ended before the end."""
        if not self._seen:
            logger.warning("Some %s came without an id. How many there are is said at the end.", self._what)
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


class MissingDetails(RecordsWithoutId):
    """What was to come of single recordings, and did not."""

    def __init__(self, stream: str) -> None:
        super().__init__(f"record(s) of '{stream}', of recordings")
        self._stream = stream
        self._gone = 0
        self._found = False

    def looked_for(self, *, gone: bool) -> None:
        """Count a recording."""
        self._gone += gone
        self._found = self._found or not gone

    def fault(self) -> str | None:
        """What to do about it, if something did not come."""
        if self._found or self._gone < MANY_GONE:
            return super().fault()
        return (
            f"Siro's API knew none of the {self._gone} recordings of which '{self._stream}' was asked for (404, 410). "
            "All other records were loaded, and the bookmarks have moved. Check the address in the settings, and read "
            "the stream again; if there is nothing of the kind at Siro, deselect it."
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
        self._pages = self._records = 0
        self._shown = (0, 0)
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
        self._pages += 1
        self._records += records
        self.show(reader)

    def show(self, reader: PassReader) -> None:
        """Log the progress, if there is any since the last line and that is old enough."""
        now = time.monotonic()
        progress = self._pages, reader.details
        if now - self._logged < PROGRESS_SECONDS or progress == self._shown:
            return
        self._logged, self._shown = now, progress
        rate = self._records / (now - self._started)
        position, left = reader.position, reader.rows_left()
        logger.info(
            "%s: %d recordings%s%s; done up to %s%s.",
            self._name,
            self._records,
            f" and {reader.details} details" if reader.details else "",
            f", {rate:.1f} a second" if rate else "",
            "(not yet known)" if position is None else timestamps.text(position),
            f"; about {left / rate:.0f} seconds left" if left is not None and rate else "",
        )

    def end(self) -> None:
        """Log the end of the pass."""
        seconds = time.monotonic() - self._started
        logger.info("%s: done, %d recordings in %.1f seconds.", self._name, self._records, seconds)
