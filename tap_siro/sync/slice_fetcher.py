"""Fetching of the slices of a pass in worker threads, and the record of those that have been written."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tap_siro import timestamps
from tap_siro.api.chain import MAX_RESTARTS, Chain, restarts_exhausted
from tap_siro.api.client import PATH
from tap_siro.api.pages import Page, read_recordings
from tap_siro.api.retries import HEAVY_TRIES, Request
from tap_siro.errors import CursorRefusedError, PageTooHeavyError, TapSiroError
from tap_siro.sync.planner import SlicePlanner
from tap_siro.sync.query import SETTLING
from tap_siro.sync.reader import Done
from tap_siro.sync.slices import Slice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_siro.api.client import Client
    from tap_siro.sync.query import Query
    from tap_siro.sync.reader import Reader

MAX_REREADS = 3
"""Times that a slice is read again because it changed meanwhile."""
MUCH_LARGER = 4
"""A slice is read from its beginning if pages can be so many times larger than when it was begun."""
MAX_POISON = 10
"""Recordings on which the API may fail in a pass; if it fails on more, something else is wrong."""
LATEST = timestamps.of(datetime(9000, 1, 1, tzinfo=UTC))
"""Recordings said to be created later, or before 1970, do not say where to cut: the API's dates end somewhere."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class RecordingsPage:
    """One page of a slice."""

    page: Page
    part: Slice
    is_reread: bool = False
    """The slice was read before: what is created before a stream's position is wanted too."""
    created: list[int | None] = field(init=False)
    """Timestamps of creation; None where it cannot be read."""
    updated: list[int | None] = field(init=False)
    """Timestamps of the last update; None where it cannot be read."""
    recordings: list[Any] = field(default_factory=list)
    """Those that are to be written, while they wait for details."""
    waiting: int = 0
    """Details that have not come yet."""

    def __post_init__(self) -> None:
        """Read the dates."""
        found = [record if isinstance(record, dict) else {} for record in self.page.records]
        self.created = [timestamps.parse(record.get("createdAt")) for record in found]
        self.updated = [timestamps.parse(record.get("updatedAt")) for record in found]

    @property
    def asked_at(self) -> int:
        """Return the timestamp of the request."""
        return self.page.asked_at


class _EditedCheck:
    """The task of looking for recordings that were edited during the pass."""


