"""Timestamps: milliseconds since 1970 (UTC) as integers, and the text they are written as.

The API writes `YYYY-MM-DDTHH:mm:ss.sssZ`. Anything else that is an ISO 8601 timestamp is understood too; a timestamp
without an offset is UTC, and what is finer than a millisecond is cut off for comparing.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

SECOND = 1_000
DAY = 86_400 * SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_ZULU = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)


def _moment(text: str) -> datetime | None:
    if text[-1:] == "z":  # RFC 3339 allows it
        text = text[:-1] + "Z"
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def of(moment: datetime) -> int:
    """The timestamp of an aware datetime."""
    return (moment - _EPOCH) // _MILLISECOND


def now() -> int:
    """The present moment, by the local clock."""
    return of(datetime.now(UTC))


def parse(text: object) -> int | None:
    """The timestamp that a text says, or None if it says none."""
    moment = _moment(text) if isinstance(text, str) else None
    return None if moment is None else of(moment)


def text(timestamp: int) -> str:
    """An timestamp in the only format that the API takes: `YYYY-MM-DDTHH:mm:ss.sssZ`."""
    moment = _EPOCH + timestamp * _MILLISECOND
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def utc_text(value: str) -> str | None:
    """The same timestamp, in UTC with a `Z`, or None if the text says none. Digits after the second are kept."""
    moment = _moment(value)
    if moment is None or _ZULU.fullmatch(value):
        return None if moment is None else value
    timespec = "microseconds" if moment.microsecond % 1_000 else "milliseconds"
    return moment.isoformat(timespec=timespec).removesuffix("+00:00") + "Z"
