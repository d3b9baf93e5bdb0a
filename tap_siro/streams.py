"""All streams: `recordings`, what is derived from its pages, details of each recording, and lists.

CONTRIBUTING.md says how to add one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from tap_siro import timestamps
from tap_siro.api.client import PATH
from tap_siro.errors import RefusedError
from tap_siro.records import children, list_children, scorecards
from tap_siro.records.utterances import name_speakers
from tap_siro.schemas import details, lists, recordings
from tap_siro.schemas import scorecards as scorecard_columns
from tap_siro.singer.sdk import SiroStream
from tap_siro.sync.details import SCORECARDS_NAME, SCORECARDS_PATH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_siro.api.pages import Page
    from tap_siro.records.recording import Record
    from tap_siro.sync.details import DetailClient
    from tap_siro.sync.lists import ListClient


class RecordingsStream(SiroStream):
    """One row per recording, with links, summary, values and follow-ups nested as the API returns them."""

    name = "recordings"
    primary_keys = ("id",)
    replication_key = "updatedAt"
    columns = recordings.RECORDINGS


class ChildStream(SiroStream):
    """Rows derived from the pages of `recordings`, at no extra request."""

    parent_stream_type = RecordingsStream
    replication_key = "recordingUpdatedAt"


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
    primary_keys = ("recordingId", "ordinal")
    columns = recordings.SUMMARY_SECTIONS
    property_name = "summary"
    derive = staticmethod(children.summary_sections)


class EntityExtractionsStream(ChildStream):
    """One row per value extracted from a recording."""

    name = "recording_entity_extractions"
    primary_keys = ("recordingId", "ordinal")
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
    primary_keys = ("recordingId", "ordinal")
    columns = recordings.FOLLOWUPS
    property_name = "followups"
    derive = staticmethod(children.followups)


class DetailStream(SiroStream):
    """Rows that take one request per recording, made while its page is in hand."""

    parent_stream_type = RecordingsStream
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
        answer = client.get(_path(recording), {"showFollowups": "true"})
        if answer is None:
            return []
        followups = answer.get("followups")
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
        utterances: list[Any] = []
        speakers: dict[str, Any] = {}
        for page in client.pages(f"{_path(recording)}/utterances", "utterances"):
            if page.number == 1:
                utterances.clear()
            utterances += page.records
            names = page.answer.get("speakerMap")
            speakers |= names if isinstance(names, dict) else {}
        return name_speakers(utterances, speakers)


def _path(recording: Record) -> str:
    return f"{PATH}/{quote(recording['id'], safe='')}"


class RecordingScorecardsStream(DetailStream):
    """One row per recording that a scorecard evaluated. Takes about one request per scored recording."""

    name = "recording_scorecards"
    primary_keys = ("recordingId", "scorecardId")
    columns = scorecard_columns.RECORDING_SCORECARDS
    property_name = "evaluationScore"
    on_user_host = True
    field_path = "scorecards"
    path = "/v1/core/scorecards/evaluated-instances"

    @staticmethod
    def is_needed(recording: Record) -> bool:
        """Return True if the list shows a score."""
        return DetailStream.is_needed(recording) and recording["evaluationScore"] is not None

    @classmethod
    def fetch(cls, client: DetailClient, recording: Record) -> list[Any]:
        """Return the evaluation by the one scorecard that evaluated the recording, if there is one.

        The scorecard that last evaluated a recording of the same user is tried first: each user mostly has one.
        """
        created = timestamps.parse(recording["createdAt"])
        begin, end = (0, timestamps.now()) if created is None else (created, created)
        query = {
            "startAt": timestamps.text(begin - 2 * timestamps.DAY),
            "endAt": timestamps.text(end + 2 * timestamps.DAY),
            "filterBy": "RECORDING",
            "filterByIds": recording["id"],
        }
        for scorecard in client.scorecards(recording["userId"]):
            answer = client.get(f"{cls.path}/{quote(scorecard, safe='')}", query, on_user_host=True)
            if answer is not None and scorecards.is_evaluated(answer):
                client.evaluated(recording["userId"], scorecard)
                return [answer | {"id": scorecard}]  # some answers have a template's id
        return []

    @staticmethod
    def flatten(item: Any, /) -> list[Any]:
        """Return the evaluation without its nodes."""
        return [scorecards.evaluated_scorecard(item)]


class RecordingScorecardNodesStream(SiroStream):
    """One row per section and metric of an evaluation, **with quotes of the conversation**."""

    parent_stream_type = RecordingsStream
    name = "recording_scorecard_nodes"
    primary_keys = ("recordingId", "scorecardId", "nodeId")
    replication_key = "recordingUpdatedAt"
    selected_by_default = False
    columns = scorecard_columns.RECORDING_SCORECARD_NODES
    property_name = "evaluationScore"
    derived_from = RecordingScorecardsStream
    flatten = staticmethod(scorecards.evaluated_nodes)


class ListStream(SiroStream):
    """Rows that an endpoint lists."""

    parent_stream_type = RecordingsStream  # no parent, but what runs the sync: see `tap_siro.singer.sdk`
    primary_keys = ("id",)
    path: ClassVar[str]
    parameters: ClassVar[tuple[str, ...]] = ("cursor",)
    """The query parameters that are sent."""
    page_size: ClassVar[int | None] = None
    """Records to request with each page, where the endpoint is known to take a page size."""
    size_parameter: ClassVar[str] = "pageSize"
    list_name: ClassVar[str] = ""
    """The list's name inside `data`, if it has one."""

    @classmethod
    def pages(cls, client: ListClient, since: int | None) -> Iterator[Page]:  # noqa: ARG003
        """Yield the pages of all records, or, if the stream has a replication key, of those since a timestamp."""
        return client.pages(cls.path, page_size=cls.page_size)


