"""One request, safely: trying again, and tokens that expire."""

from __future__ import annotations

import logging
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Generic, TypeVar

import backoff

from tap_siro import timestamps
from tap_siro.api import decoding
from tap_siro.api.rate_limit import RateLimit
from tap_siro.api.responses import ANSWERS, failure, parse_date
from tap_siro.api.transport import Transport, name_host
from tap_siro.errors import PageTooHeavyError, RetryableError, StoppedError, TapSiroError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from contextlib import AbstractContextManager

    import requests

    from tap_siro.api.authentication import Authentication
    from tap_siro.api.transport import Body
    from tap_siro.settings import Settings
    from tap_siro.singer.signals import Stop

LONGEST_WAIT = 60
"""Seconds; a try after a longer wait gains nothing."""
HEAVY_TRIES = 3
"""After so many in a row that ended as if the page was too much, smaller ones are asked for."""
LASTING_TRIES = 5
"""After so many, a fault that no other try cures ends a run in which nothing has succeeded yet."""

logger = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(slots=True)
class Host:
    """Where requests go, and how they are authorized there."""

    url: str
    """What all paths are appended to."""
    auth: Authentication
    setting: str = "api_url"
    """The setting that the address comes from."""
    succeeded: bool = False
    """Whether it has answered as it should in this run."""

    @property
    def name(self) -> str:
        """The subject of a sentence about it."""
        return name_host(self.setting)


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """What is asked for, and what is made of the answer."""

    host: Host
    path: str
    """Begins with a slash; relative to the host's address."""
    query: Mapping[str, str]
    decode: Callable[[bytes], T]
    """Makes what is returned of the body. Its `MalformedPageError` is a failed try like any other."""
    decoding: Callable[[], AbstractContextManager[None]] = nullcontext
    """Entered when an answer has arrived, to decode it in: may wait until there is memory for it."""
    body: Body | None = field(default=None, repr=False)
    """With one, it is a POST request."""
    may_be_heavy: bool = False
    """Whether less could be asked for."""


class Retries:
    """Sends requests and tries again. All threads share one."""

    def __init__(self, settings: Settings, stop: Stop) -> None:
        """Open nothing yet.

        Args:
            settings: The tap's settings.
            stop: Set when the sync is to end: whoever waits then gets a `StoppedError`.
        """
        self._max_seconds = settings.max_retry_seconds
        self._stop = stop
        self._rate_limit = RateLimit(settings.requests_per_minute)
        self._warned_of: set[str] = set()
        self._transport = Transport(
            user_agent=settings.user_agent, connections=settings.concurrency, timeout=settings.request_timeout
        )

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def pause(self, seconds: float) -> None:
        """Wait, unless the sync is stopped meanwhile.

        Raises:
            StoppedError: It is.
        """
        if self._stop.wait(seconds):
            raise StoppedError

    def send(self, request: Request[T]) -> tuple[T, int]:
        """Try until there is an answer that can be decoded: that, and the moment of asking.

        Raises:
            RefusedError: The API refuses, with a status that no other try changes.
            CursorRefusedError: The cursor in the query is not taken any more.
            PageTooHeavyError: What was asked for seems too much.
            TapSiroError: It cannot be had for another reason.
            StoppedError: The sync is being stopped.
        """
        host = request.host
        waits = _waits()
        started = time.monotonic()
        tries = heavy = lasting = 0
        renewed = False
        while True:
            tries += 1
            try:
                response, asked_at = self._timed(request)
                if response.status_code == HTTPStatus.UNAUTHORIZED and not renewed:
                    renewed = host.auth.renew(response.request)
                    if renewed:
                        continue
                if response.status_code not in ANSWERS:
                    raise failure(response, request.query, host)
                arrived = time.monotonic()
                with request.decoding():
                    started += time.monotonic() - arrived  # waiting for memory is not trying
                    decoded = self._decoded(response.content, request)
            except RetryableError as error:
                renewed = False  # the waits may outlast a token's life
                heavy = heavy + 1 if error.heavy else 0
                if request.may_be_heavy and heavy == HEAVY_TRIES:
                    raise PageTooHeavyError(str(error)) from None
                lasting = lasting + 1 if error.advice else 0
                if lasting == LASTING_TRIES and not host.succeeded:
                    raise TapSiroError(f"{error} {error.advice}") from None
                # The waiting is ours and not the library's decorator's: it must end when the sync is stopped.
                wait = next(waits) if error.retry_after is None else max(error.retry_after, 1.0)
                spent = time.monotonic() - started
                if spent + wait > self._max_seconds:
                    raise TapSiroError(self._gave_up(error, request.query, tries, spent)) from None
                logger.warning("%s Trying again in %.1f seconds (try %d).", error, wait, tries + 1)
                self.pause(wait)
            else:
                host.succeeded = True
                return decoded, asked_at

    def send_once(self, request: Request[T]) -> requests.Response:
        """Send a request within the rate limit, once, and return the answer whatever its status is.

        Raises:
            RetryableError: No whole answer came.
            TapSiroError: The request cannot be sent.
            StoppedError: The sync is being stopped.
        """
        self._rate_limit.wait(self.pause)
        return self._exchange(request)

    def _exchange(self, request: Request[T]) -> requests.Response:
        return self._transport.send(
            request.host.url + request.path,
            auth=request.host.auth,
            setting=request.host.setting,
            query=request.query,
            body=request.body,
        )

    def _timed(self, request: Request[T]) -> tuple[requests.Response, int]:
        """Send a request once: the answer, and the moment of asking by the server's clock or ours."""
        self._rate_limit.wait(self.pause)
        asked_at = timestamps.now()
        started = time.monotonic()
        response = self._exchange(request)
        server = parse_date(response.headers.get("Date"))
        took = int((time.monotonic() - started) * timestamps.SECOND)
        return response, asked_at if server is None else min(asked_at, server - took)

    def _decoded(self, body: bytes, request: Request[T]) -> T:
        try:
            try:
                return request.decode(body)
            except decoding.MalformedPageError:
                repaired, faults = decoding.repair(body)
                decoded = request.decode(repaired)
        except decoding.MalformedPageError as error:
            message = f"{request.host.name} answered with {error}, which is not what was asked for."
            advice = f"Check `{request.host.setting}` and proxies: something else may be answering."
            raise RetryableError(message, advice=advice) from None
        for fault in faults - self._warned_of:
            self._warned_of.add(fault)
            logger.warning("%s sent %s. Report it to Siro if you need what was there.", request.host.name, fault)
        return decoded

    def _gave_up(self, error: RetryableError, query: Mapping[str, str], tries: int, spent: float) -> str:
        limit = f"`max_retry_seconds` is {self._max_seconds:g}"
        if error.retry_after is not None and error.retry_after > self._max_seconds:
            why = f"It asks to wait for {error.retry_after:.0f} seconds, which is too long ({limit})."
        else:
            why = f"Gave up after {tries} tries in {spent:.0f} seconds ({limit})."
        bounds = [f"{name} {query[name]}" for name in ("createdAt:gt", "createdAt:lt") if name in query]
        where = f" What was asked for: {', '.join(bounds)}." if bounds else ""
        return f"{error} {why}{where} Nothing is lost; the next run goes on from here."


def _waits() -> Generator[float, None, None]:
    seconds = backoff.expo(base=2, factor=2, max_value=LONGEST_WAIT)
    next(seconds)  # the generator is primed with a first value
    for wait in seconds:
        yield wait / 2 + backoff.full_jitter(wait / 2)
