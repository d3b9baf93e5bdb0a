"""Reports of a sync: log lines on its progress, and recordings that could not be loaded."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_siro import timestamps
from tap_siro.errors import StreamMapError
from tap_siro.sync.state import BOOKMARK, PassKind, has_open_history, read_bookmark

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from tap_siro.clock import Clock
    from tap_siro.errors import TapSiroError
    from tap_siro.records.recording import Record
    from tap_siro.settings import Settings
    from tap_siro.singer.writer import StreamWriter
    from tap_siro.sync.details import Detail
    from tap_siro.sync.slice_fetcher import RecordingsPage
    from tap_siro.sync.slices import Slice
    from tap_siro.sync.state import StreamPass

_KINDS = {
    PassKind.POLL: "Incremental sync",
    PassKind.HISTORY: "Full sync",
    PassKind.FULL_TABLE: "Full-table sync",
}
PROGRESS_SECONDS = 10.0
"""Seconds between two log lines on a long pass."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Fault:
    """A failure to load something. It is reported at the end of the run, which then has status 1."""

    message: str
    streams: Sequence[str] = ()
    """The streams that lack everything, or the rest, if they are to be named."""

    @classmethod
    def of(cls, error: TapSiroError, streams: Iterable[StreamWriter]) -> Fault:
        """Return the fault of streams that could not be read. To deselect them is no advice against a stream map."""
        return cls(str(error), [] if isinstance(error, StreamMapError) else [stream.name for stream in streams])


def describe_faults(faults: Iterable[Fault], streams: Collection[str]) -> str:
    """Return the sentences of all faults; streams that lack the same thing are named together.

    Args:
        faults: What could not be loaded.
        streams: The selected streams. Where none could be loaded, they need not be named.
    """
    sentences, groups = [], defaultdict[str, list[str]](list)
    for fault in faults:
        if fault.streams:
            groups[fault.message] += fault.streams
        else:
            sentences.append(fault.message)
    for message, lacking in groups.items():
        sentences.append(message)
        if set(lacking) != set(streams):
            names, rules = (listed([form.format(name) for name in lacking]) for form in ("'{}'", "`!{}.*`"))
            sentences.append(
                f"Failed to load {names}; all other streams were loaded. If you do not need them, deselect them: in "
                f"Meltano with {rules} in `select`, else with `selected: false` in the catalog."
            )
    return " ".join(sentences)


