"""A sync: which passes are made, in which order, and what of them goes to which stream.

Polls come first, so that fresh data never waits for a long history; then all histories in one pass; then a poll of
the streams whose pass took so long that something may have changed meanwhile.
"""

from __future__ import annotations

import gc
import logging
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from tap_siro import timestamps
from tap_siro.api.client import Client
from tap_siro.errors import StoppedError, TapSiroError
from tap_siro.records.cleaning import FieldWarnings
from tap_siro.records.recording import DetailedRecording, RecordingCleaner
from tap_siro.sync.page_size import MissingScores, PageSize
from tap_siro.sync.query import Query
from tap_siro.sync.reader import PassReader
from tap_siro.sync.reporting import ProgressLog, RecordsWithoutId
from tap_siro.sync.state import (
    BOOKMARK,
    Kind,
    Progress,
    follow_up,
    next_pass,
    read_bookmark,
    write_end,
    write_progress,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tap_siro.api.decoding import Page
    from tap_siro.records.recording import Record
    from tap_siro.settings import Settings
    from tap_siro.singer.signals import Stop
    from tap_siro.singer.writer import RecordWriter, StreamWriter
    from tap_siro.sync.details import Detail

STATE_SECONDS = 2.0
"""Seconds at least between two STATE messages of a pass."""
BATCH_STATE_SECONDS = 300.0
"""The same with BATCH messages: a target merges a file of each stream for each STATE. Its own STATEs come as often."""
FEW_OBJECTS = 50_000
"""Objects that may be made before the garbage collector looks for cycles: more than some pages hold."""
SAME_POLL = timestamps.DAY
"""Streams whose polls begin within this of each other are polled together, in milliseconds."""

logger = logging.getLogger(__name__)


class Sync:
    """One run over all selected streams."""

    def __init__(self, settings: Settings, writer: RecordWriter, stop: Stop) -> None:
        """Prepare a run.

        Args:
            settings: The tap's settings.
            writer: The selected streams, and where their records go.
            stop: Set when the sync is to end early.
        """
        self._settings = settings
        self._writer = writer
        self._stop = stop
        self._client = Client(settings, stop)
        field_warnings = FieldWarnings()
        self._clean = RecordingCleaner(field_warnings)
        details = [stream.detail for stream in writer.streams if stream.detail is not None]
        self._clean_details = {detail.stream: detail.cleaner(field_warnings) for detail in details}
        self._without_id = RecordsWithoutId()
        self._page_size = PageSize(settings.page_size)
        self._missing_scores = MissingScores()

    def run(self) -> None:
        """Bring all streams up to date.

        Raises:
            TapSiroError: It could not be done, or some recordings have no id. The state is written all the same.
            StoppedError: It was stopped. The state is written all the same.
        """
        try:
            with _rare_collections(), ExitStack() as counters:
                for stream in self._writer.streams:
                    counters.enter_context(stream.counter)
                self._passes()
        finally:
            self._stop.set()
            self._client.close()
        self._without_id.raise_if_any()

    def sample(self, max_records: int) -> None:
        """One request, and at most so many records of each stream; no state is moved."""
        query = self._query(Progress(Kind.HISTORY, self._settings.start, ""), self._writer.streams)
        page = self._client.page(query.parameters(query.whole(None), None))
        self._client.close()
        everything = Progress(Kind.FULL_TABLE, None, "")
        self._write(page, dict.fromkeys(self._writer.streams, everything), max_records)
        self._writer.write_state()

    def _passes(self) -> None:
        now = timestamps.now()
        plans: dict[StreamWriter, Progress] = {}
        for stream in self._writer.streams:
            plans[stream] = next_pass(stream.state, self._settings, now=now, full_table=stream.full_table)
            self._warn_of_bookmark(stream)
        late: list[StreamWriter] = []
        for polls in _grouped({stream: plan for stream, plan in plans.items() if plan.kind is Kind.POLL}):
            late += self._pass(polls)
        histories = {stream: plan for stream, plan in plans.items() if plan.kind is not Kind.POLL}
        if histories:
            late += self._pass(histories)
        for polls in _grouped({stream: follow_up(stream.state, self._settings, now=now) for stream in late}):
            self._pass(polls)

    def _warn_of_bookmark(self, stream: StreamWriter) -> None:
        bookmark, start = read_bookmark(stream.state), self._settings.start
        if bookmark is None and stream.state.get(BOOKMARK) is not None:
            logger.warning(
                "The bookmark of '%s' in the state is not a date, so its history is read again. If the state was "
                "changed by hand, restore it.",
                stream.name,
            )
        if bookmark is not None and start is not None and start > bookmark and not stream.full_table:
            logger.warning(
                "`start_date` is later than the bookmark of '%s' (%s) and does nothing: the sync goes on from the "
                "bookmark. To leave out what is in between, clear the stream's state.",
                stream.name, timestamps.text(bookmark),
            )  # fmt: skip

    def _query(self, progress: Progress, streams: Iterable[StreamWriter]) -> Query:
        settings = self._settings
        flags = frozenset[str]().union(*(stream.flags for stream in streams)) & settings.flags
        return Query(
            progress.since,
            settings.created_after,
            settings.created_before,
            settings.filters,
            flags,
            self._page_size.of(flags),
        )

    def _pass(self, plans: Mapping[StreamWriter, Progress]) -> list[StreamWriter]:
        """Make one pass for some streams, from the earliest that any of them needs.

        Returns:
            The streams that should be polled again because the pass took its time.
        """
        query = self._query(min(plans.values(), key=lambda plan: _or_beginning(plan.since)), plans)
        position = min((plan.position for plan in plans.values()), key=_or_beginning)
        whole = query.whole(position)
        reader = PassReader(
            self._client,
            query,
            whole,
            threads=self._settings.concurrency,
            stop=self._stop,
            wanted_details=partial(self._wanted_details, plans),
        )
        progress = dict(plans)
        log = ProgressLog(plans, whole)
        self._missing_scores.begin(query.flags)
        state_seconds = BATCH_STATE_SECONDS if self._writer.in_files else STATE_SECONDS
        written_at = time.monotonic() - STATE_SECONDS
        pages = 0
        try:
            for page in reader:
                pages += 1
                progress = self._write(page, {stream: p.begun(page.asked_at) for stream, p in progress.items()})
                self._missing_scores.add(page.records)
                log.page(len(page.records), reader)
                if time.monotonic() - written_at >= state_seconds and reader.position != position:
                    position, written_at = reader.position, time.monotonic()
                    progress = self._save(progress, position)
        except (TapSiroError, StoppedError):
            self._save(progress, reader.position)
            raise
        log.end()
        self._missing_scores.end()
        for stream, p in progress.items():
            if p.kind is not Kind.FULL_TABLE:
                write_end(stream.state, stream.bookmark_column, p, self._settings)
        self._writer.write_state()
        return [
            stream
            for stream, p in progress.items()
            if p.kind is not Kind.FULL_TABLE and (p.resumed or (p.kind is Kind.HISTORY and pages > 1))
        ]

    def _save(self, progress: Mapping[StreamWriter, Progress], position: int | None) -> dict[StreamWriter, Progress]:
        """Write how far a pass has come into the state of its streams."""
        moved = {stream: p.at(position, None) for stream, p in progress.items()}
        for stream, p in moved.items():
            # A FULL_TABLE pass is never resumed: a target that overwrites would keep only its second half.
            if p.as_of is not None and p.kind is not Kind.FULL_TABLE:
                write_progress(stream.state, stream.bookmark_column, p)
        self._writer.write_state()
        return moved

    def _write(
        self, page: Page, progress: Mapping[StreamWriter, Progress], max_records: int | None = None
    ) -> dict[StreamWriter, Progress]:
        """Write a page's records to the streams that want them."""
        self._writer.write(self._loadable(page, progress), max_records)
        return {stream: p.at(None, _newest(page.updated)) for stream, p in progress.items()}

    def _wanted_details(self, plans: Mapping[StreamWriter, Progress], page: Page) -> Iterator[tuple[int, str, Detail]]:
        """What to ask for of single recordings of a page. Called in threads."""
        details = [(stream.detail, plan) for stream, plan in plans.items() if stream.detail is not None]
        if not details:
            return
        for index, (record, created, updated) in enumerate(zip(page.records, page.created, page.updated, strict=True)):
            wanted = [detail for detail, plan in details if plan.wants(created, updated)]
            if wanted and isinstance(record, dict):
                recording = self._clean(record)
                if recording["id"] and self._writer.keeps(recording):
                    yield from ((index, recording["id"], detail) for detail in wanted if detail.needed(recording))

    def _detailed(self, recording: Record, items: Mapping[str, list[Any]]) -> Record:
        """A cleaned recording with the records of its details, if it has any."""
        if not items:
            return recording
        return DetailedRecording(
            recording, {stream: self._clean_details[stream](recording, each) for stream, each in items.items()}
        )

    def _loadable(
        self, page: Page, progress: Mapping[StreamWriter, Progress]
    ) -> Iterator[tuple[Record, list[StreamWriter]]]:
        """Clean a page's recordings one by one, each with the streams that want it."""
        alike = len({(p.position, p.since) for p in progress.values()}) == 1
        everybody = list(progress)
        for index, (record, created, updated) in enumerate(zip(page.records, page.created, page.updated, strict=True)):
            wanting = everybody if alike else [o for o, p in progress.items() if p.wants(created, updated)]
            if not wanting:
                continue
            if isinstance(record, dict) and (cleaned := self._clean(record))["id"]:
                yield self._detailed(cleaned, page.details.get(index, {})), wanting
            else:
                self._without_id.add(record, created)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Spare the garbage collector the many objects of a page, which all go without it, and those that stay anyway."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(FEW_OBJECTS, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _newest(updated: Iterable[int | None]) -> int | None:
    return max((timestamp for timestamp in updated if timestamp is not None), default=None)


def _or_beginning(timestamp: int | None) -> float:
    return float("-inf") if timestamp is None else timestamp


def _grouped(polls: Mapping[StreamWriter, Progress]) -> list[dict[StreamWriter, Progress]]:
    """Divide polls into passes: those that begin at about the same moment in one, the freshest first."""
    groups: list[dict[StreamWriter, Progress]] = []
    first = float("inf")
    for stream, plan in sorted(polls.items(), key=lambda poll: -_or_beginning(poll[1].since)):
        if not groups or first - _or_beginning(plan.since) > SAME_POLL:
            groups.append({})
            first = _or_beginning(plan.since)
        groups[-1][stream] = plan
    return groups
