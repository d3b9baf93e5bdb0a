"""Writers of messages: selection, stream maps, and the lines on stdout.

Records of streams without stream maps and flattening go straight to the encoder, a page at a time; the others are
handed to the SDK one by one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tap_siro import timestamps
from tap_siro.records.pruning import pruner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence

    from singer_sdk.metrics import Counter

    from tap_siro.records.recording import Record
    from tap_siro.singer.declaration import Declaration

Message = dict[str, Any]

WRITE_BYTES = 128 * 1024
"""Bytes that are written at once."""


class StreamWriter:
    """Writer of one selected stream: its class, its state, and the messages of its records."""

    def __init__(  # noqa: PLR0913 - all of it is what a stream is
        self,
        stream: type[Declaration],
        *,
        flags: frozenset[str],
        selected: Mapping[str, Any],
        aliases: Sequence[str],
        mapped: Callable[[Record], Iterable[tuple[str, Record]]] | None,
        state: MutableMapping[str, Any],
        counter: Counter,
        full_table: bool,
        keeps_others: bool,
    ) -> None:
        """Describe a stream.

        Args:
            stream: Its class.
            flags: The query flags without which it, or what is selected of it, would be empty.
            selected: The schema of what is selected of its records.
            aliases: The stream's names in messages; stream maps can make several of one, or none.
            mapped: Returns what stream maps make of a record, with the names of the streams; None if records are
                written as they are.
            state: Its state, to read and to change.
            counter: Counts its records.
            full_table: The catalog asks for FULL_TABLE replication.
            keeps_others: The column `otherFields` is selected, and left by stream maps.
        """
        self.stream = stream
        self.name = stream.name
        self.keys = tuple[str, ...](stream.primary_keys)
        self.bookmark_column = str(stream.replication_key)
        self.detail = stream.detail
        self.derive = stream.derive
        self.flags = flags
        self.state = state
        self.counter = counter
        self.full_table = full_table
        self.keeps_others = keeps_others
        self.records = 0
        """The number of its records so far, before stream maps."""
        self.aliases = aliases
        self.version: int | None = None
        """The version of the table that RECORD messages name, if they do; a later one replaces it as a whole."""
        self._mapped = mapped
        self._prune = pruner(stream.columns, selected)

    def messages(self, records: Sequence[Record], max_records: int | None, extracted: str) -> list[Message]:
        """Return the RECORD messages of records."""
        if max_records is not None:
            records = records[: max(0, max_records - self.records)]
        self.records += len(records)
        if self._prune is not None:
            records = [self._prune(record) for record in records]
        if self._mapped is None:
            (alias,) = self.aliases
            messages: list[Message] = [
                {"type": "RECORD", "stream": alias, "record": record, "time_extracted": extracted} for record in records
            ]
        else:
            messages = [
                {"type": "RECORD", "stream": alias, "record": record, "time_extracted": extracted}
                for record in records
                for alias, record in self._mapped(record)
            ]
        if self.version is not None:
            for message in messages:
                message["version"] = self.version
        return messages


class RecordWriter:
    """Writer of all selected streams to one stdout."""

    def __init__(  # noqa: PLR0913 - streams, and the ways out
        self,
        streams: Sequence[StreamWriter],
        *,
        keeps: Callable[[Record], bool] | None,
        encode_lines: Callable[[Sequence[Message]], bytes],
        write_lines: Callable[[bytes], None],
        write_state: Callable[[], None],
        write_to_files: Callable[[Sequence[Message]], None] | None = None,
        versioned: bool = True,
    ) -> None:
        """Combine streams.

        Args:
            streams: The streams, `recordings` first.
            keeps: Whether a recording is written; one that is filtered out has no child records either. None: all are.
            encode_lines: Makes lines of messages.
            write_lines: Writes lines to stdout.
            write_state: Writes a STATE message.
            write_to_files: Writes the records of RECORD messages into files in their place, if there is `batch_config`.
            versioned: Whether records may name a version, to be activated later.
        """
        self.streams = streams
        self.versioned = versioned
        self.write_state = write_state
        self._keeps = keeps
        self._encode_lines = encode_lines
        self._write_lines = write_lines
        self._write_to_files = write_to_files

    @property
    def in_files(self) -> bool:
        """True if records go into files, which each STATE completes, however small they are."""
        return self._write_to_files is not None

    def keeps(self, recording: Record) -> bool:
        """Return True if a recording and its child records are written."""
        return self._keeps is None or self._keeps(recording)

    def activate_versions(self, streams: Iterable[StreamWriter]) -> None:
        """Write ACTIVATE_VERSION messages, after which a target deletes the streams' rows of earlier versions."""
        self._write_lines(
            self._encode_lines(
                [
                    {"type": "ACTIVATE_VERSION", "stream": alias, "version": stream.version}
                    for stream in streams
                    for alias in stream.aliases
                ]
            )
        )

    def write(
        self, groups: Iterable[Iterable[tuple[StreamWriter, Sequence[Record]]]], max_records: int | None = None
    ) -> None:
        """Write records.

        Args:
            groups: For each source record, the streams and their records of it.
            max_records: Records of a stream after which no more are written.
        """
        extracted = timestamps.text(timestamps.of(datetime.now(UTC)))
        before = [stream.records for stream in self.streams]
        # Encoded one by one: a whole page of messages keeps the garbage collector busy. Written in larger pieces:
        # each lets another thread in.
        pieces: list[bytes] = []
        size = 0
        for group in groups:
            messages: list[Message] = []
            for stream, records in group:
                messages += stream.messages(records, max_records, extracted)
            if self._write_to_files is not None:
                self._write_to_files(messages)
                continue
            pieces.append(self._encode_lines(messages))
            size += len(pieces[-1])
            if size > WRITE_BYTES:
                self._write_lines(b"".join(pieces))
                pieces, size = [], 0
        self._write_lines(b"".join(pieces))
        for stream, records_before in zip(self.streams, before, strict=True):
            if stream.records != records_before:
                stream.counter.increment(stream.records - records_before)
