"""What a response means that is no page: sentences for the user, and when to try again. Pure."""

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

    from tap_siro.errors import TapSiroError


def failure(response: requests.Response, query: Mapping[str, str]) -> TapSiroError:
    """What an answer other than 200 means."""
    status = response.status_code
    name = f"{status} {response.reason or ''}".strip()[:60]
    if status in {408, 429} or status >= HTTPStatus.INTERNAL_SERVER_ERROR or status < HTTPStatus.MULTIPLE_CHOICES:
        return RetryableError(f"Siro's API answered {name}.", retry_after=retry_after_seconds(response))
    if status in {400, 410} and "cursor" in query:
        return CursorRefusedError(f"Siro's API answered {name} to a cursor that it gave itself.")
    return RefusedError(_fatal_message(name, response, query), status)


def _fatal_message(name: str, response: requests.Response, query: Mapping[str, str]) -> str:
    """What a status that no other try will change means for the user. The body is not shown."""
    advice = {
        HTTPStatus.UNAUTHORIZED: (
            "the token is not valid. Set `api_token` to an organization token from Siro's admin pages (not an OAuth "
            "token), or make a new one if it was revoked."
        ),
        HTTPStatus.FORBIDDEN: _forbidden(response, query),
        HTTPStatus.NOT_FOUND: "there is no such address. Check `api_url`.",
    }
    said = f"Siro's API answered {name}"
    if response.status_code in advice:
        return f"{said}: {advice[HTTPStatus(response.status_code)]}"
    if response.status_code < HTTPStatus.BAD_REQUEST:
        return f"{said}, a redirect, which is not followed: set `api_url` to where the API is now."
    sent = ", ".join(sorted(query)) or "none"
    return f"{said}: it does not take this request (parameters sent: {sent}). Check the settings that set them."


def _forbidden(response: requests.Response, query: Mapping[str, str]) -> str:
    if b"1010" in response.content:
        return (
            "error code: 1010, that is, the network in front of Siro's API refuses this client, not the token. Set "
            "`user_agent` to another value."
        )
    if "json" not in response.headers.get("Content-Type", ""):
        return "something in front of Siro's API refuses: check `api_url`, `user_agent`, proxies and firewalls."
    flags = ", ".join(sorted(name for name in query if name.startswith("show"))) or "none"
    return (
        f"the token may not read this. Give it the scope for recordings and for what was asked for (flags sent: "
        f"{flags}), or switch off the `show_…` setting that it lacks."
    )


def retry_after_seconds(response: requests.Response) -> float | None:
    """The seconds that `Retry-After` asks for, in either of its forms; None without one."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    until = parse_date(value)
    if until is None:
        return None
    now = parse_date(response.headers.get("Date"))
    return max(0, until - (timestamps.of(datetime.now(UTC)) if now is None else now)) / timestamps.SECOND


def parse_date(value: str | None) -> int | None:
    """The timestamp of an HTTP date."""
    try:
        moment = parsedate_to_datetime(value or "")
    except (TypeError, ValueError, OverflowError):
        return None
    return timestamps.of(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
