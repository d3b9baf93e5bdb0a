"""Reads a pass: several threads fetch slices, and their pages come out of one queue."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tap_siro import timestamps
from tap_siro.api.paginator import CursorPaginator
from tap_siro.errors import CursorRefusedError, PageTooHeavyError, StoppedError, TapSiroError
from tap_siro.singer.signals import STEP
from tap_siro.sync.details import DetailReader
from tap_siro.sync.planner import SlicePlanner
from tap_siro.sync.single_chain import SingleChain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tap_siro.api.client import Client
    from tap_siro.api.decoding import Page
    from tap_siro.singer.signals import Stop
    from tap_siro.sync.details import Wanted
    from tap_siro.sync.query import Query
    from tap_siro.sync.slices import Slice

DECODED_PAGES = 4
"""Decoded pages that may wait to be written, whatever the number of threads and the target's speed: one is several
times as large as the answer that it comes from."""
MOST_REREADS = 3
"""How often a slice is read again because it changed meanwhile."""
MOST_HALVINGS = 3
"""How often a slice is halved because a cursor in it was refused."""
QUIET_SECONDS = 60.0
"""After so long without a page, the log says that the sync still waits."""

SETTLING = 10 * timestamps.SECOND
"""How old an `updatedAt` may be when a change becomes visible, in milliseconds."""
LATEST = timestamps.of(datetime(9000, 1, 1, tzinfo=UTC))
"""Recordings said to be created later, or before 1970, do not say where to cut: the API's dates end somewhere."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Done:
    part: Slice


