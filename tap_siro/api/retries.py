"""Requests with retries: the rate limit, requests in flight, and tokens that expire."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Generic, TypeVar

import backoff

from tap_siro import timestamps
from tap_siro.api import decoding
from tap_siro.api.rate_limit import RateLimit
from tap_siro.api.responses import ANSWERS, failure, parse_date
from tap_siro.api.transport import Transport
from tap_siro.clock import POLL_SECONDS
from tap_siro.errors import GaveUpError, PageTooHeavyError, RetryableError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping
    from contextlib import AbstractContextManager

    import requests

    from tap_siro.api.host import Host
    from tap_siro.api.transport import Body
    from tap_siro.clock import Clock
    from tap_siro.settings import Settings

MAX_WAIT_SECONDS = 60
"""Seconds; a try after a longer wait gains nothing."""
HEAVY_TRIES = 3
"""Failed tries in a row, with a status of `HEAVY_STATUSES`, after which smaller pages are requested."""
PERMANENT_TRIES = 5
"""Failed tries in a row after which a fault that no other try cures ends a request to a host that never answered."""

logger = logging.getLogger(__name__)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Request(Generic[T_co]):
    """A request, and the decoder of its answer."""

    host: Host
    path: str
    """Begins with a slash; relative to the host's address."""
    query: Mapping[str, str]
    decode: Callable[[bytes], T_co]
    """Makes the result from the body. Its `MalformedPageError` is a failed try like any other."""
    page_slot: Callable[[], AbstractContextManager[None]] = nullcontext
    """Entered to decode an answer: may wait until there is memory for it."""
    body: Body | None = field(default=None, repr=False)
    """With one, it is a POST request."""
    heavy_tries: int | None = None
    """Failed tries in a row after which less should be requested; None if it cannot."""
    may_be_empty: bool = False
    """An answer without content, or `null`, is one; the result is None."""


