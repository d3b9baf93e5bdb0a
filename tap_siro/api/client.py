"""One request, safely: sending it, trying again, and what a page of recordings needs besides."""

from __future__ import annotations

import logging
import time
from contextlib import nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import backoff
import requests
from requests.adapters import HTTPAdapter

from tap_siro import timestamps
from tap_siro.api import decoding
from tap_siro.api.authentication import BearerToken
from tap_siro.api.rate_limit import RateLimit
from tap_siro.api.responses import failure, parse_date
from tap_siro.errors import RefusedError, RetryableError, StoppedError, TapSiroError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from contextlib import AbstractContextManager

    from requests.auth import AuthBase

    from tap_siro.api.decoding import Page
    from tap_siro.settings import Settings
    from tap_siro.singer.signals import Stop

PATH = "/v1/core/recordings"
DEFAULT_PAGE_SIZE = 25
"""Records on a page if no `pageSize` is sent, by the vendor's page."""
LONGEST_WAIT = 60
"""Seconds; a try after a longer wait gains nothing."""

logger = logging.getLogger(__name__)


T = TypeVar("T")


@dataclass(slots=True)
class Host:
    """Where requests go, and how they are authorized there."""

    url: str
    """What all paths are appended to."""
    auth: AuthBase


class Client:
    """Sends requests and tries again. All threads share one."""

    def __init__(self, settings: Settings, stop: Stop) -> None:
        """Make a client.

        Args:
            settings: The tap's settings.
            stop: Set when the sync is to end: whoever waits then gets a `StoppedError`.
        """
        self._settings = settings
        self._stop = stop
        self._api = Host(settings.api_url, BearerToken(settings.api_token))
        self._rate_limit = RateLimit(settings.requests_per_minute)
        self._send_page_size = True
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": settings.user_agent, "Accept": "application/json"})
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = HTTPAdapter(pool_maxsize=settings.concurrency)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def page_size(self, wanted: int) -> int:
        """The recordings that really are asked for with each request of a pass."""
        return wanted if self._send_page_size else DEFAULT_PAGE_SIZE

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def page(
        self, query: Mapping[str, str], decoding: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> Page:
        """Fetch a page of recordings.

        Args:
            query: The query parameters.
            decoding: As for `get`.

        Raises:
            TapSiroError: As for `get`.
            StoppedError: As for `get`.
        """
        sized = self._send_page_size
        parameters = query if sized else {name: value for name, value in query.items() if name != "pageSize"}
        page_size = int(query["pageSize"])
        try:
            page, asked_at = self._fetch(self._api, PATH, parameters, _decode_page, decoding)
        except RefusedError as error:
            if error.status != HTTPStatus.BAD_REQUEST or not sized or page_size <= DEFAULT_PAGE_SIZE:
                raise
            if self._send_page_size:
                self._send_page_size = False
                logger.warning(
                    "Siro's API answered 400 Bad Request; trying without pageSize, that is with %d recordings a page. "
                    "If that helps, set `page_size` to less than %d.",
                    DEFAULT_PAGE_SIZE, page_size,
                )  # fmt: skip
            return self.page(query, decoding)
        page.asked_at = asked_at
        return page

    def get(
        self,
        path: str,
        query: Mapping[str, str],
        *,
        decode: Callable[[bytes], T],
        decoding: Callable[[], AbstractContextManager[None]] = nullcontext,
        host: Host | None = None,
    ) -> T:
        """Send a request, trying again for up to `max_retry_seconds` if it is worth it.

        Args:
            path: Begins with a slash; relative to the host's address.
            query: The query parameters.
            decode: Makes what is returned of the body. Its `MalformedPageError` is a failed try like any other.
            decoding: Entered when an answer has arrived, to decode it in: may wait until there is memory for it.
            host: Where to, if not to `api_url`.

        Raises:
            RefusedError: The API refuses, with a status that no other try changes.
            CursorRefusedError: The cursor in the query is not taken any more.
            TapSiroError: It cannot be had for another reason.
            StoppedError: The sync is being stopped.
        """
        return self._fetch(host or self._api, path, query, decode, decoding)[0]

    def pause(self, seconds: float) -> None:
        """Wait, unless the sync is stopped meanwhile.

        Raises:
            StoppedError: It is.
        """
        if self._stop.wait(seconds):
            raise StoppedError

    def _fetch(
        self,
        host: Host,
        path: str,
        query: Mapping[str, str],
        decode: Callable[[bytes], T],
        decoding: Callable[[], AbstractContextManager[None]],
    ) -> tuple[T, int]:
        """Try until there is an answer that can be decoded: that, and the moment of asking."""
        waits = _waits()
        started = time.monotonic()
        tries = 0
        while True:
            tries += 1
            try:
                body, asked_at = self._send(host, path, query)
                arrived = time.monotonic()
                with decoding():
                    started += time.monotonic() - arrived  # waiting for memory is not trying
                    return _decoded(body, decode), asked_at
            except RetryableError as error:
                # The waiting is ours and not the library's decorator's: it must end when the sync is stopped.
                wait = next(waits) if error.retry_after is None else max(error.retry_after, 1.0)
                spent = time.monotonic() - started
                if spent + wait > self._settings.max_retry_seconds:
                    message = (
                        f"{error} Gave up after {tries} tries in {spent:.0f} seconds (`max_retry_seconds` is "
                        f"{self._settings.max_retry_seconds:g}). Nothing is lost; the next run goes on from here."
                    )
                    raise TapSiroError(message) from None
                logger.warning("%s Trying again in %.1f seconds (try %d).", error, wait, tries + 1)
                self.pause(wait)

    def exchange(self, path: str, query: Mapping[str, str]) -> requests.Response:
        """Send one request to the API, once, and return the answer whatever its status is.

        Raises:
            RetryableError: No whole answer came.
            TapSiroError: The request cannot be sent.
        """
        self._rate_limit.wait(self.pause)
        return self._response(self._api, path, query)

    def _send(self, host: Host, path: str, query: Mapping[str, str]) -> tuple[bytes, int]:
        """Send one request: the body of the answer, and the moment of asking."""
        self._rate_limit.wait(self.pause)
        asked_at = timestamps.now()
        started = time.monotonic()
        response = self._response(host, path, query)
        if response.status_code != HTTPStatus.OK:
            raise failure(response, query)
        server = parse_date(response.headers.get("Date"))
        took = int((time.monotonic() - started) * timestamps.SECOND)
        return response.content, asked_at if server is None else min(asked_at, server - took)

    def _response(self, host: Host, path: str, query: Mapping[str, str]) -> requests.Response:
        try:
            # Redirects are not followed: the token goes to the configured host and nowhere else.
            return self._session.get(
                host.url + path,
                params=query,
                auth=host.auth,
                timeout=self._settings.request_timeout,
                allow_redirects=False,
            )
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            message = f"Siro's API at {urlsplit(host.url).netloc} could not be reached or broke off ({_reason(error)})."
            raise RetryableError(message) from None
        except requests.exceptions.ContentDecodingError:
            message = "Siro's API sent an answer that cannot be decompressed."
            raise RetryableError(message) from None
        except requests.RequestException as error:
            message = f"The request could not be sent ({_reason(error)}): check `api_url` and the proxy settings."
            raise TapSiroError(message) from None


def _decoded(body: bytes, decode: Callable[[bytes], T]) -> T:
    try:
        return decode(body)
    except decoding.MalformedPageError as error:
        message = f"Siro's API answered with {error}, which is not what was asked for."
        raise RetryableError(message) from None


def _decode_page(body: bytes) -> Page:
    return decoding.decode(body)


def _waits() -> Generator[float, None, None]:
    seconds = backoff.expo(base=2, factor=2, max_value=LONGEST_WAIT)
    next(seconds)  # the generator is primed with a first value
    for wait in seconds:
        yield wait / 2 + backoff.full_jitter(wait / 2)


def _reason(error: Exception) -> str:
    # Only the kind: the text of these errors may hold the address with its query.
    return type(error).__name__
