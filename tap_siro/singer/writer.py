"""Writers of messages: selection, stream maps, and the lines on stdout.

Records of streams without stream maps and flattening go straight to the encoder, a page at a time; the others are
handed to the SDK one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(eq=False)
class StreamWriter:
    """Writer of one selected stream: its class, its state, and the messages of its records."""

    stream: type[Declaration]
    flags: frozenset[str]
    """The query flags without which it, or what is selected of it, would be empty."""
    selected: Mapping[str, Any]
    """The schema of what is selected of its records."""
    aliases: Sequence[str]
    """The stream's names in messages; stream maps can make several of one, or none."""
    mapped: Callable[[Record], Iterable[tuple[str, Record]]] | None
    """Returns what stream maps make of a record, by alias; None if records are written as they are."""
    state: MutableMapping[str, Any]
    """To read and to change."""
    counter: Counter
    full_table: bool
    """The catalog asks for FULL_TABLE replication."""
    keeps_others: bool
    """The column `otherFields` is selected, and left by stream maps."""
    records: int = 0
    """The number of its records so far, before stream maps."""
    version: int | None = None
    """The version of the table that RECORD messages name, if they do; a later one replaces it as a whole."""

    def __post_init__(self) -> None:
        """Read the class."""
        self.name = self.stream.name
        self.keys = tuple[str, ...](self.stream.primary_keys)
        self.bookmark_column = str(self.stream.replication_key)
        self.detail = self.stream.detail
        self.derive = self.stream.derive
        self._prune = pruner(self.stream.columns, self.selected)

    def messages(self, records: Sequence[Record], max_records: int | None, extracted: str) -> list[Message]:
        """Return the RECORD messages of records."""
        if max_records is not None:
            records = records[: max(0, max_records - self.records)]
        self.records += len(records)
        if self._prune is not None:
            records = [self._prune(record) for record in records]
        if self.mapped is None:
            (alias,) = self.aliases
            messages: list[Message] = [
                {"type": "RECORD", "stream": alias, "record": record, "time_extracted": extracted} for record in records
            ]
        else:
            messages = [
                {"type": "RECORD", "stream": alias, "record": record, "time_extracted": extracted}
                for record in records
                for alias, record in self.mapped(record)
            ]
        if self.version is not None:
            for message in messages:
                message["version"] = self.version
        return messages


@dataclass(eq=False)
class RecordWriter:
    """Writer of all selected streams of a source to stdout."""

    streams: Sequence[StreamWriter]
    """The streams, records before those derived from them."""
    passes: Callable[[Record], bool] | None
    """Returns False for a record that is filtered out, with its child records; None: all are written."""
    encode_lines: Callable[[Sequence[Message]], bytes]
    write_lines: Callable[[bytes], None]
    write_state: Callable[[], None]
    """Writes a STATE message."""
    write_to_files: Callable[[Sequence[Message]], None] | None = None
    """Writes the records of RECORD messages into files in their place, if there is `batch_config`."""
    versioned: bool = True
    """Records may name a version, to be activated later."""

    @property
    def in_files(self) -> bool:
        """True if records go into files, which each STATE completes, however small they are."""
        return self.write_to_files is not None

    def keeps(self, recording: Record) -> bool:
        """Return True if a recording and its child records are written."""
        return self.passes is None or self.passes(recording)

    def activate_versions(self, streams: Iterable[StreamWriter]) -> None:
        """Write ACTIVATE_VERSION messages, after which a target deletes the streams' rows of earlier versions."""
        self.write_lines(
            self.encode_lines(
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
            if self.write_to_files is not None:
                self.write_to_files(messages)
                continue
            pieces.append(self.encode_lines(messages))
            size += len(pieces[-1])
            if size > WRITE_BYTES:
                self.write_lines(b"".join(pieces))
                pieces, size = [], 0
        self.write_lines(b"".join(pieces))
        for stream, records_before in zip(self.streams, before, strict=True):
            if stream.records != records_before:
                stream.counter.increment(stream.records - records_before)
