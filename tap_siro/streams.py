"""The streams: `recordings`, child streams that are cut from its pages, and details asked for one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tap_siro.records import children
from tap_siro.records.recording import DetailedRecording
from tap_siro.schemas import details as detail_columns
from tap_siro.schemas import recordings
from tap_siro.singer.sdk import SiroStream
from tap_siro.sync import details

if TYPE_CHECKING:
    from tap_siro.records.recording import Record


class RecordingsStream(SiroStream):
    """One row for each recording, with what belongs to it nested as the API returns it."""

    name = "recordings"
    primary_keys = ("id",)
    replication_key = "updatedAt"
    columns = recordings.RECORDINGS

    def make_records(self, recording: Record) -> list[Record]:
        """The recording itself."""
        return [recording]


class ChildStream(SiroStream):
    """Rows cut from a recording's page: a request of their own is never made for them."""

    parent_stream_type = RecordingsStream
    replication_key = "recordingUpdatedAt"
    cut: ClassVar[staticmethod[[Record], list[Record]]]
    """Makes the stream's records of a recording."""

    def make_records(self, recording: Record) -> list[Record]:
        """The stream's records of a cleaned recording."""
        return self.cut(recording)


class CrmLinksStream(ChildStream):
    """One row for each CRM record that a recording is linked to."""

    name = "recording_crm_links"
    primary_keys = ("recordingId", "objectType", "ordinal")
    columns = recordings.CRM_LINKS
    block = "crm"
    cut = staticmethod(children.crm_links)


class SummarySectionsStream(ChildStream):
    """One row for each section of a recording's AI summary."""

    name = "recording_summary_sections"
    primary_keys = ("recordingId", "ordinal")
    columns = recordings.SUMMARY_SECTIONS
    block = "summary"
    cut = staticmethod(children.summary_sections)


class EntityExtractionsStream(ChildStream):
    """One row for each value extracted from a recording."""

    name = "recording_entity_extractions"
    primary_keys = ("recordingId", "ordinal")
    columns = recordings.ENTITY_EXTRACTIONS
    block = "entityExtractions"
    cut = staticmethod(children.entity_extractions)


class EntityMappingsStream(ChildStream):
    """One row for each CRM field that an extracted value maps to."""

    name = "recording_entity_mappings"
    primary_keys = ("recordingId", "extractionOrdinal", "ordinal")
    columns = recordings.ENTITY_MAPPINGS
    block = "entityExtractions"
    cut = staticmethod(children.entity_mappings)


class FollowupsStream(ChildStream):
    """One row for each follow-up of a recording."""

    name = "recording_followups"
    primary_keys = ("recordingId", "ordinal")
    columns = recordings.FOLLOWUPS
    block = "followups"
    cut = staticmethod(children.followups)


class DetailStream(SiroStream):
    """Rows that take a request for each recording, as part of the recordings' pass."""

    parent_stream_type = RecordingsStream
    replication_key = "recordingUpdatedAt"
    selected_by_default = False

    def make_records(self, recording: Record) -> list[Record]:
        """The stream's records of a cleaned recording."""
        return recording.details.get(self.name, []) if isinstance(recording, DetailedRecording) else []


class FollowupDetailsStream(DetailStream):
    """One row for each follow-up in full: what to do, why, and what became of it. A request for each recording."""

    name = "recording_followup_details"
    primary_keys = ("followupId",)
    columns = detail_columns.FOLLOWUPS
    block = "followups"
    detail = details.FOLLOWUPS


class UtterancesStream(DetailStream):
    """One row for each utterance: **what was said, word by word**. A request for each recording."""

    name = "recording_utterances"
    primary_keys = ("recordingId", "ordinal")
    columns = detail_columns.UTTERANCES
    detail = details.UTTERANCES


STREAMS: tuple[type[SiroStream], ...] = (
    RecordingsStream,
    *ChildStream.__subclasses__(),
    *DetailStream.__subclasses__(),
)
"""All of them, in the order of this module."""
