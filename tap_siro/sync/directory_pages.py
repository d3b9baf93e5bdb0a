"""The pages of directories, and how each kind of them is asked for."""

from __future__ import annotations

import functools
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from tap_siro import timestamps
from tap_siro.api.decoding import Listing, decode_list, decode_object
from tap_siro.api.paginator import CursorPaginator
from tap_siro.errors import CursorRefusedError, RefusedError, TapSiroError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tap_siro.api.client import Client
    from tap_siro.settings import Settings

IDENTITY = "/v1/core/auth/caller-identity"
ORGANIZATIONS = "/v1/core/organizations"
MOST_RESTARTS = 3
"""How often a chain of pages is read from its beginning again because a cursor in it was refused."""

logger = logging.getLogger(__name__)


class DirectoryPages:
    """Asks for the pages of directories. One serves a whole run."""

    def __init__(self, client: Client, settings: Settings) -> None:
        """Ask through a client."""
        self.settings = settings
        self.part = False
        """Whether the directory being read is known to be incomplete."""
        self._client = client
        self._unsized: set[str] = set()

    def chain(
        self, path: str, query: Mapping[str, str] | None = None, *, page_size: int | None = None
    ) -> Iterator[list[Any]]:
        """Follow the cursors from the first page to the last.

        Args:
            path: Of the endpoint.
            query: Query parameters, repeated for each page.
            page_size: What to ask for, if anything.

        Raises:
            TapSiroError: A page could not be had. Those before it have been returned.
        """
        for restarts in range(MOST_RESTARTS + 1):
            paginator = CursorPaginator()
            try:
                while True:
                    listing = self._listing(path, query or {}, page_size, paginator.cursor)
                    more = paginator.advance(len(listing.records), listing.cursor)
                    yield listing.records
                    if not more:
                        return
            except CursorRefusedError as error:
                if restarts == MOST_RESTARTS:
                    message = f"{error} That happened {restarts + 1} times over: run the sync again later."
                    raise TapSiroError(message) from None
                logger.warning("%s Reading that list again from its beginning.", error)

    def newest_first(self, path: str, query: Mapping[str, str], *, page_size: int) -> Iterator[list[Any]]:
        """Pages of an endpoint that lists the newest first, and whose cursor is no more than a moment of creation.

        Such a cursor skips what was created in the same millisecond as the last record of a page. So the next page is
        asked for by `createdAtLt`, the end of that millisecond, and what comes twice is left out. Where a page is not
        in that order, or holds a single millisecond, its cursor is followed after all.

        Args:
            path: Of the endpoint.
            query: Query parameters, repeated for each page.
            page_size: What to ask for.

        Raises:
            TapSiroError: As for `chain`.
        """
        paginator = CursorPaginator()  # sees to it that no question is repeated
        before, cursor = None, None
        border: set[str] = set()
        while True:
            bounded = query if before is None else {**query, "createdAtLt": timestamps.text(before)}
            listing = self._listing(path, bounded, page_size, cursor)
            created = [timestamps.parse(record.get("createdAt")) for record in _objects(listing.records)]
            end = _oldest(created)
            yield [record for record in listing.records if _id(record) not in border]
            if end is not None and (before is None or end + 1 < before):
                before, cursor = end + 1, None
                border = {
                    _id(record)
                    for record, moment in zip(_objects(listing.records), created, strict=True)
                    if moment == end
                } - {""}
            else:
                cursor = listing.cursor
            if not paginator.advance(len(listing.records), listing.cursor and f"{before} {cursor}"):
                return

    @functools.cached_property
    def organizations(self) -> Sequence[str]:
        """The ids of the organizations that the token is for: one, or those of a group."""
        identity = self._client.get(IDENTITY, {}, decode=decode_object)
        own = _id(identity, "organizationId")
        if identity.get("authorizedOrgGroupId"):
            try:
                group = [_id(each) for page in self.chain(ORGANIZATIONS) for each in page]
            except RefusedError as error:
                if not own or error.status not in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
                    raise
                self.part, group = True, []
                logger.warning(
                    "The token is for a group of organizations, which it may not list: only its own teams are loaded."
                )
            return list(dict.fromkeys(filter(None, [own, *group])))
        if not own:
            message = "Siro's API does not say which organization the token is for."
            raise TapSiroError(message)
        return [own]

    def refused(self, errors: Sequence[RefusedError], *, of: int) -> None:
        """Take note that some of several organizations may not be read.

        Raises:
            RefusedError: None may be.
        """
        if len(errors) == of:
            raise errors[0]
        self.part = True
        logger.warning("The token may read the teams of %d of its %d organizations only.", of - len(errors), of)

    def _listing(self, path: str, query: Mapping[str, str], page_size: int | None, cursor: str | None) -> Listing:
        parameters = dict(query)
        sized = page_size is not None and path not in self._unsized
        if sized:
            parameters["pageSize"] = str(page_size)
        if cursor is not None:
            parameters["cursor"] = cursor
        try:
            listing = self._client.get(path, parameters, decode=decode_list)
        except RefusedError as error:
            if error.status != HTTPStatus.BAD_REQUEST or not sized:
                raise
            self._unsized.add(path)  # not every endpoint documents a page size
            return self._listing(path, query, None, cursor)
        return Listing(_flat(listing.records), listing.cursor)


def _flat(records: Sequence[Any]) -> list[Any]:
    """The records: the OpenAPI document has a list of lists for events, where a list comes."""
    return [each for record in records for each in (record if isinstance(record, list) else [record])]


def _objects(records: Sequence[Any]) -> list[dict[str, Any]]:
    return [record if isinstance(record, dict) else {} for record in records]


def _id(record: Any, name: str = "id") -> str:
    value = record.get(name) if isinstance(record, dict) else None
    return str(value) if isinstance(value, (str, int)) else ""


def _oldest(created: Sequence[int | None]) -> int | None:
    """The moment of the last record, if all have one and come newest first."""
    known = [moment for moment in created if moment is not None]
    if len(known) < len(created) or known != sorted(known, reverse=True):
        return None
    return known[-1] if known else None
