"""An HTTP server in a separate thread, on a free port of the loopback address: its log, faults and rules."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter, deque
from concurrent.futures import Future
from datetime import UTC, datetime
from email.utils import format_datetime
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from tests.sandbox.faults import Answer, Fault, apply, message
from tests.sandbox.query import BadRequestError
from tests.sandbox.routes import RECORDINGS, Request, Route, error

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

# Default user agents of libraries, which the CDN in front of the API refuses.
_DEFAULT_AGENTS = ("python-requests", "python-urllib", "python-httpx", "python/", "aiohttp")
_HOST = "127.0.0.1"


class Server:
    """Server of some routes. Use it as a context manager."""

    def __init__(
        self,
        *,
        latency: float,
        now: Callable[[], datetime] | None,
        rate_limit: tuple[int, float] | None,
        port: int,
    ) -> None:
        """Take the arguments: see `Sandbox`."""
        self.latency = latency
        self.max_in_flight = 0
        self.errors: list[BaseException] = []
        """Errors of a test, or of the tap, that no answer would show. The first is raised at the end."""
        self.watch: Callable[[Any, Request], object] | None = None
        """Called with each authorized request of any route, before it is answered."""
        self._clock = now
        self._rate_limit = rate_limit
        self._port = port
        self._lock = Lock()
        self._routes: list[Route] = []
        self._log: list[Request] = []
        self._counts: Counter[Route] = Counter()
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
        """Stop serving, and raise the error of a failed hook, which would be lost in the server's thread."""
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join()
            self._thread = None
        if self.errors and error is None:
            raise self.errors[0]

    @property
    def host(self) -> str:
        """Return the address of the server itself."""
        if self._thread is None:
            raise RuntimeError("the sandbox is not running")
        return f"http://{_HOST}:{self._port}"

    @property
    def all_requests(self) -> list[Request]:
        """Return all requests so far, including those to unknown addresses."""
        with self._lock:
            return list(self._log)

    def requests_to(self, path: str) -> list[Request]:
        """Return the requests so far to one route, by its path."""
        return [request for request in self.all_requests if request.route == path]

    def route(self, route: Route) -> None:
        """Answer another address too, or one in another way, from now on."""
        self._routes.insert(0, route)

    def clear(self) -> None:
        """Forget the requests seen so far."""
        with self._lock:
            self._log = []
            self._counts.clear()
            self.max_in_flight = self._in_flight

    def now(self) -> datetime:
        """Return the time by the server's clock."""
        return self._clock() if self._clock else datetime.now(UTC)

    def allows(self, request: Request) -> bool:
        """Return True if a request is authorized, unless its route decides."""
        raise NotImplementedError

    def fault(
        self,
        kind: str,
        *,
        on: int | None = 1,
        when: Callable[[Request], bool] | None = None,
        path: str | None = RECORDINGS,
        **options: Any,
    ) -> Fault:
        """Add a fault.

        Args:
            kind: One of `faults.KINDS`, which lists the options too.
            on: Number of requests that it affects, or None for all.
            when: Filter of the requests that it affects.
            path: Its route, or None for all.
            options: Options of the kind.

        Returns:
            The fault, which counts the requests.
        """
        fault = Fault(kind, path, on, when, options)
        with self._lock:
            self._faults.append(fault)
        return fault

    def _run(self, started: Future[int]) -> None:
        try:
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:  # on Windows too
                runner.run(self._serve(started))
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    async def _serve(self, started: Future[int]) -> None:
        self._loop = asyncio.get_running_loop()
        self._closing = asyncio.Event()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        # If a client hangs up, end its request here too: it would count as in flight until it times out.
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        await runner.setup()
        try:
            listener = socket.create_server((_HOST, self._port))
            await web.SockSite(runner, listener).start()
            started.set_result(listener.getsockname()[1])
            await self._closing.wait()
            # What was accepted just before becomes one of the server's connections in these turns of the loop, and only
            # while the server is open. Otherwise nobody closes it, and the test that runs when Python sees that fails.
            self._loop.remove_reader(listener)
            for _ in range(3):
                await asyncio.sleep(0)
        finally:
            for connection in runner.server.connections if runner.server else []:
                if connection.transport is not None:
                    connection.transport.abort()  # a client that does not read would keep it open
            await runner.cleanup()
            await asyncio.sleep(0)

    async def _handle(self, http: web.Request) -> web.StreamResponse:
        body = await http.read()
        request, route = self._arrived(http, body)
        try:
            answer = self._answer(request, route)
            # Read the page before the wait and set the date after it: this order is harder for clients.
            await self._pause(self.latency + answer.delay)
            request.status, request.rows = answer.status, answer.rows
            date = format_datetime(self.now().astimezone(UTC), usegmt=True)
            return await answer.send(http, date)
        finally:
            with self._lock:
                self._in_flight -= 1

    def _arrived(self, http: web.Request, body: bytes) -> tuple[Request, Route | None]:
        request = Request(
            method=http.method,
            path=http.path,
            pairs=list(http.query.items()),
            headers={name.title(): value for name, value in http.headers.items()},
            body=body,
            time=time.monotonic(),
        )
        found = None
        for route in self._routes:
            values = route.match(http.rel_url.raw_path)
            if values is not None:
                request.route, request.values = route.label or route.path, values
                if route.method == request.method:
                    found = route
                    request.authorized = (route.allows or self.allows)(request)
                    break
        with self._lock:
            if found is not None:
                self._counts[found] += 1
                request.number = self._counts[found]
            self._log.append(request)
            self._in_flight += 1
            self.max_in_flight = max(self.max_in_flight, self._in_flight)
        return request, found

    def _refusal(self, request: Request, route: Route) -> Answer | None:
        agent = request.user_agent.strip().lower()
        if not agent or agent.startswith(_DEFAULT_AGENTS):
            return Answer(403, b"<html><body>error code: 1010</body></html>", content_type="text/html")
        if not request.authorized:
            return error(route.base, 401, "Unauthorized")
        return error(route.base, 429, "Too Many Requests") if route.limited and self._too_many(request) else None

    def _answer(self, request: Request, route: Route | None) -> Answer:
        if route is None:
            return message(405, "Method Not Allowed") if request.route else message(404, "Not Found")
        if refusal := self._refusal(request, route):
            return refusal
        try:
            if self.watch is not None:
                self.watch(self, request)
            fault = self._fault_for(request)
            if fault is not None:
                request.fault = fault.kind
                return apply(fault, lambda: route.answer(request))
            return route.answer(request)
        except BadRequestError as refusal:
            return error(route.base, 400, str(refusal))
        except Exception as failure:  # noqa: BLE001
            # Code of the test failed: a hook, a filter or an edit. A 4xx ends the tap at once.
            self.errors.append(failure)
            return message(418, f"the test's own code failed: {failure!r}")

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
