"""Client for Siro's API: its hosts and their tokens, and requests outside a chain of pages."""

from __future__ import annotations

import functools
import logging
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from tap_siro.api.authentication import (
    BEARER_HEADER,
    USER_HEADER,
    Authentication,
    BearerToken,
    RenewedToken,
    Token,
    app_refused,
    client_refused,
    oauth_token,
    user_token,
)
from tap_siro.api.chain import Chain
from tap_siro.api.decoding import decode_object
from tap_siro.api.host import Host
from tap_siro.api.page_size import PageSize
from tap_siro.api.pages import read_page
from tap_siro.api.retries import Request, Retries
from tap_siro.api.transport import Body
from tap_siro.errors import RefusedError, TapSiroError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    import requests

    from tap_siro.clock import Clock
    from tap_siro.settings import Settings

__all__ = ["Client", "Host"]

PATH = "/v1/core/recordings"
IDENTITY = "/v1/core/auth/caller-identity"
ORGANIZATIONS = "/v1/core/organizations"

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Client(Retries):
    """Client for Siro's API. All threads share one."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self.settings = settings
        self.api = Host(settings.api_url, self._authentication())
        self.user_host = Host(settings.user_api_url, self._user_authentication(), "user_api_url")
        self._page_sizes: dict[str, PageSize] = {}
        self._identity_lock = threading.Lock()

    def page_size(self, path: str) -> PageSize:
        """Return the page size that all chains of an endpoint share."""
        return self._page_sizes.setdefault(path, PageSize(path))

    def get(self, path: str, query: dict[str, str], *, decode: Callable[[bytes], T], host: Host | None = None) -> T:
        """Send a GET request, and return the decoded answer. Raises the errors of `send`."""
        return self.send(Request(host or self.api, path, query, decode))[0]  # type: ignore[return-value]

    def post(self, host: Host, path: str, body: Body, *, decode: Callable[[bytes], T]) -> T:
        """Send a POST request, and return the decoded answer. Raises the errors of `send`."""
        return self.send(Request(host, path, {}, decode, body=body))[0]  # type: ignore[return-value]

    def exchange(self, path: str, query: dict[str, str], host: Host | None = None) -> requests.Response:
        """Send one request, once, and return the answer with any status. Raises the errors of `send_once`."""
        return self.send_once(Request(host or self.api, path, query, bytes))

    @property
    def organization(self) -> str:
        """Return the id of the organization that the token belongs to."""
        with self._identity_lock:
            own = str(self._identity.get("organizationId") or "")
        if not own:
            message = "Siro's API does not say which organization the token belongs to. Report it to Siro."
            raise TapSiroError(message)
        return own

    @functools.cached_property
    def _identity(self) -> dict[str, Any]:
        return self.get(IDENTITY, {}, decode=decode_object)

    def organizations(self) -> tuple[Sequence[str], bool]:
        """Return the ids of the organizations that the token is for; False if some may be missing."""
        with self._identity_lock:
            identity = self._identity
        if not identity.get("authorizedOrgGroupId"):
            return [self.organization], True
        own, group, whole = str(identity.get("organizationId") or ""), list[str](), True
        try:
            chain = Chain(self, Request(self.api, ORGANIZATIONS, {}, read_page))
            group = [str(each["id"]) for page in chain for each in page.records if isinstance(each, dict)]
        except RefusedError as error:
            if not own or error.status not in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
                raise
            whole = False
            logger.warning(
                "The token is for a group of organizations, but may not list them. Only the teams of its own "
                "organization are loaded. Give the token the scope to list organizations."
            )
        return list(dict.fromkeys(filter(None, [own, *group]))), whole

    def _authentication(self) -> Authentication:
        settings = self.settings
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
            refusal="the token issued for `client_id` and `client_secret` is rejected. Check that this client app may "
            "read recordings.",
            prefixes={**BEARER_HEADER, **USER_HEADER},  # one token for both hosts
        )

    def _user_authentication(self) -> Authentication:
        """Return the authorization for transcripts. The organization token never goes to their host."""
        settings = self.settings
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
            refusal="the token issued for `oauth_client_id` and `oauth_client_secret` is rejected. Check that the user "
            "in `oauth_user_id` may see the organization's recordings.",
            prefixes=USER_HEADER,
        )