def listed(names: Sequence[str]) -> str:
    """Return names as a part of a sentence: `a, b and c`."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


class _Counted:
    """Count of records, each counted once, and when their recordings were created: the first and the last."""

    def __init__(self) -> None:
        self._keys = set[object]()
        self._moments: list[int] = []

    def __len__(self) -> int:
        return len(self._keys)

    def _count(self, key: object, created: int | None) -> None:
        self._keys.add(key)
        if created is not None:
            self._moments = [min([*self._moments, created]), max([*self._moments, created])]

    def _creation(self) -> str:
        when = [timestamps.text(moment) for moment in dict.fromkeys(self._moments)]
        return f"created between {' and '.join(when)}" if when[1:] else f"created at {when[0]}" if when else "undated"


class RecordsWithoutId(_Counted):
    """Records without an id: counted, and reported at the end."""

    def __init__(self, what: str = "recording(s)") -> None:
        super().__init__()
        self._what = what

    def add(self, record: object, created: int | None) -> None:
        """Count a record, and say so now if it is the first: the run may be ended before the end."""
        if not self:
            logger.warning("Some %s came without an id. Their number is reported at the end of the run.", self._what)
        # The same one comes again if its slice is read again; only its content can tell.
        self._count(hash(repr(record)), created)

    def faults(self) -> Iterator[Fault]:
        """Yield what to do about them, if there were any."""
        if self:
            yield Fault(
                f"{len(self)} {self._what} {self._creation()} came without an id and cannot be loaded. All others were "
                "loaded, and the bookmarks have moved. Report it to Siro with these dates."
            )


class FailedRecordings(_Counted):
    """Recordings whose details failed: counted, and reported at the end."""

    _last = ""

    def add(self, recording: Record, created: int | None, error: TapSiroError) -> None:
        """Count a recording, and say so now if it is the first."""
        if not self:
            logger.warning("%s Recordings that fail are skipped; their number is reported at the end.", error)
        self._count(recording["id"], created)
        self._last = str(error)

    def fault(self, names: str, then: str) -> Fault:
        """Return what to do about them."""
        return Fault(
            f"Failed to load {names} of {len(self)} recording(s) {self._creation()}; those of all others were loaded. "
            f"{self._last} {then}"
        )


class PoisonRecordings(_Counted):
    """Recordings that the API cannot return."""

    def add(self, slices: Iterable[Slice]) -> None:
        """Count one recording for each slice."""
        for each in slices:
            self._count(each, each.start)

    def faults(self) -> Iterator[Fault]:
        """Yield what to do about them, if there were any."""
        if self:
            yield Fault(
                f"Siro's API fails on a page of recordings {self._creation()} (within a second), however small it is, "
                "while others come. All others were loaded, and the bookmarks stay where they were. Report it to Siro "
                "with that date."
            )


class UndatedRecordings:
    """Warns, once in a run, of recordings that slices may not have: they do not say when they were created."""

    def __init__(self) -> None:
        self._warned = False

    def add(self, page: RecordingsPage, *, bounded: bool) -> None:
        """Look at a page. Those of slices are no reason to warn: the API does return such recordings there."""
        is_whole = page.part.start is None and page.part.end is None
        if self._warned or not bounded or not is_whole or None not in page.created:
            return
        self._warned = True
        logger.warning(
            "Siro returned a recording without a readable `createdAt`. A long history is read by that date and "
            "may lack such recordings until they are updated. Report it to Siro."
        )


def warn_of_bookmarks(streams: Iterable[StreamWriter], settings: Settings, now: int) -> list[StreamWriter]:
    """Warn of bookmarks that do not fit the settings or the clock: once for each reason.

    Returns:
        The streams that have something to read.
    """
    left: list[StreamWriter] = []
    invalid, passed_over, ended, future = [list[str]() for _ in range(4)]
    for stream in streams:
        bookmark = read_bookmark(stream.state)
        if bookmark is None and stream.state.get(BOOKMARK) is not None:
            invalid.append(f"'{stream.name}'")
        if stream.full_table or bookmark is None:
            left.append(stream)
            continue
        name = f"'{stream.name}' ({timestamps.text(bookmark)})"
        if settings.start is not None and settings.start > bookmark:
            passed_over.append(name)
        if settings.end is not None and settings.end < bookmark and not has_open_history(stream.state):
            ended.append(name)
            continue
        left.append(stream)
        if bookmark - settings.lookback > now:
            future.append(name)
    for message, names in zip(_BOOKMARK_WARNINGS, (invalid, passed_over, ended, future), strict=True):
        if names:
            logger.warning(message, ", ".join(names))
    return left


_BOOKMARK_WARNINGS = (
    (
        "The bookmark of %s in the state is not a date. The tap reads the stream from its beginning. If the state was "
        "changed by hand, restore it."
    ),
    (
        "`start_date` is later than the bookmark of %s and is ignored: the sync continues from the bookmark. To leave "
        "out what is in between, clear the stream's state."
    ),
    (
        "`end_date` is earlier than the bookmark of %s, so nothing is read. To read a window again, use a state of its "
        "own."
    ),
    (
        "A bookmark is in the future, so nothing is read until then: %s. If the state was changed by hand, restore it, "
        "or read the streams again. Otherwise check this machine's clock."
    ),
)


class PassLog:
    """Log lines on a pass: when it begins and ends, and every now and then if it is long."""

    def __init__(
        self, clock: Clock, plans: Mapping[StreamWriter, StreamPass], whole: Slice, details: Sequence[Detail]
    ) -> None:
        """Log that a pass over `whole` begins. `details` count their requests."""
        plan = next(iter(plans.values()))
        since = min((p.since for p in plans.values()), key=lambda since: float("-inf") if since is None else since)
        self._clock = clock
        self._details = details
        self._fetched = self._count_details()
        self._name = f"{_KINDS[plan.kind]} of {', '.join(stream.name for stream in plans)}"
        self._started = self._logged = clock.monotonic()
        self._records = 0
        self._shown = (0, 0)
        logger.info(
            "%s: reading what was updated since %s%s%s.",
            self._name,
            "the beginning" if since is None else timestamps.text(since),
            "" if plan.until is None else f" and before {timestamps.text(plan.until)}",
            f", going on from what was created at {timestamps.text(whole.start)}"
            if plan.resumed and whole.start
            else "",
        )

    def _count_details(self) -> int:
        return sum(detail.fetched for detail in self._details)

    def count(self) -> None:
        """Count a recording that was written."""
        self._records += 1

    def show(self, position: int | None, rows_left: float | None) -> None:
        """Log the progress, if there is any since the last line and that is old enough."""
        now = self._clock.monotonic()
        details = self._count_details() - self._fetched
        if now - self._logged < PROGRESS_SECONDS or (self._records, details) == self._shown:
            return
        self._logged, self._shown = now, (self._records, details)
        rate = self._records / (now - self._started)
        logger.info(
            "%s: %d recordings%s%s; done up to %s%s.",
            self._name,
            self._records,
            f" and {details} details" if details else "",
            f", {rate:.1f} a second" if rate else "",
            "(not yet known)" if position is None else timestamps.text(position),
            f"; about {rows_left / rate:.0f} seconds left" if rows_left is not None and rate else "",
        )

    def end(self) -> None:
        """Log the end of the pass."""
        seconds = self._clock.monotonic() - self._started
        logger.info("%s: done, %d recordings in %.1f seconds.", self._name, self._records, seconds)
