"""One page, safely: the request, its retries, and what each kind of failure means."""

from __future__ import annotations

import logging
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import backoff
import requests
from requests.adapters import HTTPAdapter

from tap_siro import timestamps
from tap_siro.api import decoding
from tap_siro.api.authentication import BearerToken
from tap_siro.api.rate_limit import RateLimit
from tap_siro.api.responses import fatal_message, parse_date, retry_after_seconds
from tap_siro.errors import CursorRefusedError, RetryableError, StoppedError, TapSiroError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from contextlib import AbstractContextManager

    from tap_siro.settings import Settings
    from tap_siro.singer.signals import Stop

PATH = "/v1/core/recordings"
DEFAULT_PAGE_SIZE = 25
"""Records on a page if no `pageSize` is sent, by the vendor's page."""
LONGEST_WAIT = 60
"""Seconds; a try after a longer wait gains nothing."""

logger = logging.getLogger(__name__)


class Client:
    """Fetches pages. All threads share one."""

    def __init__(self, settings: Settings, stop: Stop) -> None:
        """Make a client.

        Args:
            settings: The tap's settings.
            stop: Set when the sync is to end: whoever waits then gets a `StoppedError`.
        """
        self._settings = settings
        self._stop = stop
        self._url = settings.api_url + PATH
        self._host = urlsplit(self._url).netloc
        self._rate_limit = RateLimit(settings.requests_per_minute)
        self._send_page_size = True
        self._session = requests.Session()
        self._session.auth = BearerToken(settings.api_token)
        self._session.headers.update({"User-Agent": settings.user_agent, "Accept": "application/json"})
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = HTTPAdapter(pool_maxsize=settings.concurrency)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    @property
    def page_size(self) -> int:
        """The records asked for with each request."""
        return self._settings.page_size if self._send_page_size else DEFAULT_PAGE_SIZE

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def page(
        self, query: Mapping[str, str], decoding: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> decoding.Page:
        """Fetch a page, trying again for up to `max_retry_seconds` if it is worth it.

        Args:
            query: The query parameters without `pageSize`.
            decoding: Entered when an answer has arrived, to decode it in: may wait until there is memory for it.

        Raises:
            TapSiroError: It cannot be had.
            CursorRefusedError: The cursor in the query is not taken any more.
            StoppedError: The sync is being stopped.
        """
        waits = _waits()
        started = time.monotonic()
        tries = 0
        while True:
            tries += 1
            try:
                response, asked_at = self._answer(query)
                arrived = time.monotonic()
                with decoding():
                    started += time.monotonic() - arrived  # waiting for memory is not trying
                    return _page(response, asked_at)
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

    def pause(self, seconds: float) -> None:
        """Wait, unless the sync is stopped meanwhile.

        Raises:
            StoppedError: It is.
        """
        if self._stop.wait(seconds):
            raise StoppedError

    def _answer(self, query: Mapping[str, str]) -> tuple[requests.Response, int]:
        """Send a request: the answer, and the moment of asking."""
        self._rate_limit.wait(self.pause)
        sized = self._send_page_size
        parameters = {**query, "pageSize": str(self._settings.page_size)} if sized else query
        asked_at = timestamps.of(datetime.now(UTC))
        started = time.monotonic()
        try:
            # Redirects are not followed: the token goes to the configured host and nowhere else.
            response = self._session.get(
                self._url, params=parameters, timeout=self._settings.request_timeout, allow_redirects=False
            )
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            message = f"Siro's API at {self._host} could not be reached or broke off ({_reason(error)})."
            raise RetryableError(message) from None
        except requests.exceptions.ContentDecodingError:
            message = "Siro's API sent an answer that cannot be decompressed."
            raise RetryableError(message) from None
        except requests.RequestException as error:
            message = f"The request could not be sent ({_reason(error)}): check `api_url` and the proxy settings."
            raise TapSiroError(message) from None
        if response.status_code != HTTPStatus.OK:
            self._refuse(response, query, sized=sized)
            return self._answer(query)  # once more, without pageSize
        server = parse_date(response.headers.get("Date"))
        took = int((time.monotonic() - started) * timestamps.SECOND)
        return response, asked_at if server is None else min(asked_at, server - took)

    def _refuse(self, response: requests.Response, query: Mapping[str, str], *, sized: bool) -> None:
        """Raise what a status means; return if the request is to be repeated without `pageSize`."""
        status = response.status_code
        name = f"{status} {response.reason or ''}".strip()[:60]
        if status in {408, 429} or status >= HTTPStatus.INTERNAL_SERVER_ERROR or status < HTTPStatus.MULTIPLE_CHOICES:
            message = f"Siro's API answered {name}."
            raise RetryableError(message, retry_after=retry_after_seconds(response))
        if status in {400, 410} and "cursor" in query:
            message = f"Siro's API answered {name} to a cursor that it gave itself."
            raise CursorRefusedError(message)
        if status == HTTPStatus.BAD_REQUEST and sized and self._settings.page_size > DEFAULT_PAGE_SIZE:
            if self._send_page_size:
                self._send_page_size = False
                logger.warning(
                    "Siro's API answered %s; trying without pageSize, that is with %d recordings a page. If that "
                    "helps, set `page_size` to less than %d.",
                    name, DEFAULT_PAGE_SIZE, self._settings.page_size,
                )  # fmt: skip
            return
        raise TapSiroError(fatal_message(name, response, query))


def _page(response: requests.Response, asked_at: int) -> decoding.Page:
    try:
        page = decoding.decode(response.content)
    except decoding.MalformedPageError as error:
        message = f"Siro's API answered with {error}, not with a page of recordings."
        raise RetryableError(message) from None
    page.asked_at = asked_at
    return page


def _waits() -> Generator[float, None, None]:
    seconds = backoff.expo(base=2, factor=2, max_value=LONGEST_WAIT)
    next(seconds)  # the generator is primed with a first value
    for wait in seconds:
        yield wait / 2 + backoff.full_jitter(wait / 2)


def _reason(error: Exception) -> str:
    # Only the kind: the text of these errors may hold the address with its query.
    return type(error).__name__
