"""A run: which sources are read, in which order, and what of them goes to which stream.

Polls come first, so that fresh data never waits for a long history; then all histories in one pass; then a poll of
the streams whose pass took so long that something may have changed meanwhile; then the lists. Each source fails alone.
"""

from __future__ import annotations

import gc
import logging
from contextlib import ExitStack, closing, contextmanager, nullcontext
from typing import TYPE_CHECKING

from tap_siro import timestamps
from tap_siro.api.chain import Chain
from tap_siro.api.client import PATH, Client
from tap_siro.api.pages import read_recordings
from tap_siro.api.retries import Request
from tap_siro.errors import BoundsError, OutputError, StoppedError, TapSiroError
from tap_siro.records.cleaning import FieldWarnings
from tap_siro.sync.list_client import ListClient
from tap_siro.sync.lists import ListRead, Lists
from tap_siro.sync.page_size import PageSizeSetting
from tap_siro.sync.query import Query
from tap_siro.sync.reader import Reader
from tap_siro.sync.recordings import RecordingsPass, RecordingsRun
from tap_siro.sync.reporting import Fault, describe_faults, warn_of_bookmarks
from tap_siro.sync.state import PassKind, StreamPass, catch_up_poll, has_open_history, next_pass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tap_siro.clock import Clock
    from tap_siro.settings import Settings
    from tap_siro.singer.writer import RecordWriter, StreamWriter
    from tap_siro.sync.stream_kinds import ListStream

FEW_OBJECTS = 50_000
"""Objects that may be made before the garbage collector looks for cycles: more than some pages hold."""
SAME_POLL = timestamps.DAY
"""Streams whose polls begin within this of each other are polled together, in milliseconds."""

logger = logging.getLogger(__name__)


