"""A sync: which passes are made, in which order, and what of them goes to which stream.

Polls come first, so that fresh data never waits for a long history; then all histories in one pass; then a poll of
the streams whose pass took so long that something may have changed meanwhile.
"""

from __future__ import annotations

import gc
import logging
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tap_siro import instants
from tap_siro.cleaning import Oddities
from tap_siro.client import Client
from tap_siro.errors import StoppedError, TapSiroError
from tap_siro.query import Query
from tap_siro.reader import PassReader
from tap_siro.rows import RecordingCleaner
from tap_siro.state import (
    BOOKMARK,
    Kind,
    Progress,
    follow_up,
    next_pass,
    read_bookmark,
    write_bookmark,
    write_progress,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tap_siro.outlet import Outlet, Outlets
    from tap_siro.pages import Page
    from tap_siro.rows import Row
    from tap_siro.settings import Settings
    from tap_siro.slices import Slice
    from tap_siro.stopping import Stop

STATE_SECONDS = 2.0
"""Seconds at least between two STATE messages of a pass."""
PROGRESS_SECONDS = 10.0
"""Seconds between two log lines on a long pass."""
FEW_OBJECTS = 50_000
"""Objects that may be made before the garbage collector looks for cycles: more than some pages hold."""
SAME_POLL = instants.DAY
"""Streams whose polls begin within this of each other are polled together, in milliseconds."""

logger = logging.getLogger(__name__)


class Sync:
    """One run over all selected streams."""

    def __init__(self, settings: Settings, outlets: Outlets, stop: Stop) -> None:
        """Prepare a run.

        Args:
            settings: The tap's settings.
            outlets: The selected streams, `recordings` first.
            stop: Tells when to end early.
        """
        self._settings = settings
        self._outlets = outlets
        self._stop = stop
        self._client = Client(settings, stop)
        self._clean = RecordingCleaner(Oddities())
        self._unloadable = _Unloadable()

    def run(self) -> None:
        """Bring all streams up to date.

        Raises:
            TapSiroError: It could not be done, or some recordings have no id. The state is written all the same.
            StoppedError: It was stopped. The state is written all the same.
        """
        try:
            with _rare_collections(), ExitStack() as counters:
                for outlet in self._outlets.streams:
                    counters.enter_context(outlet.counter)
                self._passes()
        finally:
            self._stop.set()
            self._client.close()
        self._unloadable.complain()

    def sample(self, most_rows: int) -> None:
        """One request, and at most so many rows of each stream; no state is moved."""
        query = self._query(Progress(Kind.HISTORY, self._settings.start, ""), self._outlets.streams)
        page = self._client.page(query.parameters(query.whole(None), None))
        self._client.close()
        everything = Progress(Kind.FULL_TABLE, None, "")
        self._write(page, dict.fromkeys(self._outlets.streams, everything), most_rows)
        self._outlets.write_state()

    def _passes(self) -> None:
        now = instants.of(datetime.now(UTC))
        plans: dict[Outlet, Progress] = {}
        for outlet in self._outlets.streams:
            plans[outlet] = next_pass(outlet.state, self._settings, now=now, full_table=outlet.full_table)
            self._warn_of_bookmark(outlet)
        late: list[Outlet] = []
        for polls in _together({outlet: plan for outlet, plan in plans.items() if plan.kind is Kind.POLL}):
            late += self._pass(polls)
        histories = {outlet: plan for outlet, plan in plans.items() if plan.kind is not Kind.POLL}
        if histories:
            late += self._pass(histories)
        for polls in _together({outlet: follow_up(outlet.state, self._settings, now=now) for outlet in late}):
            self._pass(polls)

    def _warn_of_bookmark(self, outlet: Outlet) -> None:
        bookmark, start = read_bookmark(outlet.state), self._settings.start
        if bookmark is None and outlet.state.get(BOOKMARK) is not None:
            logger.warning(
                "The bookmark of '%s' in the state is not a date, so its history is read again. If the state was "
                "changed by hand, restore it.",
                outlet.name,
            )
        if bookmark is not None and start is not None and start > bookmark and not outlet.full_table:
            logger.warning(
                "`start_date` is later than the bookmark of '%s' (%s) and does nothing: the sync goes on from the "
                "bookmark. To leave out what is in between, clear the stream's state.",
                outlet.name, instants.text(bookmark),
            )  # fmt: skip

    def _query(self, progress: Progress, outlets: Iterable[Outlet]) -> Query:
        settings = self._settings
        flags = frozenset[str]().union(*(outlet.flags for outlet in outlets))
        return Query(
            progress.since, settings.created_after, settings.created_before, settings.filters, flags & settings.flags
        )

    def _pass(self, plans: Mapping[Outlet, Progress]) -> list[Outlet]:
        """Make one pass for some streams, from the earliest that any of them needs.

        Returns:
            The streams that should be polled again because the pass took its time.
        """
        query = self._query(min(plans.values(), key=lambda plan: _or_beginning(plan.since)), plans)
        position = min((plan.position for plan in plans.values()), key=_or_beginning)
        whole = query.whole(position)
        reader = PassReader(self._client, query, whole, threads=self._settings.concurrency, stop=self._stop)
        progress = dict(plans)
        report = _Report(plans, whole)
        written_at = float("-inf")
        pages = 0
        try:
            for page in reader:
                pages += 1
                progress = self._write(page, {outlet: p.begun(page.asked_at) for outlet, p in progress.items()})
                report.page(len(page.rows), reader)
                if time.monotonic() - written_at >= STATE_SECONDS and reader.position != position:
                    position, written_at = reader.position, time.monotonic()
                    progress = self._save(progress, position)
        except (TapSiroError, StoppedError):
            self._save(progress, reader.position)
            raise
        report.end()
        for outlet, p in progress.items():
            if p.kind is not Kind.FULL_TABLE:
                write_bookmark(outlet.state, outlet.bookmark_column, p.bookmark(read_bookmark(outlet.state)))
        self._outlets.write_state()
        return [
            outlet
            for outlet, p in progress.items()
            if p.kind is not Kind.FULL_TABLE and (p.resumed or (p.kind is Kind.HISTORY and pages > 1))
        ]

    def _save(self, progress: Mapping[Outlet, Progress], position: int | None) -> dict[Outlet, Progress]:
        """Write how far a pass has come into the state of its streams."""
        moved = {outlet: p.at(position, None) for outlet, p in progress.items()}
        for outlet, p in moved.items():
            # A FULL_TABLE pass is never resumed: a target that overwrites would keep only its second half.
            if p.as_of is not None and p.kind is not Kind.FULL_TABLE:
                write_progress(outlet.state, outlet.bookmark_column, p)
        self._outlets.write_state()
        return moved

    def _write(
        self, page: Page, progress: Mapping[Outlet, Progress], most_rows: int | None = None
    ) -> dict[Outlet, Progress]:
        """Write a page's rows to the streams that want them."""
        self._outlets.write(self._loadable(page, progress), most_rows)
        return {outlet: p.at(None, _newest(page.updated)) for outlet, p in progress.items()}

    def _loadable(self, page: Page, progress: Mapping[Outlet, Progress]) -> Iterator[tuple[Row, list[Outlet]]]:
        """Clean a page's recordings one by one, each with the streams that want it."""
        alike = len({(p.position, p.since) for p in progress.values()}) == 1
        everybody = list(progress)
        for row, created, updated in zip(page.rows, page.created, page.updated, strict=True):
            takers = everybody if alike else [o for o, p in progress.items() if p.wants(created, updated)]
            if not takers:
                continue
            if isinstance(row, dict) and isinstance(row.get("id"), str) and row["id"]:
                yield self._clean(row), takers
            else:
                self._unloadable.add(row, created)


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
    return max((instant for instant in updated if instant is not None), default=None)


def _or_beginning(instant: int | None) -> float:
    return float("-inf") if instant is None else instant


def _together(polls: Mapping[Outlet, Progress]) -> list[dict[Outlet, Progress]]:
    """Divide polls into passes: those that begin at about the same moment in one, the freshest first."""
    groups: list[dict[Outlet, Progress]] = []
    first = float("inf")
    for outlet, plan in sorted(polls.items(), key=lambda poll: -_or_beginning(poll[1].since)):
        if not groups or first - _or_beginning(plan.since) > SAME_POLL:
            groups.append({})
            first = _or_beginning(plan.since)
        groups[-1][outlet] = plan
    return groups


class _Unloadable:
    """Recordings without an id: counted, and told of at the end."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._created: list[int] = []

    def add(self, row: object, created: int | None) -> None:
        # The same one comes again if its slice is read again; nothing but its content tells.
        self._seen.add(hash(repr(row)))
        if created is not None:
            self._created = [min([*self._created, created]), max([*self._created, created])]

    def complain(self) -> None:
        if not self._seen:
            return
        when = " and ".join(instants.text(instant) for instant in dict.fromkeys(self._created))
        when = f"created between {when}" if " and " in when else f"created at {when}" if when else "of unknown age"
        message = (
            f"{len(self._seen)} recording(s) {when} came without an id and cannot be loaded. All others were, and the "
            "bookmarks have moved. Report it to Siro with these dates."
        )
        raise TapSiroError(message)


class _Report:
    """Log lines on a pass: when it begins and ends, and every now and then if it is long."""

    def __init__(self, plans: Mapping[Outlet, Progress], whole: Slice) -> None:
        plan = next(iter(plans.values()))
        since = min((p.since for p in plans.values()), key=_or_beginning)
        self._name = f"{plan.kind.value.capitalize()} of {', '.join(outlet.name for outlet in plans)}"
        self._started = self._told = time.monotonic()
        self._rows = 0
        logger.info(
            "%s: reading what was updated since %s%s.",
            self._name,
            "the beginning" if since is None else instants.text(since),
            f", going on from what was created at {instants.text(whole.start)}" if plan.resumed and whole.start else "",
        )

    def page(self, rows: int, reader: PassReader) -> None:
        self._rows += rows
        now = time.monotonic()
        if now - self._told < PROGRESS_SECONDS:
            return
        self._told = now
        rate = self._rows / (now - self._started)
        position, left = reader.position, reader.rows_left()
        logger.info(
            "%s: %d recordings, %.0f a second; done up to %s%s.",
            self._name,
            self._rows,
            rate,
            "(not yet known)" if position is None else instants.text(position),
            f"; about {left / rate:.0f} seconds left" if left is not None and rate else "",
        )

    def end(self) -> None:
        seconds = time.monotonic() - self._started
        logger.info("%s: done, %d recordings in %.1f seconds.", self._name, self._rows, seconds)
