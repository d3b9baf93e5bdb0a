"""A page: the records of one answer, and the cursor to the next. One check for all endpoints."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tap_siro.api.decoding import MalformedPageError, decode

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True)
class Page:
    """One page of any endpoint."""

    records: list[Any]
    """The records as decoded: usually objects."""
    cursor: str | None
    """Cursor of the next page, or None at the last page."""
    answer: dict[str, Any] = field(default_factory=dict)
    """The object that holds the list, for what an endpoint sends beside it."""
    total: int | None = None
    """Number of records of all pages, if the answer says it."""
    fault: str = ""
    """Reason why records are missing, if the answer gives one away."""
    asked_at: int = 0
    """Timestamp of the request: by the server's clock or the local one, whichever is earlier."""
    number: int = 1
    """Place in its chain, from 1."""


def read_page(body: bytes, name: str = "", *, optional: bool = False) -> Page:
    """Read a page of a list: `[…]`, `{data: […]}` or, by the list's name, `{data: {name: […]}}`.

    The cursor may be text or a number, and `hasNextPage: false` ends the list.

    Args:
        body: The answer.
        name: The list's name inside `data`, if it has one.
        optional: A list that is null or missing is empty.

    Raises:
        MalformedPageError: The answer is not JSON, or has no list or no readable cursor.
    """
    answer = decode(body)
    if isinstance(answer, list):
        return Page(_flat(answer), None)
    envelope = answer if isinstance(answer, dict) else {}
    data = envelope.get("data", envelope)
    holder = data if isinstance(data, dict) else envelope
    records = holder.get(name) if holder is data else data
    if records is None and optional and {"data", name} & envelope.keys():
        records = []
    if not isinstance(records, list):
        message = "JSON without a list of records"
        raise MalformedPageError(message)
    cursor = envelope.get("cursor")
    if isinstance(cursor, (bool, list, dict)):
        message = "JSON whose cursor is neither text nor a number"
        raise MalformedPageError(message)
    more = envelope.get("hasNextPage")
    ended = more is False or cursor is None or cursor == ""
    return _checked(Page(_flat(records), None if ended else str(cursor), holder), envelope)


def read_optional_page(name: str) -> Callable[[bytes], Page]:
    """Return a reader of pages with a named list that may be null or missing."""
    return functools.partial(read_page, name=name, optional=True)


def read_recordings(body: bytes) -> Page:
    """Read a page of recordings, `{data: […], cursor: …}`: its form is documented, so any other is a fault.

    Raises:
        MalformedPageError: The answer is not JSON, has no `data` list, or its cursor is neither text nor null.
    """
    answer = decode(body)
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        message = "JSON without a list of recordings"
        raise MalformedPageError(message)
    cursor = answer.get("cursor")
    if cursor is not None and not isinstance(cursor, str):
        message = "JSON whose cursor is not text"
        raise MalformedPageError(message)
    return _checked(Page(answer["data"], cursor or None), answer)


def _flat(records: list[Any]) -> list[Any]:
    """Return the records themselves: by the OpenAPI document, events come as a list of lists."""
    return [each for record in records for each in (record if isinstance(record, list) else [record])]


def _checked(page: Page, envelope: dict[str, Any]) -> Page:
    """Note what an answer says about records that it lacks."""
    if envelope.get("error") or envelope.get("errors"):
        page.fault = "the answer reports an error beside the records"
    elif page.cursor is None and (envelope.get("hasNextPage") is True or envelope.get("hasMore") is True):
        page.fault = "the answer says that there are more records, but has no cursor"
    total = envelope.get("total")
    page.total = total if total.__class__ is int else None
    return page
