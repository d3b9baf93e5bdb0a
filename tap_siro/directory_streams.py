"""The streams of what a recording points to: each a list of the API that is read whole in each run.

CONTRIBUTING.md says how to add one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from tap_siro import timestamps
from tap_siro.errors import RefusedError
from tap_siro.records import directory_children, directory_schemas
from tap_siro.records.directory import DirectoryCleaner
from tap_siro.singer.sdk import SiroStream
from tap_siro.streams import RecordingsStream
from tap_siro.sync.directory import Directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_siro.records.recording import Record
    from tap_siro.singer.writer import RecordWriter
    from tap_siro.sync.directory_pages import DirectoryPages


class DirectoryStream(SiroStream):
    """Rows of one of the API's lists."""

    parent_stream_type = RecordingsStream  # no parent, but what runs the sync: see `tap_siro.singer.sdk`
    primary_keys = ("id",)
    path: ClassVar[str]
    parameters: ClassVar[tuple[str, ...]] = ("cursor",)
    """The query parameters that are sent."""
    page_size: ClassVar[int | None] = None
    """What `pageSize` asks for, where it is known to be one."""
    json_text: ClassVar[tuple[str, ...]] = ()
    """Columns that hold JSON text, because what is in them changes or is not documented."""
    left_out: ClassVar[tuple[str, ...]] = ()
    """Fields that have no column on purpose."""

    def make_records(self, record: Record) -> list[Record]:
        """The record itself."""
        return [record]

    @classmethod
    def children(cls) -> list[type[DirectoryChildStream]]:
        """The streams that are cut from it."""
        return [child for child in DirectoryChildStream.__subclasses__() if child.cut_from is cls]

    def pages(self, pages: DirectoryPages, since: int | None) -> Iterator[Sequence[Any]]:  # noqa: ARG002
        """Ask for all records, or, if the stream has a replication key, for those since a timestamp."""
        return pages.chain(self.path, page_size=self.page_size)

    def directory(self, writer: RecordWriter) -> Directory:
        """The stream, and those cut from it, as the sync sees them."""
        cleaner = partial(
            DirectoryCleaner, self.schema, path=self.name, json_text=self.json_text, left_out=self.left_out
        )
        return Directory(self.name, self.pages, cleaner, writer, incremental=bool(self.replication_key))


class DirectoryChildStream(SiroStream):
    """Rows derived from the records of a list, at no extra request."""

    parent_stream_type = RecordingsStream
    cut_from: ClassVar[type[DirectoryStream]]
    cut: ClassVar[staticmethod[[Record], list[Record]]]
    """Makes the stream's records of a record."""

    def make_records(self, record: Record) -> list[Record]:
        """The stream's records of a cleaned record."""
        return self.cut(record)


class UsersStream(DirectoryStream):
    """One row per user, including disabled ones."""

    name = "users"
    path = "/v1/core/users"
    parameters = ("excludeSiroUsers", "disabled", "pageSize", "cursor")
    page_size = 100
    schema = directory_schemas.USERS

    def pages(self, pages: DirectoryPages, since: int | None) -> Iterator[Sequence[Any]]:  # noqa: ARG002
        """All users. Whether disabled ones come unasked is not documented: if none did, they are asked for."""
        query = {"excludeSiroUsers": "true"} if pages.settings.exclude_siro_users else {}
        seen: set[object] = set()
        disabled = False
        for page in pages.chain(self.path, query, page_size=self.page_size):
            users = [user for user in page if isinstance(user, dict)]
            disabled = disabled or any(user.get("disabled") in (True, "true") for user in users)
            seen.update(str(user.get("id")) for user in users)
            yield page
        if not disabled:
            for page in pages.chain(self.path, {**query, "disabled": "true"}, page_size=self.page_size):
                yield [user for user in page if isinstance(user, dict) and str(user.get("id")) not in seen]


class TeamsStream(DirectoryStream):
    """One row per team."""

    name = "teams"
    path = "/v1/core/organizations/{orgId}/teams"
    parameters = ("pageSize", "cursor")
    page_size = 100
    schema = directory_schemas.TEAMS
    left_out = directory_schemas.MANIFESTS

    def pages(self, pages: DirectoryPages, since: int | None) -> Iterator[Sequence[Any]]:  # noqa: ARG002
        """The teams of each organization that the token may read."""
        refused = []
        for organization in pages.organizations:
            try:
                yield from pages.chain(self.path.format(orgId=quote(organization, safe="")), page_size=self.page_size)
            except RefusedError as error:
                refused.append(error)
        if refused:
            pages.refused(refused, of=len(pages.organizations))


class TeamMembersStream(DirectoryChildStream):
    """One row per member and per coach of a team."""

    name = "team_members"
    primary_keys = ("teamId", "userId", "role")
    schema = directory_schemas.TEAM_MEMBERS
    cut_from = TeamsStream
    cut = staticmethod(directory_children.team_members)


class IntegrationConnectionsStream(DirectoryStream):
    """One row per connection to a CRM or another platform."""

    name = "integration_connections"
    path = "/v1/core/integrations/connections"
    schema = directory_schemas.INTEGRATION_CONNECTIONS


class EngagementsStream(DirectoryStream):
    """One row per appointment in the CRM, recorded or not."""

    name = "engagements"
    path = "/v1/integrations/engagements"
    selected_by_default = False
    schema = directory_schemas.ENGAGEMENTS
    json_text = ("account",)


class EngagementUsersStream(DirectoryChildStream):
    """One row per CRM user of an appointment."""

    name = "engagement_users"
    primary_keys = ("engagementId", "ordinal")
    selected_by_default = False
    schema = directory_schemas.ENGAGEMENT_USERS
    cut_from = EngagementsStream
    cut = staticmethod(directory_children.engagement_users)


class OpportunitiesStream(DirectoryStream):
    """One row per deal in the CRM."""

    name = "opportunities"
    path = "/v1/integrations/opportunities"
    selected_by_default = False
    schema = directory_schemas.OPPORTUNITIES
    json_text = ("account",)


class OpportunityUsersStream(DirectoryChildStream):
    """One row per CRM user of a deal."""

    name = "opportunity_users"
    primary_keys = ("opportunityId", "ordinal")
    selected_by_default = False
    schema = directory_schemas.OPPORTUNITY_USERS
    cut_from = OpportunitiesStream
    cut = staticmethod(directory_children.opportunity_users)


class MobileEventsStream(DirectoryStream):
    """One row per event of the mobile app, such as recording started or consent granted."""

    name = "mobile_events"
    path = "/v1/core/mobile-events"
    parameters = ("createdAtGt", "createdAtLt", "pageSize", "cursor")
    page_size = 1000
    replication_key = "createdAt"
    selected_by_default = False
    schema = directory_schemas.MOBILE_EVENTS
    json_text = ("event",)

    def pages(self, pages: DirectoryPages, since: int | None) -> Iterator[Sequence[Any]]:
        """The events since a timestamp, and before `end_date`."""
        bounds = {"createdAtGt": None if since is None else since - 1, "createdAtLt": pages.settings.end}
        query = {name: timestamps.text(moment) for name, moment in bounds.items() if moment is not None}
        return pages.newest_first(self.path, query, page_size=self.page_size)


DIRECTORIES: tuple[type[DirectoryStream], ...] = tuple(DirectoryStream.__subclasses__())
"""The streams that are asked for, in the order of this module."""
DIRECTORY_STREAMS: tuple[type[SiroStream], ...] = tuple(
    stream for directory in DIRECTORIES for stream in (directory, *directory.children())
)
"""All of them, each followed by those that are cut from it."""