class Retries:
    """Sends requests and retries them if they fail. All threads share one."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.clock = clock
        self._max_seconds = settings.max_retry_seconds
        self._rate_limit = RateLimit(settings.requests_per_minute)
        self._in_flight = threading.BoundedSemaphore(settings.concurrency)
        self._warned_of: set[str] = set()
        self._transport = Transport(
            user_agent=settings.user_agent, connections=settings.concurrency, timeout=settings.request_timeout
        )

    def close(self) -> None:
        """Close all connections."""
        self._rate_limit.close()
        self._transport.close()

    def send(self, request: Request[T]) -> tuple[T | None, int]:
        """Send a request until it has an answer that can be decoded.

        Returns:
            The decoded answer, and the timestamp of the request: by the server's clock or the local one, whichever is
            earlier.

        Raises:
            RefusedError: The API refuses, with a status that no other try changes.
            CursorRefusedError: The API no longer takes the cursor in the query.
            PageTooHeavyError: The page seems too much for the API.
            GaveUpError: All tries failed for `max_retry_seconds`.
            TapSiroError: It failed for another reason.
            StoppedError: The run is to end.
        """
        host, clock = request.host, self.clock
        waits = _waits()
        started, succeeded = clock.monotonic(), host.successes
        tries = heavy = permanent = 0
        renewed = False
        while True:
            tries += 1
            try:
                response, asked_at = self._timed(request)
                if response.status_code == HTTPStatus.UNAUTHORIZED and not renewed:
                    renewed = host.auth.renew(response.request)
                    if renewed:
                        continue
                decoded = None
                if not (request.may_be_empty and _is_empty(response)):
                    if response.status_code not in ANSWERS:
                        raise failure(response, request.query, host)
                    arrived = clock.monotonic()
                    with request.page_slot():
                        started += clock.monotonic() - arrived  # waiting for memory is not trying
                        decoded = self._decoded(response.content, request)
            except RetryableError as error:
                renewed = False  # the waits may outlast a token's life
                heavy = heavy + 1 if error.reduce_page else 0
                if heavy and heavy == request.heavy_tries:
                    raise PageTooHeavyError(str(error)) from None
                permanent = permanent + 1 if error.hint else 0
                # The waiting is ours and not the library's decorator's: it must end when the run is to end.
                wait = next(waits) if error.retry_after is None else max(error.retry_after, 1.0)
                spent = clock.monotonic() - started
                is_permanent = permanent == PERMANENT_TRIES and not host.successes
                if is_permanent or host.is_down or spent + wait > self._max_seconds:
                    message = f"{error} {error.hint}" if is_permanent else self._gave_up(error, request, tries, spent)
                    # What was waited for in vain, no other request needs to wait for.
                    host.is_down = host.is_down or host.successes == succeeded
                    raise GaveUpError(message, unreachable=error.unreachable) from None
                logger.warning("%s Retrying in %.1f seconds (try %d).", error, wait, tries + 1)
                clock.wait(wait)
            else:
                host.successes += 1
                host.is_down = False
                return decoded, asked_at

    def send_once(self, request: Request[T]) -> requests.Response:
        """Send a request within the rate limit, once, and return the answer with any status.

        Raises:
            RetryableError: No whole answer came.
            TapSiroError: The request cannot be sent.
            StoppedError: The run is to end.
        """
        # A token is renewed inside another request, which has its place already.
        with nullcontext() if request.body else self._place():
            self._rate_limit.wait(self.clock.wait)
            return self._transport.send(
                request.host.url + request.path,
                auth=request.host.auth,
                setting=request.host.setting,
                query=request.query,
                body=request.body,
            )

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Hold one of the places of requests in flight."""
        while not self._in_flight.acquire(timeout=POLL_SECONDS):
            self.clock.check()
        try:
            yield
        finally:
            self._in_flight.release()

    def _timed(self, request: Request[T]) -> tuple[requests.Response, int]:
        asked_at = timestamps.now()
        started = self.clock.monotonic()
        response = self.send_once(request)
        server = parse_date(response.headers.get("Date"))
        took = int((self.clock.monotonic() - started) * timestamps.SECOND)
        return response, asked_at if server is None else min(asked_at, server - took)

    def _decoded(self, body: bytes, request: Request[T]) -> T:
        try:
            try:
                return request.decode(body)
            except decoding.MalformedPageError:
                repaired, faults = decoding.repair(body)
                decoded = request.decode(repaired)
        except decoding.MalformedPageError as error:
            host = request.host
            message = f"{host.name} sent an invalid response ({error})."
            hint = f"Check `{host.setting}` and proxies: another server may be answering."
            raise RetryableError(message, hint=hint) from None
        for fault in faults - self._warned_of:
            self._warned_of.add(fault)
            logger.warning("%s sent %s. If you need the lost value, report it to Siro.", request.host.name, fault)
        return decoded

    def _gave_up(self, error: RetryableError, request: Request[T], tries: int, spent: float) -> str:
        limit = f"`max_retry_seconds` is {self._max_seconds:g}"
        if error.retry_after is not None and error.retry_after > self._max_seconds:
            why = (
                f"The API asked to wait {error.retry_after:.0f} seconds, longer than `max_retry_seconds` "
                f"({self._max_seconds:g})."
            )
        elif request.host.is_down:
            why = f"Not retried, because an earlier request to the same host failed ({limit})."
        else:
            why = f"Gave up after {tries} tries in {spent:.0f} seconds ({limit})."
        query = request.query
        bounds = [f"{name} {query[name]}" for name in ("createdAt:gt", "createdAt:lt") if name in query]
        where = f" Requested: {', '.join(bounds)}." if bounds else ""
        return f"{error} {why}{where} Nothing is lost; the next run continues from here."


def _is_empty(response: requests.Response) -> bool:
    status = response.status_code
    return status == HTTPStatus.NO_CONTENT or (status in ANSWERS and response.content.strip() in {b"", b"null"})


def _waits() -> Generator[float, None, None]:
    seconds = backoff.expo(base=2, factor=2, max_value=MAX_WAIT_SECONDS)
    next(seconds)  # the generator is primed with a first value
    for wait in seconds:
        yield wait / 2 + backoff.full_jitter(wait / 2)
