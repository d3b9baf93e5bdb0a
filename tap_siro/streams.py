"""The streams: `recordings`, child streams that are cut from its pages, and details asked for one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tap_siro.records import children, detail_schemas, schemas
from tap_siro.records.recording import DetailedRecording
from tap_siro.singer.sdk import SiroStream
from tap_siro.sync import details

if TYPE_CHECKING:
    from tap_siro.records.recording import Record


class RecordingsStream(SiroStream):
    """One row per recording, with links, summary, values and follow-ups nested as the API returns them."""

    name = "recordings"
    primary_keys = ("id",)
    replication_key = "updatedAt"
    schema = schemas.RECORDINGS

    def make_records(self, recording: Record) -> list[Record]:
        """The recording itself."""
        return [recording]


class ChildStream(SiroStream):
    """Rows derived from the pages of `recordings`, at no extra request."""

    parent_stream_type = RecordingsStream
    replication_key = "recordingUpdatedAt"
    cut: ClassVar[staticmethod[[Record], list[Record]]]
    """Makes the stream's records of a recording."""

    def make_records(self, recording: Record) -> list[Record]:
        """The stream's records of a cleaned recording."""
        return self.cut(recording)


class CrmLinksStream(ChildStream):
    """One row per CRM record linked to a recording."""

    name = "recording_crm_links"
    primary_keys = ("recordingId", "objectType", "ordinal")
    schema = schemas.CRM_LINKS
    block = "crm"
    cut = staticmethod(children.crm_links)


class SummarySectionsStream(ChildStream):
    """One row per section of an AI summary."""

    name = "recording_summary_sections"
    primary_keys = ("recordingId", "ordinal")
    schema = schemas.SUMMARY_SECTIONS
    block = "summary"
    cut = staticmethod(children.summary_sections)


class EntityExtractionsStream(ChildStream):
    """One row per value extracted from a recording."""

    name = "recording_entity_extractions"
    primary_keys = ("recordingId", "ordinal")
    schema = schemas.ENTITY_EXTRACTIONS
    block = "entityExtractions"
    cut = staticmethod(children.entity_extractions)


class EntityMappingsStream(ChildStream):
    """One row per CRM field that an extracted value belongs in."""

    name = "recording_entity_mappings"
    primary_keys = ("recordingId", "extractionOrdinal", "ordinal")
    schema = schemas.ENTITY_MAPPINGS
    block = "entityExtractions"
    cut = staticmethod(children.entity_mappings)


class FollowupsStream(ChildStream):
    """One row per follow-up of a recording: its id and score."""

    name = "recording_followups"
    primary_keys = ("recordingId", "ordinal")
    schema = schemas.FOLLOWUPS
    block = "followups"
    cut = staticmethod(children.followups)


class DetailStream(SiroStream):
    """Rows that take one request per recording, made while its page is in hand."""

    parent_stream_type = RecordingsStream
    replication_key = "recordingUpdatedAt"
    selected_by_default = False

    def make_records(self, recording: Record) -> list[Record]:
        """The stream's records of a cleaned recording."""
        return recording.details.get(self.name, []) if isinstance(recording, DetailedRecording) else []


class FullFollowupsStream(DetailStream):
    """One row per follow-up in full: action, reasons and history. Takes one request per recording."""

    name = "followups"
    primary_keys = ("followupId",)
    schema = detail_schemas.FOLLOWUPS
    block = "followups"
    detail = details.FOLLOWUPS


class UtterancesStream(DetailStream):
    """One row per utterance: **the transcript, word for word**. Takes one request per recording."""

    name = "recording_utterances"
    primary_keys = ("recordingId", "ordinal")
    schema = detail_schemas.UTTERANCES
    detail = details.UTTERANCES


STREAMS: tuple[type[SiroStream], ...] = (
    RecordingsStream,
    *ChildStream.__subclasses__(),
    *DetailStream.__subclasses__(),
)
"""All of them, in the order of this module."""
