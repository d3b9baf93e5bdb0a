"""Base class of lists of rows, as the API serves them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from tests.sandbox import oracle
from tests.sandbox.faults import Answer
from tests.sandbox.query import BadRequestError
from tests.sandbox.routes import Endpoint
from tests.sandbox.store import Recording, encode

if TYPE_CHECKING:
    from tests.sandbox.oracle import Cleaner, Keys, Row, Rows
    from tests.sandbox.routes import Request
    from tests.sandbox.streams import Lists

MADE = "2024-03-01T09:00:00.000Z"
"""Moment at which the organization and its first objects were made."""


class Listing(Endpoint):
    """A list and the streams that are derived from it: their route, data, expected rows and keys."""

    name: ClassVar[str]
    """Name of the stream, and of the attribute of `Lists` with its rows as the API sends them."""
    key: ClassVar[str] = "id"
    derived: ClassVar[Keys] = {}
    """The key columns of derived streams."""
    default: ClassVar[bool] = False
    """True if the streams are selected by default."""
    columns: ClassVar[dict[str, Cleaner]]
    left_out: ClassVar[tuple[str, ...]] = ()
    """Fields that deliberately have no column."""

    @property
    def keys(self) -> Keys:
        """Return the key columns of the streams."""
        return {self.name: (self.key,), **self.derived}

    def of_organization(self, lists: Lists, values: dict[str, str]) -> Answer | None:
        """Return the error for an `organizationId` that the token may not read.

        Raises:
            BadRequestError: The parameter is missing.
        """
        if "organizationId" not in values:
            raise BadRequestError("organizationId is needed")
        return (
            None if values["organizationId"] in {lists.organization, *lists.group} - lists.refused else self.error(403)
        )

    def make(self, lists: Lists, data: list[Recording]) -> list[Row]:
        """Make rows that match the recordings, and a few that nothing refers to."""
        raise NotImplementedError

    def answer(self, lists: Lists, request: Request) -> Answer:
        """Answer a request."""
        raise NotImplementedError

    def expected(self, lists: Lists) -> dict[str, Rows]:
        """Compute the rows of the streams. Records without a key are left out."""
        rows: Rows = {}
        for item in getattr(lists, self.name):
            if key := oracle.text(item.get(self.key)):
                rows[(key,)] = self.row(item)
        return {self.name: rows, **{name: {} for name in self.derived}}

    def row(self, item: Row) -> Row:
        """Compute the row of a record."""
        return oracle.row(item, self.columns, self.left_out)


class CrmListing(Listing):
    """List of the CRM integrations: the cursor is a number, even on the last page, and `hasNextPage` marks the end."""

    users: ClassVar[str]
    """Field with the CRM users; `derived` has one stream, made from them."""

    def answer(self, lists: Lists, request: Request) -> Answer:
        """Answer a request."""
        start = int(asked(request, "cursor").get("cursor", "0"))
        rows: list[Row] = getattr(lists, self.name)
        end = start + lists.page_size
        page = {"data": rows[start:end], "cursor": end, "pageSize": lists.page_size, "total": len(rows)}
        return answered(lists, rows[start:end], page | {"hasNextPage": end < len(rows)}, rows)

    def expected(self, lists: Lists) -> dict[str, Rows]:
        """Compute the rows of the streams."""
        rows = super().expected(lists)
        ((stream, (parent_key, _)),) = self.derived.items()
        for parent in rows[self.name].values():
            for ordinal, item in enumerate(parent[self.users] or ()):
                if item is not None:
                    row = {parent_key: parent["id"], "ordinal": ordinal}
                    row |= {column: item.get(column) for column in ("id", "userId", "externalId")}
                    rows[stream][parent["id"], ordinal] = row
        return rows


CRM_USERS = oracle.each(oracle.known(id=oracle.text, userId=oracle.text, externalId=oracle.text))


def asked(request: Request, *known: str) -> dict[str, str]:
    """Return a request's parameters.

    Raises:
        BadRequestError: A parameter is unknown.
    """
    if unknown := request.params.keys() - {*known}:
        raise BadRequestError(f"unknown parameter {', '.join(sorted(unknown))}")
    return request.params


def limited(values: dict[str, str], default: int) -> int:
    """Return the `limit` of a request to the user host.

    Raises:
        BadRequestError: It is not a number from 1 to 100.
    """
    limit = values.get("limit", str(default))
    if limit not in map(str, range(1, 101)):
        raise BadRequestError("limit is not a number from 1 to 100")
    return int(limit)


def answered(lists: Lists, rows: list[Row], body: Any, whole: list[Row]) -> Answer:
    """Answer with the rows of a page in their envelope or, if lists are bare, with the whole list."""
    rows = whole if lists.bare else rows
    return Answer(200, encode(rows if lists.bare else body), rows=len(rows))


def counted(lists: Lists, rows: list[Row], values: dict[str, str]) -> Answer:
    """Answer with a page of rows; the cursor counts rows."""
    start = int(values.get("cursor", "0"))
    end = start + min(int(values.get("pageSize", lists.page_size)), lists.page_size)
    page = {"data": rows[start:end], "cursor": str(end) if end < len(rows) else None}
    return answered(lists, rows[start:end], page, rows)


def crm_links(data: list[Recording], name: str) -> list[tuple[Recording, Row]]:
    """Return recordings that are linked to a CRM record of one type, with the link."""
    return [
        (each, link)
        for each in data
        if isinstance(crm := each.get("crm"), dict)
        and isinstance(link := crm.get(name), dict)
        and isinstance(link.get("id"), str)
    ]