class ListChildStream(SiroStream):
    """Rows derived from the records of a list, at no request of their own."""

    parent_stream_type = RecordingsStream


class UsersStream(ListStream):
    """One row for each user, disabled ones among them."""

    name = "users"
    path = "/v1/core/users"
    parameters = ("excludeSiroUsers", "disabled", "pageSize", "cursor")
    page_size = 100
    columns = lists.USERS

    @classmethod
    def pages(cls, client: ListClient, since: int | None) -> Iterator[Page]:  # noqa: ARG003
        """Yield all users. Whether disabled ones come unasked is undocumented: if none did, they are requested."""
        query = {"excludeSiroUsers": "true"} if client.settings.exclude_siro_users else {}
        seen: set[object] = set()
        disabled = False
        for page in client.pages(cls.path, query, page_size=cls.page_size):
            users = [user for user in page.records if isinstance(user, dict)]
            disabled = disabled or any(user.get("disabled") in (True, "true") for user in users)
            seen.update(str(user.get("id")) for user in users)
            yield page
        if disabled:
            return
        try:
            for page in client.pages(cls.path, {**query, "disabled": "true"}, page_size=cls.page_size):
                page.records = [
                    user for user in page.records if isinstance(user, dict) and str(user.get("id")) not in seen
                ]
                yield page
        except RefusedError as error:
            if not error.is_about_parameters:
                raise  # else, the API cannot be asked for disabled users


class TeamsStream(ListStream):
    """One row for each team."""

    name = "teams"
    path = "/v1/core/organizations/{orgId}/teams"
    parameters = ("pageSize", "cursor")
    page_size = 100
    columns = lists.TEAMS
    left_out = lists.MANIFESTS

    @classmethod
    def pages(cls, client: ListClient, since: int | None) -> Iterator[Page]:  # noqa: ARG003
        """Yield the teams of each organization that the token may read."""
        return client.of_organizations(
            lambda organization: client.pages(
                cls.path.format(orgId=quote(organization, safe="")), page_size=cls.page_size
            )
        )


class TeamMembersStream(ListChildStream):
    """One row for each user in a team, and for each coach of it."""

    name = "team_members"
    primary_keys = ("teamId", "userId", "role")
    columns = lists.TEAM_MEMBERS
    derived_from = TeamsStream
    derive = staticmethod(list_children.team_members)


class IntegrationConnectionsStream(ListStream):
    """One row for each connection to a CRM or another platform."""

    name = "integration_connections"
    path = "/v1/core/integrations/connections"
    columns = lists.INTEGRATION_CONNECTIONS


