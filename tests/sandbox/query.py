"""Parameters of a request, read and checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.sandbox import timestamps

if TYPE_CHECKING:
    from collections.abc import Iterable

FLAGS = {
    "showCrmLinks": "crm",
    "showSummary": "summary",
    "showEntityExtractions": "entityExtractions",
    "showEvaluationScore": "evaluationScore",
    "showFollowups": "followups",
}
BLOCKS = tuple(FLAGS.values())
STATUSES = ("isProcessingDone", "isEntityExtractionDone", "isSummaryDone")
DATES = ("createdAt:gt", "createdAt:lt", "updatedAt:gte", "updatedAt:gt", "updatedAt:lt", "updatedAt:lte")
PARAMETERS = frozenset((*DATES, *STATUSES, *FLAGS, "pageSize", "cursor"))
_INTEGER = re.compile(r"[0-9]{1,9}")
EARLIEST = -(10**15)
LATEST = 10**15


class BadRequestError(Exception):
    """Invalid request, which the API answers with 400."""


@dataclass(frozen=True)
class Filter:
    """Filter of recordings: ranges in milliseconds, without their end, and status flags."""

    created_from: int = EARLIEST
    created_to: int = LATEST
    updated_from: int = EARLIEST
    updated_to: int = LATEST
    statuses: tuple[bool | None, bool | None, bool | None] = (None, None, None)


@dataclass(frozen=True)
class Query:
    """Parameters of a request."""

    filter: Filter
    blocks: tuple[int, ...]
    page_size: int
    cursor: str | None


def parse_query(pairs: Iterable[tuple[str, str]], *, strict: bool, default_page_size: int, max_page_size: int) -> Query:
    """Read the parameters of a query string.

    If strict, refuse parameters that the documentation does not allow. Otherwise ignore them, and reduce a page
    size that is too large to the maximum.
    """
    values: dict[str, str] = {}
    for name, value in pairs:
        if strict and name not in PARAMETERS:
            raise BadRequestError(f"unknown parameter {name}")
        if strict and name in values:
            raise BadRequestError(f"{name} is given more than once")
        values.setdefault(name, value)

    dates = {name: _date(name, values[name], strict=strict) for name in DATES if name in values}
    processing, extraction, summary = (_boolean(name, values, strict=strict) for name in STATUSES)
    flags = [_boolean(name, values, strict=strict) for name in FLAGS]
    return Query(
        filter=Filter(
            created_from=_lower(None, dates.get("createdAt:gt")),
            created_to=_upper(dates.get("createdAt:lt"), None),
            updated_from=_lower(dates.get("updatedAt:gte"), dates.get("updatedAt:gt")),
            updated_to=_upper(dates.get("updatedAt:lt"), dates.get("updatedAt:lte")),
            statuses=(processing, extraction, summary),
        ),
        blocks=tuple(number for number, flag in enumerate(flags) if flag),
        page_size=_page_size(values.get("pageSize"), default_page_size, max_page_size, strict=strict),
        cursor=values.get("cursor"),
    )


def _lower(inclusive: int | None, exclusive: int | None) -> int:
    # Timestamps are whole milliseconds here, so "after x" is the same as "from x + 1".
    return max(EARLIEST if inclusive is None else inclusive, EARLIEST if exclusive is None else exclusive + 1)


def _upper(exclusive: int | None, inclusive: int | None) -> int:
    return min(LATEST if exclusive is None else exclusive, LATEST if inclusive is None else inclusive + 1)


def _date(name: str, text: str, *, strict: bool) -> int | None:
    ms = timestamps.parse_exact(text) if strict else timestamps.parse(text)
    if strict and ms is None:
        raise BadRequestError(f"{name} is not a date of the form YYYY-MM-DDTHH:mm:ss.sssZ")
    return ms


def _boolean(name: str, values: dict[str, str], *, strict: bool) -> bool | None:
    text = values.get(name)
    if text in {"true", "false"}:
        return text == "true"
    if strict and text is not None:
        raise BadRequestError(f"{name} is neither true nor false")
    return None


def _page_size(text: str | None, default: int, largest: int, *, strict: bool) -> int:
    if text is None:
        return min(default, largest)
    number = int(text) if _INTEGER.fullmatch(text) else 0
    if 1 <= number <= largest:
        return number
    if strict:
        raise BadRequestError(f"pageSize is not an integer from 1 to {largest}")
    return min(number or default, largest)
