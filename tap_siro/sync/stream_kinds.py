"""Kinds of streams: children of `recordings`, details of a recording, and lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from tap_siro.singer.sdk import SiroStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_siro.api.pages import Page
    from tap_siro.records.recording import Record
    from tap_siro.settings import Settings
    from tap_siro.sync.details import DetailClient
    from tap_siro.sync.list_client import ListClient


class ChildStream(SiroStream):
    """Rows derived from the pages of `recordings`, at no extra request."""

    primary_keys: Any = ("recordingId", "ordinal")
    replication_key = "recordingUpdatedAt"


class DetailStream(SiroStream):
    """Rows that take one request per recording, made while its page is in hand."""

    replication_key = "recordingUpdatedAt"
    selected_by_default = False
    field_path: ClassVar[str]
    """Prefix of a field's name in warnings."""

    def __init_subclass__(cls) -> None:
        """Be what requests the details."""
        super().__init_subclass__()
        cls.detail = cls

    @staticmethod
    def is_needed(recording: Record) -> bool:
        """Return True if a cleaned recording can have some. One that is not processed comes again when it is."""
        return recording["isProcessingDone"] is not False

    @staticmethod
    def fetch(client: DetailClient, recording: Record) -> list[Any]:
        """Return the items of a recording, usually objects. Called in a worker thread."""
        raise NotImplementedError


class ListStream(SiroStream):
    """Rows that an endpoint lists."""

    primary_keys = ("id",)
    path: ClassVar[str]
    parameters: ClassVar[tuple[str, ...]] = ("cursor",)
    """The query parameters that are sent."""
    page_size: ClassVar[int | None] = None
    """Records to request with each page, where the endpoint is known to take a page size."""
    size_parameter: ClassVar[str] = "pageSize"
    list_name: ClassVar[str] = ""
    """The list's name inside `data`, if it has one."""

    by_organization: ClassVar[bool] = False
    """It is requested for each organization that the token may read."""

    @classmethod
    def query(cls, settings: Settings, since: int | None) -> dict[str, str]:  # noqa: ARG003
        """Return the query parameters of all records or, if the stream has a bookmark, of those since a timestamp."""
        return {}

    @classmethod
    def pages(cls, client: ListClient, since: int | None) -> Iterator[Page]:
        """Yield the pages of all records or, if the stream has a bookmark, of those since a timestamp."""
        query = cls.query(client.settings, since)
        if not cls.by_organization:
            return client.pages(cls.path, query, page_size=cls.page_size)

        def pages(organization: str) -> Iterator[Page]:
            if "{orgId}" in cls.path:
                path = cls.path.format(orgId=quote(organization, safe=""))
                return client.pages(path, query, page_size=cls.page_size)
            return client.pages(cls.path, {"organizationId": organization, **query}, page_size=cls.page_size)

        return client.of_organizations(pages)


class ListChildStream(SiroStream):
    """Rows derived from the records of a list, at no request of their own."""


class UserHostListStream(ListStream):
    """Rows that an endpoint of the user host lists."""

    name = ""
    on_user_host = True
    selected_by_default = False
