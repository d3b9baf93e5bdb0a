"""The sandbox itself: an HTTP server in a thread of its own, on a free port of the loopback address."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from concurrent.futures import Future
from datetime import UTC, datetime
from email.utils import format_datetime
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from tests.sandbox import timestamps
from tests.sandbox.faults import Answer, Fault, Request, apply, message
from tests.sandbox.query import BadRequestError, parse_query
from tests.sandbox.store import Page, Recording, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

__all__ = ["Fault", "Request", "Sandbox"]

_BASE = "/api-externalApi"
_PATH = f"{_BASE}/v1/core/recordings"
# What the libraries send when a client does not name itself; the CDN in front of the API turns these away.
_DEFAULT_AGENTS = ("python-requests", "python-urllib", "python-httpx", "python/", "aiohttp")
_HOST = "127.0.0.1"


class Sandbox:
    """A stand-in for Siro's recordings endpoint.

    Use it as a context manager. Recordings can be changed from any thread, and from the hook, at any time.
    """

    def __init__(
        self,
        recordings: Iterable[Recording],
        *,
        token: str = "sandbox-token",  # noqa: S107
        order: str = "newest_created",
        cursor: str = "place",
        latency: float = 0.0,
        max_page_size: int = 500,
        default_page_size: int = 25,
        now: Callable[[], datetime] | None = None,
        rate_limit: tuple[int, float] | None = None,
        strict: bool = True,
        last_page_cursor: bool = False,
        port: int = 0,
    ) -> None:
        """Take the recordings and how to serve them.

        Args:
            recordings: The data set. It is copied.
            token: The token that requests must bear.
            order: newest_created, oldest_updated, newest_updated or id.
            cursor: place (go on after the last row served) or count (skip as many rows as were served).
            latency: Seconds from reading a page to sending it.
            max_page_size: The largest page.
            default_page_size: The page size of requests that name none.
            now: The server's clock, if not the real one.
            rate_limit: How many requests are let through in any window of how many seconds.
            strict: Refuse what the documentation does not allow, instead of ignoring it.
            last_page_cursor: Give the last page a cursor too; the page after it is empty.
            port: The port, if not any free one.
        """
        self.token = token
        self.latency = latency
        self.max_in_flight = 0
        self.errors: list[BaseException] = []
        self.hook: Callable[[Sandbox, Request], object] | None = None
        self._store = Store(recordings, order=order, cursor=cursor, last_page_cursor=last_page_cursor)
        self._max_page_size = max_page_size
        self._default_page_size = default_page_size
        self._clock = now
        self._rate_limit = rate_limit
        self._strict = strict
        self._port = port
        self._lock = Lock()
        self._log: list[Request] = []
        self._faults: list[Fault] = []
        self._let_through: deque[float] = deque()
        self._in_flight = 0
        self._thread: Thread | None = None
        self._loop: asyncio.AbstractEventLoop
        self._closing: asyncio.Event

    def __enter__(self) -> Self:
        """Start serving."""
        started: Future[int] = Future()
        thread = Thread(target=self._run, args=(started,), name="sandbox", daemon=True)
        thread.start()
        self._port = started.result()
        self._thread = thread
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop serving, and report a hook that failed: its error would be lost in the server's thread."""
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join()
            self._thread = None
        if self.errors and error is None:
            raise self.errors[0]

    @property
    def url(self) -> str:
        """The address to configure as `api_url`."""
        if self._thread is None:
            raise RuntimeError("the sandbox is not running")
        return f"http://{_HOST}:{self._port}{_BASE}"

    @property
    def requests(self) -> list[Request]:
        """The requests seen so far, in the order of their arrival."""
        with self._lock:
            return list(self._log)

    @property
    def recordings(self) -> list[Recording]:
        """Copies of the recordings as they are now."""
        return self._store.snapshot()

    def clear(self) -> None:
        """Forget the requests seen so far."""
        with self._lock:
            self._log = []
            self.max_in_flight = self._in_flight

    def now(self) -> datetime:
        """Tell the time by the server's clock."""
        return self._clock() if self._clock else datetime.now(UTC)

    def add(self, recording: Recording) -> None:
        """Add a recording."""
        self._store.add(recording)

    def remove(self, recording_id: str, /) -> None:
        """Remove a recording."""
        self._store.remove(recording_id)

    def update(self, recording_id: str, /, **changes: Any) -> Recording:
        """Change fields of a recording, and its `updatedAt` to now unless that is among them; return it."""
        return self._store.update(
            recording_id, {"updatedAt": timestamps.from_ms(timestamps.to_ms(self.now()))} | changes
        )

    def fault(
        self,
        kind: str,
        *,
        on: int | None = 1,
        when: Callable[[Request], bool] | None = None,
        **options: Any,
    ) -> Fault:
        """Let something go wrong.

        Args:
            kind: One of `faults.KINDS`, where its options stand too.
            on: How many requests it hits, or None for all.
            when: Which requests it hits.
            options: What the kind needs.

        Returns:
            The fault, which counts its hits.
        """
        fault = Fault(kind, on, when, options)
        with self._lock:
            self._faults.append(fault)
        return fault

    def _run(self, started: Future[int]) -> None:
        try:
            asyncio.run(self._serve(started))
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    async def _serve(self, started: Future[int]) -> None:
        self._loop = asyncio.get_running_loop()
        self._closing = asyncio.Event()
        app = web.Application()
        app.router.add_get(_PATH, self._handle, allow_head=False)
        # A client that hangs up ends its request here too, or it would count as in flight until it times out.
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, _HOST, self._port)
            await site.start()
            started.set_result(runner.addresses[0][1])
            await self._closing.wait()
        finally:
            await runner.cleanup()

    async def _handle(self, http: web.Request) -> web.StreamResponse:
        request = self._arrived(http)
        try:
            answer = self._answer(http, request)
            # The page was read before the wait, and the date is set after it: the order that is harder on clients.
            await self._pause(self.latency + answer.delay)
            request.status, request.rows = answer.status, answer.rows
            date = format_datetime(self.now().astimezone(UTC), usegmt=True)
            return await answer.send(http, date)
        finally:
            with self._lock:
                self._in_flight -= 1

    def _arrived(self, http: web.Request) -> Request:
        params: dict[str, str] = {}
        for name, value in http.query.items():
            params.setdefault(name, value)
        with self._lock:
            request = Request(
                number=len(self._log) + 1,
                params=params,
                headers={name.title(): value for name, value in http.headers.items()},
                authorized=http.headers.get("Authorization") == f"Bearer {self.token}",
                time=time.monotonic(),
            )
            self._log.append(request)
            self._in_flight += 1
            self.max_in_flight = max(self.max_in_flight, self._in_flight)
        return request

    def _answer(self, http: web.Request, request: Request) -> Answer:
        agent = request.user_agent.strip().lower()
        if not agent or agent.startswith(_DEFAULT_AGENTS):
            return Answer(403, b"<html><body>error code: 1010</body></html>", content_type="text/html")
        if not request.authorized:
            return message(401, "Unauthorized")
        if self._too_many(request):
            return message(429, "Too Many Requests")
        try:
            fault = self._fault_for(request)
            if fault is not None:
                request.fault = fault.kind
                return apply(fault, lambda: self._page(http))
            return self._page(http, request)
        except Exception as error:  # noqa: BLE001
            # A test's own code failed: its hook, a predicate, an edit. A 4xx ends the tap at once.
            self.errors.append(error)
            return message(418, f"the test's own code failed: {error!r}")

    def _page(self, http: web.Request, hooked: Request | None = None) -> Answer:
        try:
            query = parse_query(
                http.query.items(),
                strict=self._strict,
                default_page_size=self._default_page_size,
                max_page_size=self._max_page_size,
            )
            if hooked is not None and self.hook is not None:
                self.hook(self, hooked)
            page: Page = self._store.page(query)
        except BadRequestError as error:
            return message(400, str(error))
        return Answer(200, page.body, rows=len(page.rows))

    def _fault_for(self, request: Request) -> Fault | None:
        with self._lock:
            faults = list(self._faults)
        return next((fault for fault in faults if fault.takes(request)), None)

    def _too_many(self, request: Request) -> bool:
        if self._rate_limit is None:
            return False
        count, seconds = self._rate_limit
        while self._let_through and self._let_through[0] <= request.time - seconds:
            self._let_through.popleft()
        if len(self._let_through) >= count:
            return True
        self._let_through.append(request.time)
        return False

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            try:
                await asyncio.wait_for(self._closing.wait(), seconds)
            except TimeoutError:
                return
