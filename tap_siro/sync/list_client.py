"""Requests for the pages of one list, in the ways that the endpoints need."""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_siro import timestamps
from tap_siro.api.chain import Chain
from tap_siro.api.pages import read_page
from tap_siro.api.retries import Request
from tap_siro.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from tap_siro.api.client import Client
    from tap_siro.api.pages import Page
    from tap_siro.settings import Settings
    from tap_siro.sync.stream_kinds import ListStream

logger = logging.getLogger(__name__)


@dataclass
class ListClient:
    """Requests for the pages of one list, as a stream makes them. Called in a worker thread."""

    client: Client
    stream: type[ListStream]
    slot: Callable[[], AbstractContextManager[None]]
    """Entered to decode an answer."""
    is_part: bool = False
    """True if the list is known to be incomplete."""

    @property
    def settings(self) -> Settings:
        """Return the tap's settings."""
        return self.client.settings

    def pages(
        self, path: str, query: Mapping[str, str] | None = None, *, page_size: int | None = None
    ) -> Iterator[Page]:
        """Yield the pages of a chain. All methods take what a `Chain` does, and raise its errors."""
        host = self.client.user_host if self.stream.on_user_host else self.client.api
        read = functools.partial(read_page, name=self.stream.list_name)
        request = Request(host, path, dict(query or {}), read, page_slot=self.slot)
        return iter(Chain(self.client, request, page_size=page_size, size_parameter=self.stream.size_parameter))

    def newest_first(self, path: str, query: Mapping[str, str], *, page_size: int | None) -> Iterator[Page]:
        """Yield the pages of an endpoint that lists the newest first, and whose cursor is only a moment of creation.

        Such a cursor skips what was created in the same millisecond as the last record of a page. So the next page is
        requested by `createdAtLt`, the end of that millisecond, and what comes twice is left out. Where a page holds a
        single millisecond, its cursor is followed. Where a page has another order, or `createdAtLt` is ignored, all
        cursors are followed from the first page on.
        """
        before: int | None = None
        border: set[str] = set()
        by_cursor = False
        while True:
            bounded = query if before is None else {**query, "createdAtLt": timestamps.text(before)}
            for page in self.pages(path, bounded, page_size=page_size):
                created = [timestamps.parse(record.get("createdAt")) for record in _objects(page.records)]
                end = _oldest(created)
                if created and (end is None or (before is not None and (created[0] or 0) >= before)):
                    by_cursor = True
                    if before is not None:
                        yield page
                        yield from self.pages(path, query, page_size=page_size)
                        return
                cursor, ids = page.cursor, [_id(record) for record in page.records]
                page.records = [record for record, name in zip(page.records, ids, strict=True) if name not in border]
                yield page
                del page  # not to be kept while the next one is fetched
                if not by_cursor and cursor is not None and end is not None and (before is None or end + 1 < before):
                    before = end + 1
                    border = {name for name, moment in zip(ids, created, strict=True) if moment == end} - {""}
                    break
            else:
                return

    def of_organizations(self, pages: Callable[[str], Iterator[Page]]) -> Iterator[Page]:
        """Yield the pages of each organization that the token is for: one, or those of a group.

        Args:
            pages: Returns the pages of an organization, by its id.

        Raises:
            RefusedError: The token may read none of them.
        """
        organizations, is_whole = self.client.organizations()
        self.is_part = self.is_part or not is_whole
        errors = []
        for organization in organizations:
            try:
                yield from pages(organization)
            except RefusedError as error:
                errors.append(error)
        count = len(organizations)
        if len(errors) == count:
            raise errors[0]
        if errors:
            self.is_part = True
            logger.warning(
                "The token may read '%s' of %d of its %d organizations only. Rows of the others stay as they are. Give "
                "the token their scope.",
                self.stream.name, count - len(errors), count,
            )  # fmt: skip

    def with_disabled(self, path: str, query: Mapping[str, str], *, page_size: int | None) -> Iterator[Page]:
        """Yield all users. It is undocumented whether disabled ones come unasked: if none did, they are asked for."""
        seen: set[str] = set()
        has_disabled = False
        for page in self.pages(path, query, page_size=page_size):
            has_disabled = has_disabled or any(
                user.get("disabled") in (True, "true") for user in _objects(page.records)
            )
            seen.update(_id(user) for user in page.records)
            yield page
        if has_disabled:
            return
        try:
            for page in self.pages(path, {**query, "disabled": "true"}, page_size=page_size):
                page.records = [user for user in page.records if isinstance(user, dict) and _id(user) not in seen]
                yield page
        except RefusedError as error:
            if not error.is_about_parameters:
                raise  # else, the API cannot be asked for disabled users


def between(since: int | None, end: int | None, after: str, before: str) -> dict[str, str]:
    """Return the query parameters, of these names, for what was created from a timestamp on and before another."""
    bounds = {after: None if since is None else since - 1, before: end}
    return {name: timestamps.text(moment) for name, moment in bounds.items() if moment is not None}


def _objects(records: Sequence[Any]) -> list[dict[str, Any]]:
    return [record if isinstance(record, dict) else {} for record in records]


def _id(record: Any) -> str:
    value = record.get("id") if isinstance(record, dict) else None
    return str(value) if isinstance(value, (str, int)) else ""


def _oldest(created: Sequence[int | None]) -> int | None:
    """Return the moment of the last record, if all have one and come newest first."""
    known = [moment for moment in created if moment is not None]
    if len(known) < len(created) or known != sorted(known, reverse=True):
        return None
    return known[-1] if known else None
