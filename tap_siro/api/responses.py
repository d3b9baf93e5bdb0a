"""Meaning of responses other than pages: messages for the user, and delays of retries. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from tap_siro import timestamps
from tap_siro.errors import CursorRefusedError, RefusedError, RetryableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import requests

    from tap_siro.api.host import Host
    from tap_siro.errors import TapSiroError


ANSWERS = frozenset(range(200, 300)) - {HTTPStatus.NO_CONTENT}
"""Statuses of a successful response, if its body is valid."""
RETRIED_STATUSES = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
HEAVY_STATUSES = {HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT}
GONE = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
"""Statuses of what was deleted, such as a recording of which only the entry in the list is left."""
NOT_THE_CURSOR = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
LATER = "a conflict at Siro, not in the settings. Run again later, and report it to Siro if it persists."
PROXY_CREDENTIALS = (
    "a proxy requires a user name and a password. Put them into `HTTPS_PROXY`: `http://user:password@proxy:8080`."
)
ADVICE = {
    HTTPStatus.PAYMENT_REQUIRED: "the organization's plan does not cover this. Ask Siro what the plan includes.",
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: PROXY_CREDENTIALS,
    HTTPStatus.CONFLICT: LATER,
    HTTPStatus.LOCKED: LATER,
}


def failure(response: requests.Response, query: Mapping[str, str], host: Host) -> TapSiroError:
    """Return the error for a response that is not a success, or has no body."""
    status = response.status_code
    name = f"{status} {response.reason or ''}".strip()[:60]
    if (
        status in RETRIED_STATUSES
        or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        or status < HTTPStatus.MULTIPLE_CHOICES
        or (status == HTTPStatus.FORBIDDEN and "Retry-After" in response.headers)
    ):
        message = f"{host.name} answered {name}."
        return RetryableError(message, retry_after=retry_after_seconds(response), reduce_page=status in HEAVY_STATUSES)
    if "cursor" in query and status >= HTTPStatus.BAD_REQUEST and status not in NOT_THE_CURSOR:
        return CursorRefusedError(f"{host.name} rejected its own cursor ({name}).")
    message = f"{host.name} answered {name}{_meaning(response, query, host)}"
    return RefusedError(message, status=status, is_json=_is_json(response))


def _meaning(response: requests.Response, query: Mapping[str, str], host: Host) -> str:
    """Return the meaning of a permanent status for the user, without the body."""
    status = response.status_code
    advice = ADVICE | {
        HTTPStatus.UNAUTHORIZED: host.auth.refusal,
        HTTPStatus.FORBIDDEN: _forbidden(response, query, host),
        HTTPStatus.NOT_FOUND: f"the address does not exist. Check `{host.setting}`.",
    }
    if status in advice:
        return f": {advice[HTTPStatus(status)]}"
    if status < HTTPStatus.BAD_REQUEST:
        return f", a redirect, which the tap does not follow. Set `{host.setting}` to the API's new address."
    sent = ", ".join(sorted(query)) or "none"
    return f": the request is invalid (parameters sent: {sent}). Check the settings that set them."


def _forbidden(response: requests.Response, query: Mapping[str, str], host: Host) -> str:
    if b"1010" in response.content:
        return (
            "error code: 1010. The network in front of it blocks this client, not the token. Set `user_agent` to "
            "another value."
        )
    if not _is_json(response):
        return f"blocked before it reached Siro. Check `{host.setting}`, `user_agent`, proxies and firewalls."
    flags = ", ".join(sorted(name for name in query if name.startswith("show")))
    if not flags:
        return "the token lacks a scope. Add the scope for this endpoint."
    return (
        f"the token lacks a scope. Add the scopes for recordings and for their properties (flags sent: {flags}), or "
        "turn off the `show_…` setting of a property that the token may not read."
    )


def _is_json(response: requests.Response) -> bool:
    return "json" in response.headers.get("Content-Type", "")


def retry_after_seconds(response: requests.Response) -> float | None:
    """Return the seconds in `Retry-After`, in either of its forms; None without one."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    until = parse_date(value)
    if until is None:
        return None
    now = parse_date(response.headers.get("Date"))
    return max(0, until - (timestamps.of(datetime.now(UTC)) if now is None else now)) / timestamps.SECOND


def parse_date(value: str | None) -> int | None:
    """Return the timestamp of an HTTP date; None if it is not one."""
    try:
        moment = parsedate_to_datetime(value or "")
    except (TypeError, ValueError, OverflowError):
        return None
    return timestamps.of(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
