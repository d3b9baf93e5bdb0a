"""Timestamps: milliseconds since 1970 (UTC) as integers, and their text.

The API writes `YYYY-MM-DDTHH:mm:ss.sssZ`. The other forms of RFC 3339 are understood too: a space or `t` for the `T`, a
`z`, an offset, any number of digits after the second, and a date alone, which is its midnight. A timestamp without an
offset is UTC. Other forms of ISO 8601 are not: digits alone may mean something else. Anything finer than a millisecond
is cut off for comparing.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

SECOND = 1_000
DAY = 86_400 * SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_WRITTEN = len("2026-01-31T08:00:00.000000Z")
"""Characters that a timestamp in UTC has at most, so that no digit of it is lost on the way through a datetime."""
_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d(?:[Tt ](?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)?)?", re.ASCII
)


def _moment(text: str) -> datetime | None:
    if not _RFC_3339.fullmatch(text):
        return None
    if text[-1] == "z":
        text = text[:-1] + "Z"
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def of(moment: datetime) -> int:
    """Return the timestamp of an aware datetime, in milliseconds."""
    return (moment - _EPOCH) // _MILLISECOND


def now() -> int:
    """Return the timestamp of the local clock, in milliseconds."""
    return of(datetime.now(UTC))


def parse(text: object) -> int | None:
    """Return the timestamp in a text, in milliseconds; None if there is none."""
    moment = _moment(text) if isinstance(text, str) else None
    return None if moment is None else of(moment)


def text(timestamp: int) -> str:
    """Return a timestamp in the only format that the API accepts: `YYYY-MM-DDTHH:mm:ss.sssZ`."""
    moment = _EPOCH + timestamp * _MILLISECOND
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def utc_text(value: str) -> str | None:
    """Return a text's timestamp in UTC with a `Z`, with all digits after the second; None if there is none."""
    moment = _moment(value)
    if moment is None:
        return None
    if value[-1] == "Z" and value[10] == "T" and len(value) <= _WRITTEN:
        return value
    timespec = "microseconds" if moment.microsecond % 1_000 else "milliseconds"
    return moment.isoformat(timespec=timespec).removesuffix("+00:00") + "Z"
