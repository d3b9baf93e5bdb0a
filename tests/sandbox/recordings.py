"""The recordings endpoint: pages of the store, by known or possible rules of the live API."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.sandbox.faults import Answer
from tests.sandbox.query import BadRequestError, parse_query
from tests.sandbox.store import Page, Recording, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from tests.sandbox.routes import Request

CREATED = ("createdAt:gt", "createdAt:lt")
CREATED_RULES: dict[str, Callable[[bool], str]] = {
    "taken": lambda beside: "take",
    "refused_beside": lambda beside: "refuse" if beside else "take",
    "refused": lambda beside: "refuse",
    "ignored_beside": lambda beside: "ignore" if beside else "take",
    "ignored": lambda beside: "ignore",
}
"""Rules for `createdAt` bounds, alone and beside bounds of `updatedAt`."""


class Recordings:
    """The recordings, and rules for serving them."""

    def __init__(
        self,
        recordings: Iterable[Recording],
        *,
        order: str = "newest_created",
        cursor: str = "place",
        last_page_cursor: bool = False,
        strict: bool = True,
        default_page_size: int = 25,
        max_page_size: int = 500,
        page_cap: int | None = None,
        most_scored: int | None = 40,
        created: str = "taken",
        ignores: Collection[str] = (),
    ) -> None:
        """Take the recordings and the rules for serving them.

        Args:
            recordings: The data set. It is copied.
            order: newest_created, oldest_updated, newest_updated or id.
            cursor: place (go on after the last row served) or count (skip as many rows as were served).
            last_page_cursor: Adds a cursor to the last page; the page after it is empty.
            strict: Refuses parameters that the documentation does not allow, instead of ignoring them.
            default_page_size: The page size of requests without one.
            max_page_size: The largest page size that is accepted.
            page_cap: The maximum number of recordings on a page, whatever the request says.
            most_scored: The largest `pageSize` that still gets evaluation scores; above, all are null (None: never).
            created: One of `CREATED_RULES`.
            ignores: Parameters without an effect.
        """
        if created not in CREATED_RULES:
            raise ValueError(f"created must be one of {', '.join(CREATED_RULES)}")
        self.store = Store(recordings, order=order, cursor=cursor, last_page_cursor=last_page_cursor)
        self.default_page_size = default_page_size
        self._strict = strict
        self._max_page_size = max_page_size
        self._page_cap = page_cap
        self._most_scored = most_scored
        self._created = CREATED_RULES[created]
        self._ignores = frozenset(ignores)

    def page(self, request: Request, before: Callable[[], object] = lambda: None) -> Page:
        """Return the page for a request; `before` is called once the request is accepted.

        Raises:
            BadRequestError: The request is invalid.
        """
        beside = any(name.startswith("updatedAt:") for name, _ in request.pairs)
        rule = self._created(beside)
        if rule == "refuse" and any(name in CREATED for name, _ in request.pairs):
            raise BadRequestError("createdAt cannot be filtered by here")
        ignored = self._ignores.union(CREATED if rule == "ignore" else ())
        query = parse_query(
            [(name, value) for name, value in request.pairs if name not in ignored],
            strict=self._strict,
            default_page_size=self.default_page_size,
            max_page_size=self._max_page_size,
        )
        before()
        scored = self._most_scored is None or query.page_size <= self._most_scored
        if self._page_cap is not None:
            query = replace(query, page_size=min(query.page_size, self._page_cap))
        return self.store.page(query, scored=scored)

    def answer(self, request: Request, before: Callable[[], object]) -> Answer:
        """Return the answer to a request for a page."""
        page = self.page(request, before)
        return Answer(200, page.body, rows=len(page.rows))