class SliceFetcher:
    """Fetches the slices of one pass. Everything is called with the reader's lock held, but for `fetch`."""

    def __init__(
        self, client: Client, reader: Reader, query: Query, accepted: set[frozenset[str]], position: int | None
    ) -> None:
        """Prepare to fetch what was created from a position on; the rest was written in an earlier run.

        `accepted` has the names of query parameters that the API has taken together.
        """
        self.planner = SlicePlanner(
            query.whole(position),
            now=timestamps.now(),
            page_size=client.page_size(PATH).rows(query.page_size),
            divisible=query.bounded,
        )
        self.checked_since: int | None = None
        """Recordings edited since this timestamp are looked for at the end."""
        self._earlier = [] if position is None else [replace(query.whole(None), end=self.planner.whole.start)]
        """The slice that was read in an earlier run."""
        self._client = client
        self._reader = reader
        self._query = query
        self._accepted = accepted
        self._sizes = client.page_size(PATH)
        self._pages = 0
        self._checks = 0 if query.loses_edited else MAX_REREADS
        """Times that was looked for edited recordings."""
        self._is_checking = False
        self._has_failed = False
        self._unwritten_pages = Counter[Slice]()
        self._read: set[Slice] = set()
        """Slices that were read, and have unwritten pages."""

    @property
    def finished(self) -> bool:
        """Return True if nothing is left to fetch."""
        return self.planner.finished and not self._is_checking and self._checks >= MAX_REREADS

    @property
    def complete(self) -> bool:
        """Return True if everything has been fetched and written."""
        return self.finished and self.planner.complete and not +self._unwritten_pages

    @property
    def position(self) -> int | None:
        """Return the moment before which everything created has been written; None: not even the beginning.

        Pages of a slice that was given up count too: what is on them is left out where it comes again.
        """
        starts = [self.planner.position, *(part.start for part in +self._unwritten_pages)]
        known = [start for start in starts if start is not None]
        return min(known) if len(known) == len(starts) else None

    def take(self) -> Slice | _EditedCheck | None:
        """Return the earliest slice left; at the end, if need be, look for edited recordings once more."""
        if self._has_failed:
            return None  # the pass is over
        if not self.planner.finished or self._is_checking or self._checks >= MAX_REREADS:
            return self.planner.take()
        self._is_checking = True
        return _EditedCheck()

    def page_written(self, part: Slice) -> None:
        """Take note that a page of a slice has been written."""
        self._unwritten_pages[part] -= 1
        self._note_written(part)

    def slice_read(self, part: Slice) -> None:
        """Take note that all pages of a slice have come."""
        self._read.add(part)
        self._note_written(part)

    def _note_written(self, part: Slice) -> None:
        if part in self._read and not self._unwritten_pages[part]:
            self._read.discard(part)
            del self._unwritten_pages[part]
            self.planner.written(part)

    def fetch(self, task: Slice | _EditedCheck) -> Iterator[RecordingsPage | Done]:
        """Yield the pages of a slice.

        Raises:
            BoundsError: The API refuses or ignores `createdAt` bounds. The pass must be made again without.
            TapSiroError: A page cannot be loaded.
        """
        try:
            if isinstance(task, _EditedCheck):
                self._find_edited()
            else:
                yield from self._fetch_divisible(task)
        except TapSiroError:
            self._has_failed = True
            raise

    def _fetch_divisible(self, task: Slice) -> Iterator[RecordingsPage | Done]:
        """Read a slice, or leave it in parts."""
        # Answers of other endpoints do not tell a poison recording from an outage of this one.
        pages = self._sizes.pages if task.failed_at is None else task.failed_at
        try:
            yield from self._fetch_slice(task)
        except CursorRefusedError as error:
            if task.halvings == MAX_RESTARTS:
                raise restarts_exhausted(error) from None
            logger.warning("%s Reading the slice again, in two halves.", error)
            with self._reader.changed:
                self.planner.halve(task)
                self._reader.changed.notify_all()
        except PageTooHeavyError as error:
            with self._reader.changed:
                if error.is_reduced:
                    self.planner.resize(self._sizes.rows(self._query.page_size))
                    self.planner.again(task)
                else:
                    self.planner.heavy(task, self._sizes.pages, others_succeed=self._sizes.pages > pages)
                self._reader.changed.notify_all()
                if len(self.planner.poison) <= MAX_POISON:
                    return
            raise TapSiroError(
                f"{error} More than {MAX_POISON} recordings cannot be loaded, so they are not the reason. Run the sync "
                "again later, and report it to Siro if it stays."
            ) from None

    def _fetch_slice(self, part: Slice) -> Iterator[RecordingsPage | Done]:
        """Read a slice until nothing in it changes meanwhile, but not for ever."""
        query, changed = self._query, self._reader.changed
        parameters = query.parameters(part)
        names = frozenset(parameters)
        has_bounds = any(name.startswith("createdAt:") for name in names)
        is_last_resort = part.set_aside > 1 and part.failed_at == self._sizes.pages
        known: set[int] = set()
        for rereads in range(MAX_REREADS + 1):
            chain = Chain(
                self._client,
                Request(self._client.api, PATH, parameters, read_recordings, page_slot=self._reader.page_slot),
                page_size=query.page_size,
                divisible=query.bounded and not is_last_resort,
                heavy_tries=1 if part.failed_at is not None and part.is_divisible else HEAVY_TRIES,
                bounds_optional=has_bounds and names not in self._accepted,
            )
            late, records, quiet_until, number = set[int](), 0, 0, 0
            for page in chain:
                if page.number == 1:
                    late, records, quiet_until = set(), 0, page.asked_at - SETTLING
                number = page.number
                arrived = RecordingsPage(page, part, is_reread=query.loses_edited and self._checks > 0)
                query.check(arrived, part)
                self._accepted.add(names)
                records += len(page.records)
                late.update(moment for moment in arrived.updated if moment is not None and moment > quiet_until)
                created = [moment for moment in arrived.created if moment is not None and 0 <= moment < LATEST]
                count, more = len(page.records), page.cursor is not None
                with changed:
                    self._pages += 1
                    self._unwritten_pages[part] += 1
                yield arrived
                del page, arrived  # not to be kept while the next one is fetched
                if more:
                    with changed:
                        size = self._sizes.rows(query.page_size)
                        self.planner.resize(size)
                        go_on = self.planner.page(part, number, count, created)
                        if go_on and chain.size and size >= MUCH_LARGER * chain.size:
                            self.planner.again(part)
                            go_on = False
                        changed.notify_all()  # a page may say how to cut what others wait for
                    if not go_on:
                        return
            # One page alone is a snapshot. The same late ones again are a clock that is off, not a change.
            if number == 1 or late <= known:
                break
            known |= late
            if rereads == MAX_REREADS:
                _warn_of_changes(rereads + 1)
        with changed:
            self.planner.done(part, records, pages=number)
            changed.notify_all()
        yield Done(part)

    def _find_edited(self) -> None:
        """Look for what was edited during the pass, and left the result: it may have pushed others past a cursor."""
        moments = []
        again: list[Slice] = []
        if self._pages > 1:
            everything, since = Slice(), self.checked_since or 0
            parameters = self._query.edited(since).parameters(everything)
            request = Request(self._client.api, PATH, parameters, read_recordings)
            for page in Chain(self._client, request, page_size=self._query.page_size):
                self.checked_since = max(self.checked_since or 0, page.asked_at - SETTLING)
                edited = RecordingsPage(page, everything)
                moments += [
                    created
                    for created, updated in zip(edited.created, edited.updated, strict=True)
                    # Nothing is edited in the future, whatever its date says.
                    if created is not None and updated is not None and since <= updated <= page.asked_at + SETTLING
                ]
        with self._reader.changed:
            again = self.planner.read_again(moments, *self._earlier)
            # Once it is read again, its slices are known, and must not be left beside it.
            self._earlier = [each for each in self._earlier if each not in again]
            self._checks = self._checks + 1 if again else MAX_REREADS
            self._is_checking = False
            self._reader.changed.notify_all()
        if again and self._checks >= MAX_REREADS:
            _warn_of_changes(MAX_REREADS)


def _warn_of_changes(times: int) -> None:
    logger.warning(
        "Recordings kept changing while they were read, %d times. The next run reads them again; one that moved past a "
        "cursor each time would be missing. Sync at a quieter hour.",
        times,
    )