class EngagementsStream(ListStream):
    """One row for each appointment in the CRM, recorded or not."""

    name = "engagements"
    path = "/v1/integrations/engagements"
    selected_by_default = False
    columns = lists.ENGAGEMENTS


class EngagementUsersStream(ListChildStream):
    """One row for each CRM user of an appointment."""

    name = "engagement_users"
    primary_keys = ("engagementId", "ordinal")
    selected_by_default = False
    columns = lists.ENGAGEMENT_USERS
    derived_from = EngagementsStream
    derive = staticmethod(list_children.engagement_users)


class OpportunitiesStream(ListStream):
    """One row for each deal in the CRM."""

    name = "opportunities"
    path = "/v1/integrations/opportunities"
    selected_by_default = False
    columns = lists.OPPORTUNITIES


class OpportunityUsersStream(ListChildStream):
    """One row for each CRM user of a deal."""

    name = "opportunity_users"
    primary_keys = ("opportunityId", "ordinal")
    selected_by_default = False
    columns = lists.OPPORTUNITY_USERS
    derived_from = OpportunitiesStream
    derive = staticmethod(list_children.opportunity_users)


class MobileEventsStream(ListStream):
    """One row for each event of the mobile app: recording started, consent granted and the like."""

    name = "mobile_events"
    path = "/v1/core/mobile-events"
    parameters = ("createdAtGt", "createdAtLt", "pageSize", "cursor")
    page_size = 1000
    replication_key = "createdAt"
    selected_by_default = False
    columns = lists.MOBILE_EVENTS

    @classmethod
    def pages(cls, client: ListClient, since: int | None) -> Iterator[Page]:
        """Yield the events since a timestamp, and before `end_date`."""
        bounds = {"createdAtGt": None if since is None else since - 1, "createdAtLt": client.settings.end}
        query = {name: timestamps.text(moment) for name, moment in bounds.items() if moment is not None}
        return client.newest_first(cls.path, query, page_size=cls.page_size)


class UserHostListStream(ListStream):
    """Rows that an endpoint of the user host lists."""

    on_user_host = True
    selected_by_default = False


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

    @classmethod
    def pages(cls, client: ListClient, since: int | None) -> Iterator[Page]:  # noqa: ARG003
        """Yield all follow-ups, or those created after `created_after`: then the list is a part."""
        query = {"minimumScore": "1", "includeHistory": "true"}
        if (after := client.settings.created_after) is not None:
            client.is_part = True
            query["createdAfter"] = timestamps.text(after)
        return client.of_organizations(
            lambda organization: client.pages(
                cls.path, {"organizationId": organization, **query}, page_size=cls.page_size
            )
        )


class ScorecardsStream(UserHostListStream):
    """One row per scorecard."""

    name = "scorecards"
    path = SCORECARDS_PATH
    parameters = ("organizationId", "cursor")
    list_name = SCORECARDS_NAME
    columns = scorecard_columns.SCORECARDS
    left_out = scorecards.SCORECARD_PARTS

    @classmethod
    def pages(cls, client: ListClient, since: int | None) -> Iterator[Page]:  # noqa: ARG003
        """Yield the scorecards of each organization that the token may read."""
        return client.of_organizations(lambda organization: client.pages(cls.path, {"organizationId": organization}))


class ScorecardNodesStream(ListChildStream):
    """One row per section and metric of a scorecard, with its weight and target."""

    name = "scorecard_nodes"
    primary_keys = ("scorecardId", "id")
    selected_by_default = False
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
    def pages(cls, client: ListClient, since: int | None) -> Iterator[Page]:
        """Yield the recordings created since a timestamp, and before `end_date`."""
        bounds = {"dateCreated:gt": None if since is None else since - 1, "dateCreated:lt": client.settings.end}
        query = {name: timestamps.text(moment) for name, moment in bounds.items() if moment is not None}
        return client.pages(cls.path, query, page_size=cls.page_size)

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
LISTS: tuple[type[ListStream], ...] = (
    *(stream for stream in ListStream.__subclasses__() if stream is not UserHostListStream),
    *UserHostListStream.__subclasses__(),
)
"""The lists that are requested, in the order of this module."""
STREAMS: tuple[type[SiroStream], ...] = (
    *RECORDING_STREAMS,
    *(stream for each in LISTS for stream in (each, *each.derived_streams())),
)
"""All streams."""
