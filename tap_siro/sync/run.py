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
from typing import TYPE_CHECKING, TypeVar

from tap_siro import timestamps
from tap_siro.api.client import Client
from tap_siro.errors import BoundsIgnoredError, BoundsRefusedError, StoppedError, TapSiroError
from tap_siro.sync.directory import DirectoryReader
from tap_siro.sync.page_size import MissingScores, PageSize
from tap_siro.sync.page_writer import PageWriter
from tap_siro.sync.query import Query
from tap_siro.sync.reader import PassReader
from tap_siro.sync.reporting import ProgressLog, UndatedRecordings, warn_of_bookmarks
from tap_siro.sync.sent import SentRecordings
from tap_siro.sync.state import (
    Kind,
    Progress,
    follow_up,
    next_pass,
    write_end,
    write_progress,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tap_siro.settings import Settings
    from tap_siro.singer.signals import Stop
    from tap_siro.singer.writer import RecordWriter, StreamWriter
    from tap_siro.sync.directory import Directory

STATE_SECONDS = 2.0
"""Seconds at least between two STATE messages of a pass."""
BATCH_STATE_SECONDS = 300.0
"""The same with BATCH messages: a target merges a file of each stream for each STATE. Its own STATEs come as often."""
FEW_OBJECTS = 50_000
"""Objects that may be made before the garbage collector looks for cycles: more than some pages hold."""
SAME_POLL = timestamps.DAY
"""Streams whose polls begin within this of each other are polled together, in milliseconds."""

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Sync:
    """One run over all selected streams."""

    def __init__(
        self,
        settings: Settings,
        writer: RecordWriter,
        directories: Sequence[Directory],
        stop: Stop,
    ) -> None:
        """Prepare a run.

        Args:
            settings: The tap's settings.
            writer: The selected streams of the recordings' family, and where their records go.
            directories: What else is selected.
            stop: Set when the sync is to end early.
        """
        self._settings = settings
        self._writer = writer
        self._stop = stop
        self._client = Client(settings, stop)
        self._pages = PageWriter(writer)
        self._directories = DirectoryReader(directories, self._client, settings, stop)
        self._page_size = PageSize(settings.page_size)
        self._missing_scores = MissingScores()
        self._undated = UndatedRecordings()
        self._bounded = True
        """Whether the API takes bounds of creation, as far as is known."""

    def run(self) -> None:
        """Bring all streams up to date.

        Raises:
            TapSiroError: It could not be done, or not for all: some records have no id, or a directory cannot be
                read. The state is written all the same.
            StoppedError: It was stopped. The state is written all the same.
        """
        try:
            with _rare_collections(), ExitStack() as counters:
                for stream in (*self._writer.streams, *self._directories.streams):
                    counters.enter_context(stream.counter)
                if not self._writer.in_files:
                    # target-duckdb and its kin take the first STATE of a run for loaded, and confirm it with the
                    # first full batch: so let it be the one that the run was given.
                    self._writer.write_state()
                if self._writer.streams:
                    self._passes()
                faults = self._directories.read()
        finally:
            self._stop.set()
            self._client.close()
        _raise([*self._pages.faults(), *faults])

    def sample(self, max_records: int) -> None:
        """A request for each endpoint, and at most so many records of each stream; no state is moved."""
        everything = dict.fromkeys(self._writer.streams, Progress(Kind.HISTORY, self._settings.start, ""))

        def one_page() -> None:
            query = self._query(everything)
            page = self._client.page(query.parameters(query.whole(None), None))
            self._pages.write(page, everything, query, SentRecordings(), max_records)

        if everything:
            self._with_or_without_bounds(one_page)
            self._writer.write_state()
        faults = self._directories.read(max_records)
        self._client.close()
        _raise(faults)

    def _passes(self) -> None:
        now = timestamps.now()
        plans: dict[StreamWriter, Progress] = {}
        for stream in warn_of_bookmarks(self._writer.streams, self._settings, now):
            plans[stream] = next_pass(stream.state, self._settings, now=now, full_table=stream.full_table)
        late: list[StreamWriter] = []
        for polls in _grouped({stream: plan for stream, plan in plans.items() if plan.kind is Kind.POLL}):
            late += self._with_or_without_bounds(partial(self._pass, polls))
        histories = {stream: plan for stream, plan in plans.items() if plan.kind is not Kind.POLL}
        if histories:
            late += self._with_or_without_bounds(partial(self._pass, histories))
        for polls in _grouped({stream: follow_up(stream.state, self._settings, now=now) for stream in late}):
            self._with_or_without_bounds(partial(self._pass, polls))

    def _with_or_without_bounds(self, read: Callable[[], T]) -> T:
        """Read something; again, and from then on without bounds of creation, if the API does not take them."""
        if self._bounded:
            try:
                return read()
            except (BoundsRefusedError, BoundsIgnoredError) as error:
                self._bounded = False
                logger.warning(
                    "Siro's API %s requests for what was created between two moments. Going on page by page: it takes "
                    "longer, but nothing is left out, and a sync that is interrupted begins such a pass again. Please "
                    "report it to Siro.",
                    "refuses" if isinstance(error, BoundsRefusedError) else "does not keep to",
                )
        return read()

    def _query(self, plans: Mapping[StreamWriter, Progress]) -> Query:
        settings = self._settings
        flags = frozenset[str]().union(*(stream.flags for stream in plans)) & settings.flags
        return Query(
            since=min((plan.since for plan in plans.values()), key=_or_beginning),
            until=settings.end,
            created_after=settings.created_after,
            created_before=settings.created_before,
            filters=settings.filters,
            flags=flags,
            page_size=self._page_size.of(flags),
            bounded=self._bounded,
        )

    def _pass(self, plans: Mapping[StreamWriter, Progress]) -> list[StreamWriter]:
        """Make one pass for some streams, from the earliest that any of them needs.

        Returns:
            The streams that should be polled again because the pass took its time.
        """
        query = self._query(plans)
        position = min((plan.position for plan in plans.values()), key=_or_beginning)
        whole = query.whole(position)
        log = ProgressLog(plans, whole)
        reader = PassReader(
            self._client,
            query,
            whole,
            threads=self._settings.concurrency,
            stop=self._stop,
            wanted_details=partial(self._pages.wanted_details, plans, query, SentRecordings()),
            waiting=lambda: log.show(reader),
        )
        progress = dict(plans)
        sent = SentRecordings()
        self._missing_scores.begin(query.flags)
        state_seconds = BATCH_STATE_SECONDS if self._writer.in_files else STATE_SECONDS
        written_at = time.monotonic() - STATE_SECONDS
        pages = 0
        try:
            for page in reader:
                pages += 1
                progress = {stream: p.begun(page.asked_at) for stream, p in progress.items()}
                progress = self._pages.write(page, progress, query, sent)
                self._missing_scores.add(page.records)
                self._undated.add(page, bounded=query.bounded)
                log.page(len(page.records), reader)
                if time.monotonic() - written_at >= state_seconds and reader.position != position:
                    position, written_at = reader.position, time.monotonic()
                    progress = self._save(progress, position)
        except (BoundsRefusedError, BoundsIgnoredError):
            raise  # nothing that came can be relied on: the pass is made again
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


def _raise(faults: Iterable[str | None]) -> None:
    """Raise a `TapSiroError` that says what could not be loaded, if there is anything."""
    if message := " ".join(filter(None, faults)):
        raise TapSiroError(message)


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
