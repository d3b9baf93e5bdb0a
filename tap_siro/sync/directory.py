"""Reads directories: what recordings point to, each read whole, one after the other.

A directory that cannot be read costs only itself. One that was read to its end lets the target drop what is gone at
Siro, by ACTIVATE_VERSION; a part of one, or an empty answer, never does.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_siro import timestamps
from tap_siro.errors import StoppedError, TapSiroError
from tap_siro.records.cleaning import FieldWarnings
from tap_siro.sync.directory_pages import DirectoryPages
from tap_siro.sync.reporting import PROGRESS_SECONDS, RecordsWithoutId, warn_of_bookmarks
from tap_siro.sync.state import Kind, Progress, next_pass, write_end

if TYPE_CHECKING:
    from tap_siro.api.client import Client
    from tap_siro.records.cleaning import RecordCleaner
    from tap_siro.records.recording import Record
    from tap_siro.settings import Settings
    from tap_siro.singer.signals import Stop
    from tap_siro.singer.writer import RecordWriter, StreamWriter

logger = logging.getLogger(__name__)

Pages = Iterator[Sequence[Any]]
"""Records as the API sent them, usually objects."""


@dataclass(frozen=True, slots=True)
class Directory:
    """What an endpoint lists, and the streams that its records go to."""

    name: str
    """The stream of its records; of others, records are cut from them."""
    pages: Callable[[DirectoryPages, int | None], Pages]
    """Asks for all records, or for those created at or after a timestamp."""
    cleaner: Callable[[FieldWarnings], RecordCleaner]
    writer: RecordWriter
    incremental: bool
    """Whether it is read on from a bookmark; otherwise it is read whole each time."""


class DirectoryReader:
    """Reads the selected directories."""

    def __init__(
        self,
        directories: Sequence[Directory],
        client: Client,
        settings: Settings,
        stop: Stop,
    ) -> None:
        """Prepare to read.

        Args:
            directories: What to read, in this order.
            client: Sends the requests.
            settings: The tap's settings.
            stop: Set when the sync is to end.
        """
        self._directories = directories
        self._client = client
        self._settings = settings
        self._field_warnings = FieldWarnings()
        self._stop = stop

    @property
    def streams(self) -> list[StreamWriter]:
        """The streams that the records go to."""
        return [stream for directory in self._directories for stream in directory.writer.streams]

    def read(self, max_records: int | None = None) -> list[str]:
        """Read all directories; with a record limit, only show a few records of each.

        Returns:
            What could not be loaded, and what to do about it: a sentence or two for each directory.

        Raises:
            StoppedError: The sync is being stopped. The state is written all the same.
        """
        faults = []
        pages = DirectoryPages(self._client, self._settings)
        for directory in self._directories:
            try:
                fault = self._read(directory, pages, max_records)
            except TapSiroError as error:
                fault = _fault(directory, error)
            finally:
                directory.writer.write_state()
            faults += [fault] if fault else []
        return faults

    def _read(self, directory: Directory, pages: DirectoryPages, max_records: int | None) -> str | None:
        now = timestamps.now()
        writer = directory.writer
        stream = writer.streams[0]
        plan = self._plan(directory, now)
        if plan is None:
            return None
        activates = writer.versioned and not directory.incremental and max_records is None
        if activates:
            for each in writer.streams:
                each.version = now
        clean = directory.cleaner(self._field_warnings.of_stream(keeps_others=writer.keeps_others(directory.name)))
        without_id = RecordsWithoutId(f"record(s) of '{directory.name}'")
        records, logged_at = 0, time.monotonic()
        pages.part = False
        self._check_going()
        for page in directory.pages(pages, plan.since):
            cleaned = list(_loadable(page, clean, without_id))
            writer.write(((record, writer.streams) for record in cleaned), max_records)
            records += len(cleaned)
            if directory.incremental:
                plan = plan.at(None, _newest(cleaned, stream.bookmark_column))
            if max_records is not None:
                return without_id.fault()
            self._check_going()
            if time.monotonic() - logged_at >= PROGRESS_SECONDS:
                logged_at = time.monotonic()
                logger.info("%s: %d records so far.", directory.name, records)
        logger.info("%s: %d records.", directory.name, records)
        if directory.incremental and plan.kind is not Kind.FULL_TABLE:
            write_end(stream.state, stream.bookmark_column, plan, self._settings)
        fault = without_id.fault()
        if activates and not pages.part and fault is None:
            _activate(directory)
        return fault

    def _plan(self, directory: Directory, now: int) -> Progress | None:
        """What is to be read; None if nothing is."""
        if not directory.incremental:
            return Progress(Kind.FULL_TABLE, None, "").begun(now)
        streams = warn_of_bookmarks(directory.writer.streams, self._settings, now)
        passes = [next_pass(each.state, self._settings, now=now, full_table=each.full_table) for each in streams]
        return passes[0].begun(now) if passes else None

    def _check_going(self) -> None:
        if self._stop.is_set():
            raise StoppedError


def _loadable(page: Sequence[Any], clean: RecordCleaner, without_id: RecordsWithoutId) -> Iterator[Record]:
    for record in page:
        if isinstance(record, dict) and (cleaned := clean(record))["id"]:
            yield cleaned
        else:
            created = record.get("createdAt") if isinstance(record, dict) else None
            without_id.add(record, timestamps.parse(created))


def _newest(records: Sequence[Mapping[str, Any]], column: str) -> int | None:
    found = (timestamps.parse(record[column]) for record in records)
    return max((timestamp for timestamp in found if timestamp is not None), default=None)


def _activate(directory: Directory) -> None:
    """Let the target drop what is gone at Siro, but not all that it has: no records at all may be a fault."""
    directory.writer.activate_versions([stream for stream in directory.writer.streams if stream.records])
    if empty := [stream.name for stream in directory.writer.streams if not stream.records]:
        logger.warning(
            "Siro's API returned nothing for %s, so that rows that were loaded before stay as they are. If there is "
            "nothing of the kind at Siro, deselect the stream.",
            " and ".join(f"'{name}'" for name in empty),
        )


def _fault(directory: Directory, error: TapSiroError) -> str:
    names = [stream.name for stream in directory.writer.streams]
    which = " and ".join(f"'{name}'" for name in names)
    rules = " and ".join(f"`!{name}.*`" for name in names)
    return (
        f"{which} could not be loaded; all other streams were. {error} If you can do without, deselect what is named: "
        f"in Meltano with {rules} in `select`, else with `selected: false` in the catalog."
    )
