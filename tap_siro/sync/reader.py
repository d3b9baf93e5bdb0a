"""The engine: worker threads fetch, and the main thread alone takes what they bring from one queue.

A *source* says what is to be read: a pass over the recordings, or the lists. It is divided into tasks, slices or lists,
and each worker fetches the pages of one task after the other. Details have workers of their own.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tap_siro.clock import POLL_SECONDS
from tap_siro.errors import StoppedError, TapSiroError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tap_siro.clock import Clock

DECODED_PAGES = 4
"""Decoded pages that may wait to be written, whatever the number of threads and the target's speed: one is several
times as large as the answer that it comes from."""
QUIET_SECONDS = 60.0
"""Seconds without an answer after which the log says that the run still waits."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """All pages of a task have been fetched."""

    task: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """A task cannot be fetched."""

    task: Any
    error: TapSiroError


class Source(Protocol):
    """Source of pages. `take`, `finished` and `complete` are called with the reader's lock held."""

    @property
    def finished(self) -> bool:
        """Return True if no task is left, and none is being fetched."""

    @property
    def complete(self) -> bool:
        """Return True if everything has been fetched and written."""

    def take(self) -> Any:
        """Return the next task; None if there is none for now."""

    def fetch(self, task: Any) -> Iterator[Any]:
        """Yield the pages of a task and what else the main thread has to know. Called in a worker thread."""

    def receive(self, event: Any) -> None:
        """Handle what `fetch` has yielded, a finished detail, or a task that failed. Called in the main thread."""

    def tick(self) -> None:
        """Log the progress and save the state, if it is time. Called every now and then in the main thread."""


class Reader:
    """The threads that fetch one source, and what they share with the main thread."""

    def __init__(self, clock: Clock, threads: int) -> None:
        """Have that many workers for pages, and as many for details if there are any."""
        self.changed = threading.Condition()
        """Guards what the threads share, and is notified of each change."""
        self._clock = clock
        self._threads = threads
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._room = DECODED_PAGES
        self._jobs: deque[Callable[[], Any]] = deque()
        self._has_detail_workers = False
        self._ended = False

    def read(self, source: Source) -> None:
        """Read a source to its end.

        Raises:
            TapSiroError: As raised by the source.
            StoppedError: The run is to end.
        """
        self._start("pages", lambda: self._fetch(source))
        quiet_since = self._clock.monotonic()
        try:
            while not self._is_complete(source):
                self._clock.check()
                try:
                    event = self._queue.get(timeout=POLL_SECONDS)
                except queue.Empty:
                    source.tick()
                    if self._clock.monotonic() - quiet_since >= QUIET_SECONDS:
                        logger.warning("No response from Siro's API for %.0f seconds; still waiting.", QUIET_SECONDS)
                        quiet_since = float("inf")
                    continue
                if isinstance(event, BaseException):
                    raise event
                source.receive(event)
                del event  # not to be kept while the next one is fetched
                source.tick()
                quiet_since = self._clock.monotonic()
        finally:
            with self.changed:
                self._ended = True
                self.changed.notify_all()

    def submit(self, jobs: Iterable[Callable[[], Any]]) -> None:
        """Have workers for details call functions; their results go to `Source.receive`."""
        if not self._has_detail_workers:
            self._has_detail_workers = True
            self._start("details", self._work)
        with self.changed:
            self._jobs.extend(jobs)
            self.changed.notify_all()

    @contextlib.contextmanager
    def page_slot(self) -> Iterator[None]:
        """Wait for room for a decoded page. It is taken until `free_slot` is called, or free at once after an error."""

        def take_room() -> bool:
            has_room = self._room > 0
            self._room -= has_room
            return has_room

        self._wait_until(take_room)
        try:
            yield
        except BaseException:
            self.free_slot()
            raise

    def free_slot(self) -> None:
        """Make room for another page: one has been written."""
        with self.changed:
            self._room += 1
            self.changed.notify_all()

    def _is_complete(self, source: Source) -> bool:
        with self.changed:
            return source.complete

    def _wait_until(self, ready: Callable[[], bool]) -> None:
        with self.changed:
            while not self._ended:
                self._clock.check()
                if ready():
                    return
                self.changed.wait(POLL_SECONDS)
        raise StoppedError

    def _start(self, name: str, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            except StoppedError:
                pass
            except BaseException as error:  # noqa: BLE001 - raised again in the main thread
                self._queue.put(error)

        for number in range(1, self._threads + 1):
            threading.Thread(target=run, name=f"siro-{name}-{number}", daemon=True).start()

    # What follows runs in the threads.

    def _fetch(self, source: Source) -> None:
        """Fetch one task after the other."""
        task: Any = None

        def take() -> bool:
            nonlocal task
            task = source.take()
            return task is not None or source.finished

        while True:
            self._wait_until(take)
            if task is None:
                return
            try:
                for event in source.fetch(task):
                    self._queue.put(event)
                    del event  # not to be kept while the next one is fetched
            except TapSiroError as error:
                self._queue.put(Failed(task, error))

    def _work(self) -> None:
        """Call one submitted function after the other."""
        job: Callable[[], Any] | None = None

        def take() -> bool:
            nonlocal job
            job = self._jobs.popleft() if self._jobs else None
            return job is not None

        while True:
            self._wait_until(take)
            assert job is not None  # noqa: S101 - that is what it has waited for
            self._queue.put(job())
