"""Timestamps, as the API writes them and in milliseconds since 1970."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_EXACT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


def to_ms(moment: datetime) -> int:
    """Floor an aware datetime to milliseconds."""
    return (moment - _EPOCH) // _MILLISECOND


def from_ms(ms: int) -> str:
    """Return milliseconds in the API's format."""
    moment = _EPOCH + timedelta(milliseconds=ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def parse_exact(text: str) -> int | None:
    """Read a timestamp in the format that queries require."""
    return parse(text) if _EXACT.fullmatch(text) else None


def parse(value: object) -> int | None:
    """Read a stored timestamp; return None if it is missing or unreadable."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
