"""All streams: `recordings`, what is derived from its pages, details of each recording, and lists.

CONTRIBUTING.md says how to add one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_siro import timestamps
from tap_siro.api.client import PATH
from tap_siro.records import children, list_children, scorecards
from tap_siro.schemas import details, lists, recordings
from tap_siro.schemas import scorecards as scorecard_columns
from tap_siro.singer.sdk import SiroStream
from tap_siro.sync.details import recording_path
from tap_siro.sync.evaluations import SCORECARDS_NAME, SCORECARDS_PATH
from tap_siro.sync.list_client import between
from tap_siro.sync.stream_kinds import ChildStream, DetailStream, ListChildStream, ListStream, UserHostListStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_siro.api.pages import Page
    from tap_siro.records.recording import Record
    from tap_siro.settings import Settings
    from tap_siro.sync.details import DetailClient
    from tap_siro.sync.list_client import ListClient


class RecordingsStream(SiroStream):
    """One row per recording, with links, summary, values and follow-ups nested as the API returns them."""

    name = "recordings"
    primary_keys = ("id",)
    replication_key = "updatedAt"
    columns = recordings.RECORDINGS


class CrmLinksStream(ChildStream):
    """One row per CRM record linked to a recording."""

    name = "recording_crm_links"
    primary_keys = ("recordingId", "objectType", "ordinal")
    columns = recordings.CRM_LINKS
    property_name = "crm"
    derive = staticmethod(children.crm_links)


class SummarySectionsStream(ChildStream):
    """One row per section of an AI summary."""

    name = "recording_summary_sections"
    columns = recordings.SUMMARY_SECTIONS
    property_name = "summary"
    derive = staticmethod(children.summary_sections)


class EntityExtractionsStream(ChildStream):
    """One row per value extracted from a recording."""

    name = "recording_entity_extractions"
    columns = recordings.ENTITY_EXTRACTIONS
    property_name = "entityExtractions"
    derive = staticmethod(children.entity_extractions)


class EntityMappingsStream(ChildStream):
    """One row per CRM field that an extracted value belongs in."""

    name = "recording_entity_mappings"
    primary_keys = ("recordingId", "extractionOrdinal", "ordinal")
    columns = recordings.ENTITY_MAPPINGS
    property_name = "entityExtractions"
    derive = staticmethod(children.entity_mappings)


class FollowupsStream(ChildStream):
    """One row per follow-up of a recording: its id and score."""

    name = "recording_followups"
    columns = recordings.FOLLOWUPS
    property_name = "followups"
    derive = staticmethod(children.followups)


class FollowupDetailsStream(DetailStream):
    """One row per follow-up in full: action, reasons and history. Takes one request per recording."""

    name = "recording_followup_details"
    primary_keys = ("followupId",)
    columns = details.FOLLOWUPS
    property_name = "followups"
    field_path = "followups"

    @staticmethod
    def is_needed(recording: Record) -> bool:
        """Return True if the list shows follow-ups."""
        return DetailStream.is_needed(recording) and bool(recording["followups"])

    @staticmethod
    def fetch(client: DetailClient, recording: Record) -> list[Any]:
        """Return the follow-ups in full. An answer without them is an item without a key: the list shows some."""
        answer = client.get(recording_path(recording), {"showFollowups": "true"})
        followups = [] if answer is None else answer.get("followups")
        return followups if isinstance(followups, list) else [followups]


class UtterancesStream(DetailStream):
    """One row per utterance: **the transcript, word for word**. Takes one request per recording."""

    name = "recording_utterances"
    primary_keys = ("recordingId", "ordinal")
    columns = details.UTTERANCES
    on_user_host = True
    field_path = "utterances"

    @staticmethod
    def fetch(client: DetailClient, recording: Record) -> list[Any]:
        """Return the utterances of all pages. The speakers of any page are those of all."""
        return client.utterances(f"{recording_path(recording)}/utterances")


class RecordingScorecardsStream(DetailStream):
    """One row per recording that a scorecard evaluated. Takes about one request per scored recording."""

    name = "recording_scorecards"
    primary_keys = ("recordingId", "scorecardId")
    columns = scorecard_columns.RECORDING_SCORECARDS
    property_name = "evaluationScore"
    on_user_host = True
    field_path = "scorecards"

    @staticmethod
    def is_needed(recording: Record) -> bool:
        """Return True if the list shows a score."""
        return DetailStream.is_needed(recording) and recording["evaluationScore"] is not None

    @staticmethod
    def fetch(client: DetailClient, recording: Record) -> list[Any]:
        """Return the evaluation by the one scorecard that evaluated the recording, if there is one."""
        return client.evaluations.of(recording)

    @staticmethod
    def flatten(item: Any, /) -> list[Any]:
        """Return the evaluation without its nodes."""
        return [scorecards.evaluated_scorecard(item)]


class RecordingScorecardNodesStream(SiroStream):
    """One row per section and metric of an evaluation, **with quotes of the conversation**."""

    name = "recording_scorecard_nodes"
    primary_keys = ("recordingId", "scorecardId", "nodeId")
    columns = scorecard_columns.RECORDING_SCORECARD_NODES
    derived_from = RecordingScorecardsStream
    flatten = staticmethod(scorecards.evaluated_nodes)


class UsersStream(ListStream):
    """One row per user, including disabled ones."""

    name = "users"
    path = "/v1/core/users"
    parameters = ("excludeSiroUsers", "disabled", "pageSize", "cursor")
    page_size = 100
    columns = lists.USERS

    @classmethod
    def pages(cls, client: ListClient, since: int | None) -> Iterator[Page]:  # noqa: ARG003
        """Yield all users, including disabled ones."""
        query = {"excludeSiroUsers": "true"} if client.settings.exclude_siro_users else {}
        return client.with_disabled(cls.path, query, page_size=cls.page_size)


class TeamsStream(ListStream):
    """One row per team."""

    name = "teams"
    path = "/v1/core/organizations/{orgId}/teams"
    parameters = ("pageSize", "cursor")
    page_size = 100
    columns = lists.TEAMS
    left_out = lists.MANIFESTS
    by_organization = True


class TeamMembersStream(ListChildStream):
    """One row per user in a team, and per coach of it."""

    name = "team_members"
    primary_keys = ("teamId", "userId", "role")
    columns = lists.TEAM_MEMBERS
    derived_from = TeamsStream
    derive = staticmethod(list_children.team_members)


class IntegrationConnectionsStream(ListStream):
    """One row per connection to a CRM or another platform."""

    name = "integration_connections"
    path = "/v1/core/integrations/connections"
    columns = lists.INTEGRATION_CONNECTIONS


class EngagementsStream(ListStream):
    """One row per appointment in the CRM, recorded or not."""

    name = "engagements"
    path = "/v1/integrations/engagements"
    selected_by_default = False
    columns = lists.ENGAGEMENTS


class EngagementUsersStream(ListChildStream):
    """One row per CRM user of an appointment."""

    name = "engagement_users"
    primary_keys = ("engagementId", "ordinal")
    columns = lists.ENGAGEMENT_USERS
    derived_from = EngagementsStream
    derive = staticmethod(list_children.engagement_users)


class OpportunitiesStream(ListStream):
    """One row per deal in the CRM."""

    name = "opportunities"
    path = "/v1/integrations/opportunities"
    selected_by_default = False
    columns = lists.OPPORTUNITIES


class OpportunityUsersStream(ListChildStream):
    """One row per CRM user of a deal."""

    name = "opportunity_users"
    primary_keys = ("opportunityId", "ordinal")
    columns = lists.OPPORTUNITY_USERS
    derived_from = OpportunitiesStream
    derive = staticmethod(list_children.opportunity_users)


class MobileEventsStream(ListStream):
    """One row per event of the mobile app: recording started, consent granted and the like."""

    name = "mobile_events"
    path = "/v1/core/mobile-events"
    parameters = ("createdAtGt", "createdAtLt", "pageSize", "cursor")
    page_size = 1000
    replication_key = "createdAt"
    selected_by_default = False
    columns = lists.MOBILE_EVENTS

    @classmethod
    def query(cls, settings: Settings, since: int | None) -> dict[str, str]:
        """Ask for the events since a timestamp, and before `end_date`."""
        return between(since, settings.end, "createdAtGt", "createdAtLt")

    @classmethod
    def pages(cls, client: ListClient, since: int | None) -> Iterator[Page]:
        """Yield the events: their cursor is only a moment."""
        return client.newest_first(cls.path, cls.query(client.settings, since), page_size=cls.page_size)


class FollowupListStream(UserHostListStream):
    """One row per follow-up, with its current status."""

    name = "followups"
    primary_keys = ("followupId",)
    path = "/v1/core/followups"
    parameters = ("organizationId", "minimumScore", "includeHistory", "createdAfter", "limit", "cursor")
    page_size = 100
    size_parameter = "limit"
    list_name = "followups"
    columns = lists.FOLLOWUPS
    by_organization = True

    @classmethod
    def query(cls, settings: Settings, since: int | None) -> dict[str, str]:  # noqa: ARG003
        """Ask for all scores and the history; with `created_after`, for a part."""
        after = settings.created_after
        created = {} if after is None else {"createdAfter": timestamps.text(after)}
        return {"minimumScore": "1", "includeHistory": "true", **created}

    @classmethod
    def pages(cls, client: ListClient, since: int | None) -> Iterator[Page]:
        """Yield all follow-ups; those after `created_after` are a part of the list."""
        client.is_part = client.settings.created_after is not None
        return super().pages(client, since)


class ScorecardsStream(UserHostListStream):
    """One row per scorecard."""

    name = "scorecards"
    path = SCORECARDS_PATH
    parameters = ("organizationId", "cursor")
    list_name = SCORECARDS_NAME
    columns = scorecard_columns.SCORECARDS
    left_out = scorecards.SCORECARD_PARTS
    by_organization = True


class ScorecardNodesStream(ListChildStream):
    """One row per section and metric of a scorecard, with its weight and target."""

    name = "scorecard_nodes"
    primary_keys = ("scorecardId", "id")
    columns = scorecard_columns.SCORECARD_NODES
    derived_from = ScorecardsStream
    flatten = staticmethod(scorecards.scorecard_nodes)


class RecordingOutcomesStream(UserHostListStream):
    """One row per recording, with its outcomes in the organization's own words."""

    name = "recording_outcomes"
    primary_keys = ("recordingId",)
    replication_key = "dateCreated"
    path = PATH
    parameters = ("dateCreated:gt", "dateCreated:lt", "limit", "cursor")
    page_size = 100
    size_parameter = "limit"
    columns = lists.RECORDING_OUTCOMES

    @classmethod
    def query(cls, settings: Settings, since: int | None) -> dict[str, str]:
        """Ask for the recordings created since a timestamp, and before `end_date`."""
        return between(since, settings.end, "dateCreated:gt", "dateCreated:lt")

    @staticmethod
    def flatten(item: Any, /) -> list[Any]:
        """Return the recording's outcomes, without what `recordings` has."""
        return [scorecards.outcome(item)]


RECORDING_STREAMS: tuple[type[SiroStream], ...] = (
    RecordingsStream,
    *ChildStream.__subclasses__(),
    *(stream for each in DetailStream.__subclasses__() for stream in (each, *each.derived_streams())),
)
"""Recordings and what belongs to them, in the order of this module."""
LISTS = tuple(each for each in (*ListStream.__subclasses__(), *UserHostListStream.__subclasses__()) if each.name)
"""The lists that are requested, in the order of this module."""
STREAMS = (*RECORDING_STREAMS, *(stream for each in LISTS for stream in (each, *each.derived_streams())))
"""All streams."""

for _stream in STREAMS[1:]:  # to the SDK: `RecordingsStream` runs the sync of all streams
    _stream.parent_stream_type = RecordingsStream
