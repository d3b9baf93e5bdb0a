"""A chain of pages, from the first to the last: every rule of paging stands here, for all endpoints."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from tap_siro.api.page_size import PageSize
from tap_siro.api.pages import Page, read_page
from tap_siro.api.retries import HEAVY_TRIES, Request
from tap_siro.errors import (
    BoundsRefusedError,
    ChainError,
    CursorRefusedError,
    IncompleteError,
    PageTooHeavyError,
    RefusedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from tap_siro.api.client import Client
    from tap_siro.api.host import Host

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
        """Start before the first page."""
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


class Endpoint(NamedTuple):
    """An address that lists records, and the form of its pages."""

    host: Host
    path: str
    """Begins with a slash; relative to the host's address."""
    read: Callable[[bytes], Page] = read_page
    size_parameter: str = "pageSize"
    may_be_empty: bool = False
    """An answer without content means that there are no records."""
    label: str = ""
    """Its name in messages, if that is not the path."""

    @property
    def name(self) -> str:
        """Return its name in messages."""
        return self.label or self.path


class Chain:
    """The pages of one chain. Iterate over it for the pages.

    A chain that starts over returns its first page again, with the number 1. Its page size stays the same from the
    first page to the last, because a cursor may count pages.
    """

    def __init__(  # noqa: PLR0913 - what is requested, and what the caller can do about a refusal
        self,
        client: Client,
        endpoint: Endpoint,
        query: Mapping[str, str],
        *,
        page_size: int | None = None,
        page_slot: Callable[[], AbstractContextManager[None]] = nullcontext,
        divisible: bool = False,
        heavy_tries: int = HEAVY_TRIES,
        bounds_optional: bool = False,
    ) -> None:
        """Prepare to read.

        Args:
            client: Sends the requests.
            endpoint: Where to.
            query: The query parameters of every page: some APIs forget them.
            page_size: Records to request with each page, if nothing speaks against it; None to send no size.
            page_slot: Entered to decode an answer: may wait until there is memory for it.
            divisible: The caller can divide what it asks for. So a refused cursor, and a page that is too heavy at
                the smallest size, are left to the caller.
            heavy_tries: Failed tries in a row after which a page is too heavy.
            bounds_optional: The caller can do without the `createdAt` bounds of the query.
        """
        self._client = client
        self._endpoint = endpoint
        self._query = query
        self._wanted = page_size
        self._sizes = PageSize(endpoint.path) if page_size is None else client.page_size(endpoint.path)
        self._slot = page_slot
        self._divisible = divisible
        self._heavy_tries = heavy_tries
        self._bounds_optional = bounds_optional
        self.page_size: int | None = page_size
        """Records that are requested with each page; it changes only when the chain starts over."""

    def __iter__(self) -> Iterator[Page]:
        """Read from the first page to the last.

        Raises:
            BoundsRefusedError: The API may not take the `createdAt` bounds, or not beside the other parameters.
            CursorRefusedError: The API no longer takes a cursor, and the caller can divide the query.
            PageTooHeavyError: A page is too heavy, and the caller can divide the query.
            IncompleteError: The API said that records are missing. The pages that it sent have been returned.
            TapSiroError: A page cannot be loaded.
            StoppedError: The run is to end.
        """
        restarts = 0
        while True:
            self.page_size = size = self._sizes.begin(self._wanted)
            try:
                yield from self._follow(size)
            except PageTooHeavyError as error:
                if not self._sizes.reduce(size):
                    raise
                if self._divisible:
                    raise PageTooHeavyError(str(error), is_reduced=True) from None
            except CursorRefusedError as error:
                if self._divisible:
                    raise
                if restarts == MAX_RESTARTS:
                    raise restarts_exhausted(error) from None
                restarts += 1
                logger.warning("%s Reading %s again from its first page.", error, self._endpoint.name)
            except RefusedError as error:
                self._handle_refusal(error, size)
            else:
                return

    def _handle_refusal(self, error: RefusedError, size: int | None) -> None:
        """Go on without a page size if that can help. Only of a first page: beside a cursor, the cursor is refused."""
        if self._bounds_optional and error.status not in ABOUT_THE_TOKEN:
            raise BoundsRefusedError(str(error), error.status) from None
        if not error.is_about_parameters or not self._sizes.drop(size):
            raise error

    def _follow(self, size: int | None) -> Iterator[Page]:
        paginator = CursorPaginator()
        fixed = dict(self._query) if size is None else {**self._query, self._endpoint.size_parameter: str(size)}
        heavy_tries = self._heavy_tries if self._sizes.can_reduce(size) or self._divisible else None
        records, fault, more = 0, "", True
        while more:
            query = fixed if paginator.cursor is None else {**fixed, "cursor": paginator.cursor}
            request = Request(
                self._endpoint.host,
                self._endpoint.path,
                query,
                self._endpoint.read,
                page_slot=self._slot,
                heavy_tries=heavy_tries,
                may_be_empty=self._endpoint.may_be_empty,
            )
            answer, asked_at = self._client.send(request)
            page = answer or Page([], None)
            page.asked_at = asked_at
            self._sizes.good(self._wanted)
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
                f"Siro's API sent an incomplete list of {self._endpoint.name}: {fault}. Run the sync again, and report "
                "it to Siro if it persists."
            )


def restarts_exhausted(error: CursorRefusedError) -> ChainError:
    """Return the error of a chain whose cursors are refused again and again."""
    return ChainError(
        f"{error} That happened {MAX_RESTARTS + 1} times. Nothing is lost. Run the sync again, and report it to Siro "
        "if it persists."
    )
