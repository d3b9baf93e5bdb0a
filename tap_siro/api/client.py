"""What is asked of the API: pages of recordings, with all that these need, and anything else."""

from __future__ import annotations

import logging
import threading
from contextlib import nullcontext
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from tap_siro.api import decoding
from tap_siro.api.authentication import (
    BEARER,
    USER,
    Authentication,
    BearerToken,
    RenewedToken,
    Token,
    app_refused,
    client_refused,
    oauth_token,
    user_token,
)
from tap_siro.api.retries import Host, Request, Retries
from tap_siro.api.transport import Body
from tap_siro.errors import BoundsRefusedError, PageTooHeavyError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    import requests

    from tap_siro.api.decoding import Page
    from tap_siro.settings import Settings
    from tap_siro.singer.signals import Stop

__all__ = ["Client", "Host"]

PATH = "/v1/core/recordings"
DEFAULT_PAGE_SIZE = 25
"""Records on a page if no `pageSize` is sent, by the vendor's page."""
LARGEST_PAGE = 500
SMALLEST_PAGE = 5
"""Records on the pages that are asked for when larger ones are too heavy for the API."""
logger = logging.getLogger(__name__)
T = TypeVar("T")


class Client(Retries):
    """What is asked of the API. All threads share one."""

    def __init__(self, settings: Settings, stop: Stop) -> None:
        """Make a client.

        Args:
            settings: The tap's settings.
            stop: Set when the sync is to end: whoever waits then gets a `StoppedError`.
        """
        super().__init__(settings, stop)
        self._settings = settings
        self.api = Host(settings.api_url, self._authentication())
        self.user_host = Host(settings.user_api_url, self._user_authentication(), "user_api_url")
        """Where transcripts are."""
        self._lock = threading.Lock()
        self._send_page_size = True
        self._page_size_limit = LARGEST_PAGE
        self._taken: set[frozenset[str]] = set()
        """The names of the query parameters that the API has taken together."""

    def page_size(self, wanted: int) -> int:
        """The recordings that are really asked for with each request. May become less while a sync runs."""
        return min(wanted if self._send_page_size else DEFAULT_PAGE_SIZE, self._page_size_limit)

    def page(
        self, query: Mapping[str, str], decoding: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> Page:
        """Fetch a page of recordings.

        Args:
            query: The query parameters. With `pageSize`: what is wanted, if nothing speaks against it.
            decoding: As for `get`.

        Raises:
            PageTooHeavyError: The page seems too much for the API: read again from the chain's first page.
            BoundsRefusedError: The API may not take the `createdAt` bounds, or not beside the other parameters.
            TapSiroError: As for `get`.
            StoppedError: As for `get`.
        """
        size = self.page_size(int(query["pageSize"]))
        sized = self._send_page_size or size < DEFAULT_PAGE_SIZE
        parameters = {name: value for name, value in query.items() if name != "pageSize"}
        names = frozenset(parameters) - {"cursor"}
        if sized:
            parameters["pageSize"] = str(size)
        try:
            page, asked_at = self.send(
                Request(self.api, PATH, parameters, _decode_page, decoding, may_be_heavy=size > SMALLEST_PAGE)
            )
        except PageTooHeavyError:
            self._ask_for_less(size)
            if "cursor" in query:
                raise
        except RefusedError as error:
            if error.status != HTTPStatus.BAD_REQUEST:
                raise
            if names not in self._taken and any(name.startswith("createdAt:") for name in names):
                raise BoundsRefusedError(str(error), error.status) from None
            if not sized or size <= DEFAULT_PAGE_SIZE:
                raise
            self._ask_without_page_size(size)
        else:
            self._taken.add(names)
            page.asked_at = asked_at
            return page
        return self.page(query, decoding)

    def _ask_for_less(self, size: int) -> None:
        with self._lock:
            if self._page_size_limit < size:
                return  # another thread was faster
            self._page_size_limit = max(SMALLEST_PAGE, size // 2)
        logger.warning(
            "Pages of %d recordings seem to be too much for Siro's API; asking for %d from now on. If that helps, set "
            "`page_size` to that.",
            size, self._page_size_limit,
        )  # fmt: skip

    def _ask_without_page_size(self, size: int) -> None:
        with self._lock:
            if not self._send_page_size:
                return
            self._send_page_size = False
        logger.warning(
            "Siro's API answered 400 Bad Request; trying without pageSize, that is with %d recordings a page. If that "
            "helps, set `page_size` to less than %d.",
            DEFAULT_PAGE_SIZE, size,
        )  # fmt: skip

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
        return self.send(Request(host or self.api, path, query, decode, decoding))[0]

    def post(self, host: Host, path: str, body: Body, *, decode: Callable[[bytes], T]) -> T:
        """Send something to a host, and try again, as `get` does."""
        return self.send(Request(host, path, {}, decode, body=body))[0]

    def exchange(self, path: str, query: Mapping[str, str]) -> requests.Response:
        """Send one request to the API, once, and return the answer whatever its status is.

        Raises:
            RetryableError: No whole answer came.
            TapSiroError: The request cannot be sent.
        """
        return self.send_once(Request(self.api, path, query, bytes))

    def _authentication(self) -> Authentication:
        settings = self._settings
        if not settings.client_id:
            return BearerToken(settings.api_token)
        host = Host(settings.auth_url, Authentication(), "auth_url")
        form = {
            "grant_type": "client_credentials",
            "client_id": settings.client_id,
            "client_secret": settings.client_secret,
        }

        def make() -> Token:
            try:
                return self.post(host, "", Body(form), decode=oauth_token)
            except RefusedError as error:
                raise client_refused(error) from None

        return RenewedToken(
            make,
            refusal="it does not take the token that `client_id` and `client_secret` gave. Check that this client app "
            "may read recordings.",
            prefixes={**BEARER, **USER},  # one token for both hosts
        )

    def _user_authentication(self) -> Authentication:
        """For transcripts: the organization token never goes to their host."""
        settings = self._settings
        if settings.client_id and not settings.oauth_client_id:
            return self.api.auth
        path = f"/v1/core/oauth/apps/{quote(settings.oauth_client_id, safe='')}/access-token"
        body = {"clientSecret": settings.oauth_client_secret, "userId": settings.oauth_user_id, "scope": "read"}

        def make() -> Token:
            try:
                return self.post(self.api, path, Body(json=body), decode=user_token)
            except RefusedError as error:
                raise app_refused(error) from None

        return RenewedToken(
            make,
            refusal="it does not take the token that `oauth_client_id` and `oauth_client_secret` gave. Check that the "
            "user of `oauth_user_id` may see the organization's recordings.",
            prefixes=USER,
        )


def _decode_page(body: bytes) -> Page:
    return decoding.decode(body)
