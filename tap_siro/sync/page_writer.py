"""Writes the pages of a pass: each recording, cleaned, to the streams that want it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_siro.api.decoding import unpack
from tap_siro.records.cleaning import FieldWarnings
from tap_siro.records.recording import DetailedRecording, RecordingCleaner
from tap_siro.sync.details import Wanted
from tap_siro.sync.reporting import MissingDetails, RecordsWithoutId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tap_siro.api.decoding import Page
    from tap_siro.records.recording import Record
    from tap_siro.singer.writer import RecordWriter, StreamWriter
    from tap_siro.sync.query import Query
    from tap_siro.sync.sent import SentRecordings
    from tap_siro.sync.state import Progress


class PageWriter:
    """Writes the pages of all passes of a run."""

    def __init__(self, writer: RecordWriter) -> None:
        """Prepare for a run.

        Args:
            writer: The selected streams, and where their records go.
        """
        self._writer = writer
        field_warnings = FieldWarnings()
        self._clean = RecordingCleaner(field_warnings.of_stream(keeps_others=writer.keeps_others("recordings")))
        self._details = {stream.detail.stream: stream.detail for stream in writer.streams if stream.detail is not None}
        self._clean_details = {
            name: detail.cleaner(field_warnings.of_stream(keeps_others=writer.keeps_others(name)))
            for name, detail in self._details.items()
        }
        self._without_id = RecordsWithoutId()
        self._missing_details = {name: MissingDetails(name) for name in self._details}

    def faults(self) -> list[str | None]:
        """What could not be loaded, and what to do about it."""
        return [missing.fault() for missing in (self._without_id, *self._missing_details.values())]

    def write(
        self,
        page: Page,
        progress: Mapping[StreamWriter, Progress],
        query: Query,
        sent: SentRecordings,
        max_records: int | None = None,
    ) -> dict[StreamWriter, Progress]:
        """Write a page's records to the streams that want them.

        Args:
            page: The page.
            progress: How far the pass has come for each stream.
            query: What the pass asks for.
            sent: What it has sent already.
            max_records: Records of a stream after which no more are written.

        Returns:
            The progress with what was seen.
        """
        self._writer.write(self._loadable(page, progress, query, sent), max_records)
        return {stream: p.at(None, _newest(page.updated)) for stream, p in progress.items()}

    def wanted_details(
        self, plans: Mapping[StreamWriter, Progress], query: Query, asked: SentRecordings, page: Page
    ) -> Iterator[Wanted]:
        """What to ask for of single recordings of a page. Called in threads.

        A recording that comes again, and is the same, is not asked for again: the position cannot pass it before the
        page that it came with first is written.
        """
        details = [(stream.detail, plan) for stream, plan in plans.items() if stream.detail is not None]
        if not details:
            return
        for index, (record, created, updated) in enumerate(zip(page.records, page.created, page.updated, strict=True)):
            wanted = [detail for detail, plan in details if plan.wants(created, updated)]
            if wanted and query.keeps(created) and isinstance(record, dict) and not asked.is_repeated(record):
                recording = self._clean(record)
                if recording["id"] and self._writer.keeps(recording):
                    yield from (
                        Wanted(index, recording, detail, self._clean_details[detail.stream])
                        for detail in wanted
                        if detail.needed(recording)
                    )

    def _detailed(self, recording: Record, created: int | None, packed: Mapping[str, bytes]) -> Record:
        """A cleaned recording with the records of its details, if it has any."""
        if not packed:
            return recording
        details: dict[str, list[Record]] = {}
        for stream, each in packed.items():
            key, missing = self._details[stream].key, self._missing_details[stream]
            details[stream] = []
            missing.looked_for(gone=not each)
            for record in unpack(each) if each else ():
                if record[key] in {None, ""}:
                    missing.add(record, created)
                else:
                    details[stream].append(record)
        return DetailedRecording(recording, details)

    def _loadable(
        self, page: Page, progress: Mapping[StreamWriter, Progress], query: Query, sent: SentRecordings
    ) -> Iterator[tuple[Record, list[StreamWriter]]]:
        """Clean a page's recordings one by one, each with the streams that want it."""
        alike = query.bounded and len({(p.position, p.since) for p in progress.values()}) == 1
        everybody = list(progress)
        for index, (record, created, updated) in enumerate(zip(page.records, page.created, page.updated, strict=True)):
            wanting = everybody if alike else [o for o, p in progress.items() if p.wants(created, updated)]
            if not wanting or not query.keeps(created):
                continue
            details = page.details.get(index, {})
            if isinstance(record, dict) and sent.is_repeated(record, details):
                continue  # whoever wants it now wanted it then: positions only move on
            if isinstance(record, dict) and (cleaned := self._clean(record))["id"]:
                yield self._detailed(cleaned, created, details), wanting
            else:
                self._without_id.add(record, created)


def _newest(updated: Iterable[int | None]) -> int | None:
    return max((timestamp for timestamp in updated if timestamp is not None), default=None)