class PassReader:
    """The pages of one pass, in no particular order, from `concurrency` threads.

    Iterate over it for the pages. A page counts as written when the next one is asked for; `position` follows.
    """

    def __init__(  # noqa: PLR0913 - all of it is what a pass is
        self,
        client: Client,
        query: Query,
        whole: Slice,
        *,
        threads: int,
        stop: Stop,
        wanted_details: Callable[[Page], Iterable[Wanted]] = lambda _: (),
        waiting: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare to read; nothing is fetched before the iteration begins.

        Args:
            client: Fetches a page.
            query: What to ask for.
            whole: Between which moments of creation.
            threads: How many requests may be in flight.
            stop: Set from outside when the sync is to end.
            wanted_details: As for `DetailReader`.
            waiting: Called every now and then while no page comes.
        """
        self._client = client
        self._query = query
        self._thread_count = threads
        self._stop = stop
        self._planner: SlicePlanner | SingleChain = SingleChain()
        if query.bounded:
            self._planner = SlicePlanner(whole, now=timestamps.now(), page_size=client.page_size(query.page_size))
        self._changed = threading.Condition()
        self._ended = False
        self._queue: queue.SimpleQueue[Page | _Done | BaseException] = queue.SimpleQueue()
        self._waiting = waiting
        self._room = DECODED_PAGES
        self._details = DetailReader(client, wanted_details, self._changed, self._check_going)

    @property
    def position(self) -> int | None:
        """The moment before which everything created has been read and written; None: not even the beginning."""
        with self._changed:
            return self._planner.position

    def rows_left(self) -> float | None:
        """A guess at the recordings still to come."""
        with self._changed:
            return self._planner.rows_left()

    @property
    def details(self) -> int:
        """How many details of single recordings have been fetched."""
        return self._details.fetched

    def __iter__(self) -> Iterator[Page]:
        """Read the whole.

        Raises:
            BoundsRefusedError: The API does not take `createdAt` bounds.
            BoundsIgnoredError: It ignores them. In both cases, the pass must be made again without.
            TapSiroError: A page could not be had.
            StoppedError: The sync is being stopped.
        """
        for number in range(1, self._thread_count + 1):
            threading.Thread(target=self._work, name=f"siro-{number}", daemon=True).start()
        quiet_since, details = time.monotonic(), 0
        try:
            while not self._complete():
                if self._stop.is_set():
                    raise StoppedError
                try:
                    event = self._queue.get(timeout=STEP)
                except queue.Empty:
                    self._waiting()
                    if details != self.details:
                        quiet_since, details = time.monotonic(), self.details
                    if time.monotonic() - quiet_since >= QUIET_SECONDS:
                        logger.warning(
                            "Nothing has come from Siro's API for %.0f seconds; still waiting.", QUIET_SECONDS
                        )
                        quiet_since = float("inf")
                    continue
                if isinstance(event, BaseException):
                    raise event
                if isinstance(event, _Done):
                    with self._changed:
                        self._planner.written(event.part)
                else:
                    yield event
                    del event
                    self._make_room()
                quiet_since = time.monotonic()
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _complete(self) -> bool:
        with self._changed:
            return self._planner.complete

    # What follows runs in the threads.

    def _work(self) -> None:
        try:
            while (part := self._take()) is not None:
                self._read(part)
        except StoppedError:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread
            self._queue.put(error)

    def _take(self) -> Slice | None:
        """The next slice to read; None if there are no more."""
        part: Slice | None = None

        def take() -> bool:
            nonlocal part
            part = None if self._planner.finished else self._planner.take()
            return part is not None or self._planner.finished

        self._wait_until(take)
        return part

    def _wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait for a change that makes something ready, and help with the details of pages in hand meanwhile."""
        while True:
            with self._changed:
                self._check_going()
                if ready():
                    return
                if not self._details.tasks:
                    self._changed.wait(STEP)
                    continue
            self._details.help()

    def _read(self, part: Slice) -> None:
        """Read a slice until nothing in it changes meanwhile, but not for ever."""
        records, known = 0, set[int]()
        for rereads in range(MOST_REREADS + 1):
            chain = self._follow(part)
            if chain is None:
                return
            records = chain.records
            if chain.pages == 1 or chain.late <= known:
                break
            known |= chain.late
            if rereads == MOST_REREADS:
                logger.warning(
                    "Recordings kept changing while they were read, %d times over. The next run reads those again; one "
                    "that they pushed past a cursor each time would be missing. Sync when less is going on.",
                    rereads + 1,
                )
        with self._changed:
            self._planner.done(part, records)
            self._changed.notify_all()
        self._queue.put(_Done(part))

    def _follow(self, part: Slice) -> _Chain | None:
        """Read a slice from its first page; None if it was cut, so that others will read it."""
        paginator = CursorPaginator()
        chain = _Chain()
        while True:
            try:
                page = self._client.page(self._query.parameters(part, paginator.cursor), self._decoding)
            except CursorRefusedError as error:
                self._halve(part, error)
                return None
            except PageTooHeavyError:
                return self._follow(part)  # with smaller pages
            self._query.check(page, part)
            page.whole = part.start is None and part.end is None
            more = paginator.advance(len(page.records), page.cursor)
            chain.add(page)
            self._details.complete(page)
            self._queue.put(page)
            if not more:
                return chain
            created = [timestamp for timestamp in page.created if timestamp is not None and 0 <= timestamp < LATEST]
            records = len(page.records)
            del page  # not to be kept while the next one is fetched
            with self._changed:
                self._planner.ask_for(self._client.page_size(self._query.page_size))
                go_on = self._planner.page(part, paginator.pages, records, created)
                self._changed.notify_all()  # a page may say how to cut what others wait for
                if not go_on:
                    return None

    def _halve(self, part: Slice, error: CursorRefusedError) -> None:
        if part.halvings == MOST_HALVINGS:
            message = (
                f"{error} That happened {MOST_HALVINGS + 1} times over. Nothing is lost; run the sync again, and "
                "report it to Siro if it stays."
            )
            raise TapSiroError(message)
        logger.warning("%s Reading that part again%s.", error, ", in two halves" if self._query.bounded else "")
        with self._changed:
            self._planner.halve(part)
            self._changed.notify_all()

    @contextlib.contextmanager
    def _decoding(self) -> Iterator[None]:
        """Wait for room for a page; it is free again when the page has been written."""
        self._wait_until(self._take_room)
        try:
            yield
        except BaseException:
            self._make_room()
            raise

    def _take_room(self) -> bool:
        if not self._room:
            return False
        self._room -= 1
        return True

    def _make_room(self) -> None:
        with self._changed:
            self._room += 1
            self._changed.notify_all()

    def _check_going(self) -> None:
        if self._ended or self._stop.is_set():
            raise StoppedError


class _Chain:
    """What the pages of one chain held."""

    def __init__(self) -> None:
        self.pages = 0
        self.records = 0
        self.late: set[int] = set()
        """The `updatedAt` that are later than the first request: what changed since, so that others may have slipped
        past a cursor. One page alone is a snapshot. The same ones again are a clock that is off, not a change."""
        self._quiet_until = 0

    def add(self, page: Page) -> None:
        if not self.pages:
            self._quiet_until = page.asked_at - SETTLING
        self.pages += 1
        self.records += len(page.records)
        self.late.update(
            timestamp for timestamp in page.updated if timestamp is not None and timestamp > self._quiet_until
        )
