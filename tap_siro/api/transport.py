"""HTTP exchanges: the session, its time limits, and the reasons of failures."""

from __future__ import annotations

import io
import socket
import ssl
import time
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from tap_siro.credentials import is_loopback
from tap_siro.errors import RetryableError, TapSiroError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_siro.api.authentication import Authentication

TIMEOUTS_PER_RESPONSE = 3
"""A whole answer may take so many times as long as the next part of one."""
NO_PROXY = {"http": None, "https": None, "all": None}


def name_host(setting: str) -> str:
    """Return the name of a setting's host in messages."""
    return "Siro's API" if setting == "api_url" else f"`{setting}`"


class Body(NamedTuple):
    """Body of a POST request: a form, or JSON."""

    form: Mapping[str, str] | None = None
    json: Mapping[str, str] | None = None


class Transport:
    """The connections, shared by all threads."""

    def __init__(self, *, user_agent: str, connections: int, timeout: float) -> None:
        """Keep `connections` to each host; wait `timeout` seconds for one, and for each part of an answer."""
        self._timeout = timeout
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": user_agent, "Accept": "application/json"})
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = _Adapter(pool_maxsize=connections)
        adapter.seconds = TIMEOUTS_PER_RESPONSE * timeout
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def send(
        self,
        url: str,
        *,
        auth: Authentication,
        setting: str,
        query: Mapping[str, str],
        body: Body | None = None,
    ) -> requests.Response:
        """Send a GET request, or a POST request if there is a body, and read the whole answer.

        `setting` has the address of the host.

        Raises:
            RetryableError: No whole answer came.
            TapSiroError: The request cannot be sent.
        """
        parts = urlsplit(url)
        name = name_host(setting)
        try:
            # Redirects are not followed: the token goes to the configured host and nowhere else. A proxy of the
            # network's has no business with this machine, and would see the token: there is no TLS.
            return self._session.request(
                "GET" if body is None else "POST",
                url,
                params=query,
                data=body and body.form,
                json=body and body.json,
                auth=auth,
                timeout=self._timeout,
                allow_redirects=False,
                proxies=NO_PROXY if is_loopback(parts.hostname or "") else None,  # type: ignore[arg-type]
            )
        except requests.exceptions.ContentDecodingError:
            message = f"{name} sent a response that cannot be decompressed."
            raise RetryableError(message) from None
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            reason = _reason(error)
            message = f"{name} at {parts.netloc} failed to respond ({reason.words})."
            hint = reason.hint and reason.hint.format(setting=setting)
            raise RetryableError(
                message, reduce_page=reason is TIMED_OUT, hint=hint, unreachable=reason not in {TIMED_OUT, BROKEN}
            ) from None
        except (requests.RequestException, ValueError) as error:  # the latter of a proxy's name
            # Only the kind: the text of these errors may hold the address with its query.
            message = f"Failed to send a request ({type(error).__name__}). Check `{setting}` and the proxy settings."
            raise TapSiroError(message) from None


class _Reason(NamedTuple):
    words: str
    hint: str | None = None
    """Advice, where no other try helps."""


CERTIFICATE = "Check `{setting}` and this machine's clock. A proxy or firewall may present its own certificate."
EXPIRED = _Reason("its certificate has expired", CERTIFICATE)
NOT_YET_VALID = _Reason("its certificate is not valid yet", CERTIFICATE)
ANOTHER_NAME = _Reason(
    "its certificate is for another name",
    "Check `{setting}`: it must have the host's own name. A proxy or firewall may be answering in its place.",
)
UNKNOWN_AUTHORITY = _Reason(
    "its certificate is from an unknown authority",
    "If your network has its own certificate authority, set `REQUESTS_CA_BUNDLE` to the file with its certificate. "
    "Check `{setting}`.",
)
NOT_VALID = _Reason("its certificate is invalid", CERTIFICATE)
TLS = _Reason("no secure connection", "Check `{setting}`, proxies and firewalls.")
PROXY = _Reason("the proxy cannot be reached", "Check `HTTPS_PROXY`, or set `NO_PROXY`.")
PROXY_REFUSES = _Reason("the proxy refuses to connect to it", "Check `HTTPS_PROXY`, or set `NO_PROXY`.")
PROXY_CREDENTIALS = _Reason(
    "the proxy requires a user name and a password (407)",
    "Put them into `HTTPS_PROXY`: `http://user:password@proxy:8080`.",
)
NO_HOST = _Reason("unknown host name", "Check `{setting}`, and this machine's network.")
TIMED_OUT = _Reason("timed out")
REFUSED = _Reason("connection refused")
BROKEN = _Reason("connection lost")


_REASONS: tuple[tuple[_Reason, tuple[type[BaseException], ...]], ...] = (
    (BROKEN, (ssl.SSLEOFError, ConnectionResetError, BrokenPipeError)),
    (TLS, (ssl.SSLError,)),
    (TIMED_OUT, (requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError)),
    (REFUSED, (ConnectionRefusedError,)),
)
_CERTIFICATES = {
    9: NOT_YET_VALID,
    10: EXPIRED,
    62: ANOTHER_NAME,
    64: ANOTHER_NAME,
    **dict.fromkeys((2, 18, 19, 20, 21, 27), UNKNOWN_AUTHORITY),
}
"""Reasons by OpenSSL's verification codes."""


def _reason(error: Exception) -> _Reason:
    """Return the reason of a failure, one of a fixed list: the library's own text may contain the query."""
    causes = list(_causes(error))
    if isinstance(error, requests.exceptions.ProxyError):
        # `http.client` has the proxy's status in its words only.
        refused = [str(cause) for cause in causes if str(cause).startswith("Tunnel connection failed: ")]
        if not refused:
            return PROXY
        return PROXY_CREDENTIALS if ": 407" in refused[0] else PROXY_REFUSES
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _CERTIFICATES.get(cause.verify_code, NOT_VALID)
        if isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME:
            return NO_HOST
    found = (reason for reason, kinds in _REASONS if any(isinstance(cause, kinds) for cause in causes))
    return next(found, BROKEN)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and all errors that caused it: the libraries wrap them in several ways."""
    left, seen = [error], set[int]()
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        links = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        left += [link for link in links if isinstance(link, BaseException)]


class _Adapter(HTTPAdapter):
    """Limits the time that a whole answer may take, headers included; `requests` only limits each part's."""

    seconds: float

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        """Return the pool from which `requests` gets its connections."""
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        if not issubclass(pool.ConnectionCls, _Limited):
            kind = pool.ConnectionCls
            pool.ConnectionCls = type(kind.__name__, (_Limited, kind), {"response_class": _response(self.seconds)})
        return pool


class _Limited:
    """Marks a kind of connection whose answers are limited."""


def _response(seconds: float) -> type[HTTPResponse]:
    class Response(HTTPResponse):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.fp = io.BufferedReader(_UntilDeadline(self.fp.detach(), time.monotonic() + seconds))

    return Response


class _UntilDeadline(io.RawIOBase):
    """Reader of a socket until a deadline. Each part may arrive in time, and yet the whole never ends."""

    def __init__(self, raw: Any, deadline: float) -> None:
        self._raw = raw
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Any:
        if time.monotonic() > self._deadline:
            raise TimeoutError
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
