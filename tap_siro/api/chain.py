"""A chain of pages, from the first to the last: every rule of paging stands here, for all endpoints."""

from __future__ import annotations

import logging
from dataclasses import KW_ONLY, dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from tap_siro.api.page_size import PageSize
from tap_siro.api.pages import Page
from tap_siro.api.retries import HEAVY_TRIES
from tap_siro.errors import (
    BoundsError,
    ChainError,
    CursorRefusedError,
    IncompleteError,
    PageTooHeavyError,
    RefusedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_siro.api.client import Client
    from tap_siro.api.retries import Request

MAX_EMPTY_PAGES = 1_000
MAX_RESTARTS = 3
"""Times that a chain is read again, or its slice is halved, because a cursor in it was refused."""
ABOUT_THE_TOKEN = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}

logger = logging.getLogger(__name__)


class CursorPaginator:
    """Follows the cursors of one chain.

    A page without a cursor is the end, and nothing else: an empty page may have one. A cursor that comes back and a
    thousand empty pages in a row would make an endless loop and are errors.
    """

    def __init__(self) -> None:
        self.cursor: str | None = None
        """Cursor of the next page; None for the first."""
        self.pages = 0
        self._seen: set[str] = set()
        self._empty = 0

    def advance(self, records: int, cursor: str | None) -> bool:
        """Take note of a page.

        Args:
            records: The number of its records.
            cursor: Its cursor.

        Returns:
            True if there is another page.

        Raises:
            ChainError: The chain would never end.
        """
        self.pages += 1
        self._empty = 0 if records else self._empty + 1
        self.cursor = cursor
        if cursor is None:
            return False
        if cursor in self._seen:
            raise ChainError(
                f"Siro's API gave the same cursor twice, after {self.pages} pages, so the list would never end. "
                "Nothing is lost. Run the sync again, and report it to Siro if it persists."
            )
        self._seen.add(cursor)
        if self._empty >= MAX_EMPTY_PAGES:
            raise ChainError(
                f"Siro's API gave {self._empty} empty pages in a row, each with a cursor. "
                "Nothing is lost. Run the sync again, and report it to Siro if it persists."
            )
        return True


@dataclass
class Chain:
    """The pages of one chain. Iterate over it for the pages.

    A chain that starts over returns its first page again, with the number 1. Its page size stays the same from the
    first page to the last, because a cursor may count pages.
    """

    client: Client
    request: Request[Page]
    """The request for the first page. Its parameters are sent with every page: some APIs forget them."""
    _: KW_ONLY
    page_size: int | None = None
    """Records to request with each page, if nothing speaks against it; None to send no size."""
    size_parameter: str = "pageSize"
    name: str = ""
    """The list's name in messages, if that is not the path."""
    divisible: bool = False
    """The caller can divide what it asks for. So a refused cursor, and a page that is too heavy at the smallest size,
    are left to the caller."""
    heavy_tries: int = HEAVY_TRIES
    """Failed tries in a row after which a page is too heavy."""
    bounds_optional: bool = False
    """The caller can do without the `createdAt` bounds of the query."""
    size: int | None = field(default=None, init=False)
    """Records that are requested with each page; it changes only when the chain starts over."""

    def __post_init__(self) -> None:
        """Share the page size with the other chains of the endpoint, if one is to be sent."""
        path = self.request.path
        self._sizes = PageSize(path) if self.page_size is None else self.client.page_size(path)

    def __iter__(self) -> Iterator[Page]:
        """Read from the first page to the last.

        Raises:
            BoundsError: The API may not take the `createdAt` bounds, or not beside the other parameters.
            CursorRefusedError: The API no longer takes a cursor, and the caller can divide the query.
            PageTooHeavyError: A page is too heavy, and the caller can divide the query.
            IncompleteError: The API said that records are missing. The pages that it sent have been returned.
            TapSiroError: A page cannot be loaded.
            StoppedError: The run is to end.
        """
        restarts = 0
        while True:
            self.size = self._sizes.begin(self.page_size)
            try:
                yield from self._follow()
            except PageTooHeavyError as error:
                if not self._sizes.reduce(self.size):
                    raise
                if self.divisible:
                    raise PageTooHeavyError(str(error), is_reduced=True) from None
            except CursorRefusedError as error:
                if self.divisible:
                    raise
                if restarts == MAX_RESTARTS:
                    raise restarts_exhausted(error) from None
                restarts += 1
                logger.warning("%s Reading %s again from its first page.", error, self.name or self.request.path)
            except RefusedError as error:
                self._handle_refusal(error)
            else:
                return

    def _handle_refusal(self, error: RefusedError) -> None:
        """Go on without a page size if that can help. Only of a first page: beside a cursor, the cursor is refused."""
        if self.bounds_optional and error.status not in ABOUT_THE_TOKEN:
            raise BoundsError(str(error)) from None
        if not error.is_about_parameters or not self._sizes.drop(self.size):
            raise error

    def _follow(self) -> Iterator[Page]:
        paginator, size = CursorPaginator(), self.size
        fixed = self.request.query if size is None else {**self.request.query, self.size_parameter: str(size)}
        heavy_tries = self.heavy_tries if self._sizes.can_reduce(size) or self.divisible else None
        records, fault, more = 0, "", True
        while more:
            query = fixed if paginator.cursor is None else {**fixed, "cursor": paginator.cursor}
            answer, asked_at = self.client.send(replace(self.request, query=query, heavy_tries=heavy_tries))
            page = answer or Page([], None)
            page.asked_at = asked_at
            self._sizes.good(self.page_size)
            more = paginator.advance(len(page.records), page.cursor)
            page.number = paginator.pages
            records += len(page.records)
            fault = fault or page.fault
            if not more and page.total is not None and records < page.total:
                fault = fault or f"{records} of {page.total} records came"
            yield page
            del page, answer  # not to be kept while the next one is fetched
        if fault:
            raise IncompleteError(
                f"Siro's API sent an incomplete list of {self.name or self.request.path}: {fault}. Run the sync "
                "again, and report it to Siro if it persists."
            )


def restarts_exhausted(error: CursorRefusedError) -> ChainError:
    """Return the error of a chain whose cursors are refused again and again."""
    return ChainError(
        f"{error} That happened {MAX_RESTARTS + 1} times. Nothing is lost. Run the sync again, and report it to Siro "
        "if it persists."
    )
