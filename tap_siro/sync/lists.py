"""Lists: what recordings point to. All selected ones are read at the same time, and each fails alone.

A list that was read to its end lets the target drop what was deleted at source, by ACTIVATE_VERSION; a part of one, or
an empty answer, never does.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from tap_siro import timestamps
from tap_siro.errors import OutputError, TapSiroError
from tap_siro.records.cleaning import RecordCleaner
from tap_siro.sync.list_client import ListClient
from tap_siro.sync.reader import Done, Failed
from tap_siro.sync.reporting import PROGRESS_SECONDS, Fault, RecordsWithoutId, warn_of_bookmarks
from tap_siro.sync.state import PassKind, next_pass, write_end

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tap_siro.api.client import Client
    from tap_siro.api.pages import Page
    from tap_siro.clock import Clock
    from tap_siro.records.cleaning import FieldWarnings
    from tap_siro.records.recording import Record
    from tap_siro.settings import Settings
    from tap_siro.singer.writer import RecordWriter, StreamWriter
    from tap_siro.sync.reader import Reader
    from tap_siro.sync.state import StreamPass
    from tap_siro.sync.stream_kinds import ListStream

logger = logging.getLogger(__name__)


class ListRead:
    """One list in this run: its streams, and what came so far."""

    def __init__(self, stream: type[ListStream], writer: RecordWriter, field_warnings: FieldWarnings) -> None:
        """Prepare to read a list, whose own stream may be deselected, for the selected streams of a writer."""
        self.stream = stream
        self.writer = writer
        self.client: ListClient | None = None
        self.plan: StreamPass | None = None
        """The pass of a list with a bookmark, from its settings and state."""
        self.is_done = False
        """All pages have come that will."""
        self.error: TapSiroError | None = None
        """Reason why the list is not whole."""
        self._records = self._kept = 0
        """Records with a key, and those that a stream map's filter has left."""
        self._logged = 0
        keeps_others = {each.name for each in writer.streams if each.keeps_others}
        self._cleaners = {
            each: RecordCleaner(
                each.columns, field_warnings, each.name, left_out=each.left_out, keeps_others=each.name in keeps_others
            )
            for each in (stream, *stream.derived_streams())
            if each is stream or each.is_flattened
        }
        self._without_id = RecordsWithoutId(f"record(s) of '{stream.name}'")
        self._is_activated = writer.versioned and stream.replication_key is None

    def begin(self, settings: Settings, now: int, *, is_sample: bool = False) -> bool:
        """Decide what to read; False if nothing is. A sample gets no version: a target would drop all other rows."""
        if self.stream.replication_key is not None:
            streams = warn_of_bookmarks(self.writer.streams, settings, now)
            if not streams:
                return False
            (stream,) = streams
            self.plan = next_pass(stream.state, settings, now=now, full_table=stream.full_table).begun(now)
        if self._is_activated and not is_sample:
            for each in self.writer.streams:
                each.version = now
        return True

    def fetch(self, client: ListClient) -> Iterator[Page]:
        """Yield the pages. Called in a worker thread."""
        self.client = client
        return self.stream.pages(client, self.plan.since if self.plan else None)

    def write(self, page: Page, max_records: int | None = None) -> None:
        """Clean and write the records of a page."""
        self.writer.write(self._groups(page), max_records)

    def _groups(self, page: Page) -> Iterator[list[tuple[StreamWriter, list[Record]]]]:
        for record in page.records:
            cleaned = self._cleaners[self.stream](self.stream.flatten(record)[0]) if isinstance(record, dict) else {}
            if not all(cleaned.get(key) for key in self.stream.primary_keys):
                created = record.get("createdAt") if isinstance(record, dict) else None
                self._without_id.add(record, timestamps.parse(created))
                continue
            self._records += 1
            if self.plan is not None:
                self.plan = self.plan.at(None, timestamps.parse(cleaned[self.writer.streams[0].bookmark_column]))
            if self.writer.keeps(cleaned):
                self._kept += 1
                yield [(stream, self._rows(stream, record, cleaned)) for stream in self.writer.streams]

    def _rows(self, stream: StreamWriter, record: Mapping[str, Any], cleaned: Record) -> list[Record]:
        kind = stream.stream
        if kind is self.stream:
            return [cleaned]
        if not kind.is_flattened:
            return kind.derive(cleaned)
        clean = self._cleaners[kind]
        return [clean(row) for row in kind.flatten(record) if isinstance(row, dict)]

    def end(self, settings: Settings) -> Iterator[Fault]:
        """Close a list that was read to its end: move its bookmark, or activate its version."""
        logger.info("%s: %d records.", self.stream.name, self._records)
        if self.plan is not None and self.plan.kind is not PassKind.FULL_TABLE:
            (stream,) = self.writer.streams
            write_end(stream.state, stream.bookmark_column, self.plan, settings)
        yield from self._without_id.faults()
        if not self._without_id and self._is_activated and self.client is not None and not self.client.is_part:
            self._activate()

    def _activate(self) -> None:
        """Let the target drop what was deleted at source, but not all that it has: an empty list may be a fault."""
        is_filtered = self._records and not self._kept
        self.writer.activate_versions([stream for stream in self.writer.streams if stream.records or is_filtered])
        if empty := [stream.name for stream in self.writer.streams if not stream.records and not is_filtered]:
            logger.warning(
                "Siro's API returned nothing for %s, so rows that were loaded before stay as they are. If Siro has "
                "nothing of the kind, deselect the stream.",
                " and ".join(f"'{name}'" for name in empty),
            )

    def show(self) -> None:
        """Log how many records came, if there are any since the last line."""
        if self._records != self._logged:
            self._logged = self._records
            logger.info("%s: %d records so far.", self.stream.name, self._records)


