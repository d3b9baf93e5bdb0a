"""Authorization of requests: fixed tokens, and tokens that are renewed."""

from __future__ import annotations

import threading
import time
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from requests.auth import AuthBase

from tap_siro.api.decoding import MalformedPageError, decode_object
from tap_siro.errors import RefusedError, TapSiroError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    import requests

BEARER_HEADER = MappingProxyType({"Authorization": "Bearer "})
"""The header of a token on the API's host, and what stands before it there."""
USER_HEADER = MappingProxyType({"x-siro-auth-token": ""})
"""The same on the host of transcripts."""
USER_TOKEN_SECONDS = 12 * 3_600
"""Seconds for which a user's token is used: its answer does not say, but it lives for some 16 hours."""
RENEW_SECONDS = 300
"""Seconds before its end at which a token is renewed, if it lives long enough for that."""


class Authentication(AuthBase):
    """No authorization. An `auth` object even so, because `requests` would read the user's .netrc file without one."""

    refusal = ""
    """Cause of a 401 and advice, to follow a colon."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Authorize a request."""
        return request

    def renew(self, request: requests.PreparedRequest) -> bool:  # noqa: ARG002
        """Return True if a request that got a 401 may succeed with another token."""
        return False


class BearerToken(Authentication):
    """Fixed token."""

    refusal = (
        "the token is invalid. Set `api_token` (in `.env`: `TAP_SIRO_API_TOKEN`) to an organization token from Siro's "
        "admin pages, not an OAuth token. If it was revoked, create a new one."
    )

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Token(NamedTuple):
    """Token that was issued in this run."""

    value: str
    seconds: float | None
    """Seconds that it lives, if that is known."""


class RenewedToken(Authentication):
    """Token that is requested when it is first needed, and renewed before it expires. All threads share one."""

    def __init__(self, make: Callable[[], Token], *, refusal: str, prefixes: Mapping[str, str] = BEARER_HEADER) -> None:
        """Take a function that requests a token, the meaning of a 401, and the token's headers."""
        self.refusal = refusal
        self._make = make
        self._prefixes = dict(prefixes)
        self._lock = threading.Lock()
        self._value: str | None = None
        self._renew_at = float("inf")
        self._failure: TapSiroError | None = None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        token = self._valid()
        request.headers.update({header: prefix + token for header, prefix in self._prefixes.items()})
        return request

    def renew(self, request: requests.PreparedRequest) -> bool:
        """Drop the token, unless another thread has already dropped it. Return True."""
        with self._lock:
            header, prefix = next(iter(self._prefixes.items()))
            if self._value is not None and request.headers.get(header) == prefix + self._value:
                self._value = None
        return True

    def _valid(self) -> str:
        with self._lock:
            if self._failure is not None:
                raise self._failure  # so that a wrong secret is not sent once by each thread
            if self._value is None or time.monotonic() >= self._renew_at:
                asked_at = time.monotonic()
                try:
                    self._value, seconds = self._make()
                except TapSiroError as error:
                    self._failure = error
                    raise
                self._renew_at = (
                    float("inf") if seconds is None else asked_at + max(seconds - RENEW_SECONDS, seconds / 2)
                )
            return self._value


def oauth_token(body: bytes) -> Token:
    """Read the answer of an OAuth 2 token endpoint (RFC 6749, 5.1).

    Raises:
        MalformedPageError: There is no token in it.
    """
    answer = _answer(body, "access_token")
    return Token(_token(answer.get("access_token")), _seconds(answer.get("expires_in")))


def user_token(body: bytes) -> Token:
    """Read the answer of Siro's endpoint for the tokens of an OAuth app.

    Raises:
        MalformedPageError: There is no token in it.
    """
    return Token(_token(_answer(body, "accessToken").get("accessToken")), USER_TOKEN_SECONDS + RENEW_SECONDS)


def _answer(body: bytes, name: str) -> dict[str, Any]:
    """Return the object that holds the token: the answer itself, or its `data`."""
    answer = decode_object(body)
    data = answer.get("data")
    return data if isinstance(data, dict) and name not in answer else answer


def _token(value: Any) -> str:
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value or not value:
        message = "JSON without an access token"
        raise MalformedPageError(message)
    return value


def _seconds(value: Any) -> float | None:
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if 0 < seconds < float("inf") else None


def client_refused(error: RefusedError) -> TapSiroError:
    """Return the error for a token endpoint that refuses client credentials."""
    said = f"`auth_url` answered {error.status}"
    if error.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return TapSiroError(
            f"{said}: `client_id` or `client_secret` is wrong. Copy both again from the client app's page at Siro, and "
            "check that the app was not revoked."
        )
    return TapSiroError(f"{said} instead of issuing a token. Check `auth_url`.")


def app_refused(error: RefusedError) -> TapSiroError:
    """Return the error for an API that refuses a token to an OAuth app."""
    return TapSiroError(
        f"Siro's API answered {error.status} when asked for a token for the user host. Check `oauth_client_id`, "
        "`oauth_client_secret` and `oauth_user_id`, and that the app belongs to the organization; or deselect the "
        "streams of the user host: transcripts, scorecards, outcomes and the list of follow-ups."
    )
