"""Passes over the recordings: what becomes of the pages, and how far each stream has come."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tap_siro.records.recording import RecordingCleaner
from tap_siro.sync.details import Detail, DetailClient, DetailRequest
from tap_siro.sync.page_size import MissingScores
from tap_siro.sync.query import SETTLING
from tap_siro.sync.reader import Done, Failed
from tap_siro.sync.reporting import PassLog, PoisonRecordings, RecordsWithoutId, UndatedRecordings
from tap_siro.sync.sent import SentRecordings
from tap_siro.sync.slice_fetcher import RecordingsPage, SliceFetcher
from tap_siro.sync.state import PassKind, StreamPass, drop_progress, write_end, write_progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tap_siro.api.client import Client
    from tap_siro.api.pages import Page
    from tap_siro.records.cleaning import FieldWarnings
    from tap_siro.records.recording import Record
    from tap_siro.singer.writer import RecordWriter, StreamWriter
    from tap_siro.sync.query import Query
    from tap_siro.sync.reader import Reader
    from tap_siro.sync.reporting import Fault

STATE_SECONDS = 2.0
"""Seconds at least between two STATE messages of a pass."""
BATCH_STATE_SECONDS = 300.0
"""The same with BATCH messages: a target merges a file of each stream for each STATE. Its own STATEs come as often."""


@dataclass(slots=True)
class _Recording:
    """A cleaned recording, and the streams that want it."""

    record: Record
    created: int | None
    wanting: Sequence[StreamWriter]
    details: dict[StreamWriter, Sequence[Record]] = field(default_factory=dict)


class RecordingsRun:
    """State that all passes of a run share."""

    def __init__(self, client: Client, writer: RecordWriter, field_warnings: FieldWarnings) -> None:
        self.client = client
        self.writer = writer
        keeps_others = any(stream.keeps_others for stream in writer.streams if stream.detail is None)
        self.clean = RecordingCleaner(field_warnings, keeps_others=keeps_others)
        self.without_id = RecordsWithoutId()
        self.missing_scores = MissingScores()
        self.undated = UndatedRecordings()
        self.accepted: set[frozenset[str]] = set()
        """The names of query parameters that the API has taken together."""
        self.poison = PoisonRecordings()
        details = DetailClient(client)
        kinds = dict.fromkeys(stream.detail for stream in writer.streams if stream.detail is not None)
        self.details = [
            Detail([stream for stream in writer.streams if stream.detail is kind], details, field_warnings)
            for kind in kinds
        ]

    def faults(self) -> Iterator[Fault]:
        """Yield what could not be loaded."""
        yield from self.poison.faults()
        yield from self.without_id.faults()
        for detail in self.details:
            yield from detail.faults()


class RecordingsPass:
    """One pass over the recordings, for some of the streams: a source for a `Reader`."""

    def __init__(
        self,
        run: RecordingsRun,
        reader: Reader,
        plans: Mapping[StreamWriter, StreamPass],
        query: Query,
        *,
        keeps_state: bool = False,
    ) -> None:
        """Prepare to read what `plans` say that the streams need. `keeps_state` leaves their states as they are."""
        self._run = run
        self._reader = reader
        self._plans = dict(plans)
        self._query = query
        self._keeps_state = keeps_state
        positions = [plan.position for plan in plans.values() if plan.position is not None]
        position = min(positions) if len(positions) == len(plans) else None
        self._slices = SliceFetcher(run.client, reader, query, run.accepted, position)
        self._planner = self._slices.planner
        self.fetch = self._slices.fetch
        self.take = self._slices.take
        self._details = [detail for detail in run.details if set(detail.streams) & plans.keys()]
        self._sent = SentRecordings()
        self.pages = 0
        self._saved_position: int | None = None
        self._saved_at = run.client.clock.monotonic() - STATE_SECONDS
        self._state_seconds = BATCH_STATE_SECONDS if run.writer.in_files else STATE_SECONDS
        self._log = PassLog(run.client.clock, self._plans, self._planner.whole, run.details)
        run.missing_scores.begin(query.flags)

    @property
    def finished(self) -> bool:
        """Return True if nothing is left to fetch."""
        return self._slices.finished

    @property
    def complete(self) -> bool:
        """Return True if everything has been fetched and written."""
        return self._slices.complete

    def receive(self, event: RecordingsPage | DetailRequest | Done | Failed) -> None:
        """Write what has come; what waits for details, with them."""
        match event:
            case RecordingsPage():
                self._arrived(event)
            case DetailRequest():
                self._add_details(event)
            case Done():
                with self._reader.changed:
                    self._slices.slice_read(event.task)
            case Failed():
                raise event.error

    def tick(self) -> None:
        """Log the progress and save the state, if it is time."""
        with self._reader.changed:
            position, rows_left = self._slices.position, self._planner.rows_left()
        self._log.show(position, rows_left)
        clock = self._run.client.clock
        if clock.monotonic() - self._saved_at >= self._state_seconds and position != self._saved_position:
            self._saved_position, self._saved_at = position, clock.monotonic()
            self.save()

    def save(self) -> None:
        """Write how far the pass has come into the state of its streams."""
        with self._reader.changed:
            position = self._slices.position
        self._plans = {stream: plan.at(position, None) for stream, plan in self._plans.items()}
        for stream, plan in self._plans.items():
            # A FULL_TABLE pass is never resumed: a target that overwrites would keep only its second half.
            if plan.as_of is not None and plan.kind is not PassKind.FULL_TABLE and self._may_save(stream):
                write_progress(stream.state, stream.bookmark_column, plan)
        self._run.writer.write_state()

    def end(self) -> dict[StreamWriter, StreamPass]:
        """Close the pass: move the bookmarks, but for streams of which something is missing.

        Returns:
            The streams that should be polled again because the pass took its time, and how far they came.
        """
        self._log.end()
        self._run.missing_scores.end()
        self._run.poison.add(self._planner.poison)
        late = {}
        for stream, plan in self._plans.items():
            if plan.kind is PassKind.FULL_TABLE:
                continue
            if not self._planner.poison and self._may_save(stream):
                write_end(stream.state, stream.bookmark_column, plan, self._run.client.settings)
            elif plan.kind is PassKind.POLL and not self._keeps_state:
                drop_progress(stream.state)  # the next run polls from the same bookmark
            if plan.resumed or (plan.kind is PassKind.HISTORY and self.pages > 1):
                late[stream] = plan
        if self._planner.poison:
            self.save()
        self._run.writer.write_state()
        return late

    def _may_save(self, stream: StreamWriter) -> bool:
        is_stuck = any(stream in detail.streams and not detail.may_save for detail in self._details)
        return not self._keeps_state and not is_stuck

    def _arrived(self, page: RecordingsPage) -> None:
        self.pages += 1
        self._plans = {stream: plan.begun(page.asked_at) for stream, plan in self._plans.items()}
        if self._slices.checked_since is None:
            began = [plan.as_of for plan in self._plans.values() if plan.as_of is not None]
            self._slices.checked_since = min(began) - SETTLING
        self._run.missing_scores.add(page.page.records)
        self._run.undated.add(page, bounded=self._query.bounded)
        if not self._details:
            self._write(page, self._loadable(page))
            return
        page.recordings = list(self._loadable(page))
        requests = list(self._details_of(page))
        page.waiting = len(requests)
        if requests:
            self._reader.submit(requests)
        else:
            self._write(page, page.recordings)

    def _details_of(self, page: RecordingsPage) -> Iterator[DetailRequest]:
        for place, each in enumerate(page.recordings):
            for detail in self._details:
                if not set(detail.streams).isdisjoint(each.wanting) and detail.is_needed(each.record):
                    yield DetailRequest(detail, page, place, each.record, each.created)

    def _add_details(self, request: DetailRequest) -> None:
        detail, page = request.detail, request.page
        detail.finish(request)
        page.recordings[request.place].details.update(detail.records(request))
        page.waiting -= 1
        if not page.waiting:
            self._write(page, page.recordings)

    def _loadable(self, page: RecordingsPage) -> Iterator[_Recording]:
        """Clean a page's recordings one by one, each with the streams that want it."""
        plans = {
            stream: replace(plan, position=None) if page.is_reread else plan for stream, plan in self._plans.items()
        }
        alike = self._query.bounded and len({(plan.position, plan.since) for plan in plans.values()}) == 1
        everybody = list(plans)
        run = self._run
        for record, created, updated in zip(page.page.records, page.created, page.updated, strict=True):
            wanting = everybody if alike else [each for each, plan in plans.items() if plan.wants(created, updated)]
            if not wanting or not self._query.keeps(created):
                continue
            if isinstance(record, dict) and self._sent.seen_before(record):
                continue  # whoever wants it now wanted it then: positions only move on
            if isinstance(record, dict) and (cleaned := run.clean(record))["id"]:
                if run.writer.keeps(cleaned):
                    yield _Recording(cleaned, created, wanting)
            else:
                run.without_id.add(record, created)

    def _write(self, page: RecordingsPage, recordings: Iterable[_Recording]) -> None:
        self._run.writer.write(self._rows(recordings))
        newest = max((moment for moment in page.updated if moment is not None), default=None)
        self._plans = {stream: plan.at(None, newest) for stream, plan in self._plans.items()}
        with self._reader.changed:
            self._slices.page_written(page.part)
        self._reader.free_slot()

    def _rows(self, recordings: Iterable[_Recording]) -> Iterator[Iterator[tuple[StreamWriter, Sequence[Record]]]]:
        """Yield the records of each recording, by stream."""
        for each in recordings:
            self._log.count()
            yield (
                (stream, each.details.get(stream, ()) if stream.detail else stream.derive(each.record))
                for stream in each.wanting
            )

    def sample(self, page: Page, max_records: int) -> None:
        """Write some records of a page, with the details of one recording. Raises if those cannot be loaded."""
        arrived = RecordingsPage(page, self._planner.whole)
        self._query.check(arrived, arrived.part)
        recordings = list(self._loadable(arrived))
        for detail in self._details:
            needing = [each for each in recordings if detail.is_needed(each.record)]
            for each in sorted(needing, key=lambda each: bool(each.record["deleted"]))[:1]:
                request = DetailRequest(detail, arrived, 0, each.record, each.created)()
                if request.error is not None:
                    raise request.error
                each.details.update(detail.records(request))
        self._run.writer.write(self._rows(recordings), max_records)