class Sync:
    """One run over all selected streams."""

    def __init__(
        self,
        settings: Settings,
        writer: RecordWriter,
        lists: Sequence[tuple[type[ListStream], RecordWriter]],
        clock: Clock,
    ) -> None:
        """Prepare a run.

        Args:
            settings: The tap's settings.
            writer: The selected streams of the recordings' family, and where their records go.
            lists: The lists of which streams are selected, and those streams.
            clock: Ends all waits when the run is to end early.
        """
        field_warnings = FieldWarnings()
        self._settings = settings
        self._writer = writer
        self._clock = clock
        self._client = Client(settings, clock)
        self._recordings = RecordingsRun(self._client, writer, field_warnings)
        self._lists = [ListRead(stream, streams, field_warnings) for stream, streams in lists]
        self._page_size = PageSizeSetting(settings.page_size)
        self._bounded = True
        """The API takes bounds of creation, as far as is known."""

    def run(self) -> None:
        """Bring all streams up to date.

        Raises:
            TapSiroError: Something could not be loaded. All else was, and the state is written.
            StoppedError: The run was stopped. The state is written all the same.
        """
        faults: list[Fault] = []
        try:
            with _rare_collections(), ExitStack() as counters:
                for writer in (self._writer, *(each.writer for each in self._lists)):
                    for stream in writer.streams:
                        counters.enter_context(stream.counter)
                if not self._writer.in_files:
                    # target-duckdb and its kin take the first STATE of a run for loaded, and confirm it with the
                    # first full batch: so let it be the one that the run was given.
                    self._writer.write_state()
                if self._writer.streams:
                    faults += self._read_recordings()
                faults += self._recordings.faults()
                if self._lists:
                    reader = Reader(self._clock, self._settings.concurrency)
                    lists = Lists(self._lists, self._client, self._clock, reader)
                    try:
                        reader.read(lists)
                    finally:
                        self._writer.write_state()
                    faults += lists.faults
        finally:
            self._clock.stop()
            self._client.close()
        self._raise(faults)

    def sample(self, max_records: int) -> None:
        """Make one request for each source, and write at most so many records of each stream; no state is moved.

        Raises:
            TapSiroError: Something could not be loaded.
        """
        faults: list[Fault] = []
        with closing(self._client):
            if self._writer.streams:
                try:
                    self._sample_recordings(max_records)
                except TapSiroError as error:
                    faults.append(Fault.of(error, self._writer.streams))
                self._writer.write_state()
            for each in self._lists:
                try:
                    if each.begin(self._settings, timestamps.now(), is_sample=True):
                        each.write(next(each.fetch(ListClient(self._client, each.stream, nullcontext))), max_records)
                except TapSiroError as error:
                    faults.append(Fault.of(error, each.writer.streams))
        self._raise(faults)

    def _raise(self, faults: Sequence[Fault]) -> None:
        if faults:
            writers = [self._writer, *(each.writer for each in self._lists)]
            names = [stream.name for writer in writers for stream in writer.streams]
            raise TapSiroError(describe_faults(faults, names))

    def _sample_recordings(self, max_records: int) -> None:
        plans = {
            stream: StreamPass(PassKind.HISTORY, self._settings.start, "", self._settings.end)
            for stream in self._writer.streams
        }
        while True:
            query = self._query(plans)
            request = Request(self._client.api, PATH, query.parameters(query.whole(None)), read_recordings)
            chain = Chain(self._client, request, page_size=query.page_size, bounds_optional=self._bounded)
            source = RecordingsPass(self._recordings, Reader(self._clock, 1), plans, query, keeps_state=True)
            try:
                source.sample(next(iter(chain)), max_records)
            except BoundsError as error:
                self._give_bounds_up(error)
            else:
                return

    def _read_recordings(self) -> Iterator[Fault]:
        """Make all passes; yield what could not be loaded."""
        now = timestamps.now()
        settings = self._settings
        plans = {
            stream: next_pass(stream.state, settings, now=now, full_table=stream.full_table)
            for stream in warn_of_bookmarks(self._writer.streams, settings, now)
        }
        late: dict[StreamWriter, StreamPass] = {}
        try:
            for group in _grouped({stream: plan for stream, plan in plans.items() if plan.kind is PassKind.POLL}):
                late |= self._pass(group)
            for group in _same_end({stream: plan for stream, plan in plans.items() if plan.kind is not PassKind.POLL}):
                late |= self._pass(group)
            # A stream that lacks something has no bookmark of this pass: what was updated since is shown all the same.
            stuck = {stream: plan for stream, plan in late.items() if has_open_history(stream.state)}
            polls = {stream: catch_up_poll(stream.state, settings, now=now) for stream in late if stream not in stuck}
            for group in _grouped(polls):
                self._pass(group)
            polls = {stream: catch_up_poll({}, settings, now=now, since=plan.as_of) for stream, plan in stuck.items()}
            for group in _grouped(polls):
                self._pass(group, keeps_state=True)
        except OutputError:
            raise
        except TapSiroError as error:
            yield Fault.of(error, self._writer.streams)

    def _pass(
        self, plans: Mapping[StreamWriter, StreamPass], *, keeps_state: bool = False
    ) -> dict[StreamWriter, StreamPass]:
        """Make one pass for some streams, again without bounds of creation if the API does not take them.

        Returns:
            The streams that should be polled again because the pass took its time, and how far they came.
        """
        while True:
            reader = Reader(self._clock, self._settings.concurrency)
            source = RecordingsPass(self._recordings, reader, plans, self._query(plans), keeps_state=keeps_state)
            try:
                reader.read(source)
            except BoundsError as error:
                self._give_bounds_up(error)
            except (TapSiroError, StoppedError):
                source.save()
                raise
            else:
                return source.end()

    def _give_bounds_up(self, error: BoundsError) -> None:
        if not self._bounded:
            raise error
        self._bounded = False
        logger.warning(
            "Siro's API %s the `createdAt` bounds of requests. The tap reads page by page instead: slower, but nothing "
            "is left out. If the sync is interrupted, such a pass starts again. Report it to Siro.",
            "ignores" if error.are_ignored else "refuses",
        )

    def _query(self, plans: Mapping[StreamWriter, StreamPass]) -> Query:
        settings = self._settings
        flags = frozenset[str]().union(*(stream.flags for stream in plans)) & settings.flags
        return Query(
            since=min((plan.since for plan in plans.values()), key=_or_beginning),
            until=next(iter(plans.values())).until,
            created_after=settings.created_after,
            created_before=settings.created_before,
            filters=settings.filters,
            flags=flags,
            page_size=self._page_size.of(flags),
            bounded=self._bounded,
        )


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


def _same_end(plans: Mapping[StreamWriter, StreamPass]) -> list[dict[StreamWriter, StreamPass]]:
    """Divide plans into passes: one for each `end_date` that they have, or began with."""
    groups: dict[int | None, dict[StreamWriter, StreamPass]] = {}
    for stream, plan in plans.items():
        groups.setdefault(plan.until, {})[stream] = plan
    return list(groups.values())


def _grouped(polls: Mapping[StreamWriter, StreamPass]) -> list[dict[StreamWriter, StreamPass]]:
    """Divide polls into passes: those that begin at about the same moment in one, the freshest first."""
    groups: list[dict[StreamWriter, StreamPass]] = []
    first = float("inf")
    for stream, plan in sorted(polls.items(), key=lambda poll: -_or_beginning(poll[1].since)):
        is_other = groups and next(iter(groups[-1].values())).until != plan.until
        if not groups or is_other or first - _or_beginning(plan.since) > SAME_POLL:
            groups.append({})
            first = _or_beginning(plan.since)
        groups[-1][stream] = plan
    return groups