class Lists:
    """All selected lists: a source for a `Reader`."""

    def __init__(self, lists: Sequence[ListRead], client: Client, clock: Clock, reader: Reader) -> None:
        now = timestamps.now()
        self.faults: list[Fault] = []
        self._client = client
        self._clock = clock
        self._reader = reader
        self._left = [each for each in lists if each.begin(client.settings, now)]
        self._unfinished = list(self._left)
        self._logged_at = clock.monotonic()

    @property
    def finished(self) -> bool:
        """True if no list is left to take."""
        return not self._left

    @property
    def complete(self) -> bool:
        """True if all lists have been written."""
        return not self._unfinished

    def take(self) -> ListRead | None:
        """Return the next list."""
        return self._left.pop(0) if self._left else None

    def fetch(self, task: ListRead) -> Iterator[tuple[ListRead, Page] | Done]:
        """Yield the pages of a list. Called in a worker thread."""
        for page in task.fetch(ListClient(self._client, task.stream, self._reader.page_slot)):
            yield task, page
            del page  # not to be kept while the next one is fetched
        yield Done(task)

    def receive(self, event: tuple[ListRead, Page] | Done | Failed) -> None:
        """Write a page, or close a list."""
        if isinstance(event, tuple):
            task, page = event
            try:
                if task.error is None:
                    task.write(page)
            except OutputError:
                raise
            except TapSiroError as error:
                task.error = error
            self._reader.free_slot()
            return
        event.task.is_done = True
        if isinstance(event, Failed):
            event.task.error = event.task.error or event.error
        while self._unfinished and self._unfinished[0].is_done:
            self._close(self._unfinished.pop(0))

    def _close(self, task: ListRead) -> None:
        """Close a list when those before it are closed: so the order of messages is the same in each run."""
        if task.error is not None:
            self.faults.append(Fault.of(task.error, task.writer.streams))
        else:
            self.faults += task.end(self._client.settings)
        task.writer.write_state()

    def tick(self) -> None:
        """Log how many records came, every now and then."""
        now = self._clock.monotonic()
        if now - self._logged_at >= PROGRESS_SECONDS:
            self._logged_at = now
            for each in self._unfinished:
                each.show()
