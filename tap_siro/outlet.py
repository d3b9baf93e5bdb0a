"""Where rows leave the tap: selection, and the lines on stdout.

Rows of streams without stream maps and flattening go straight to the encoder, a page at a time; the others are handed
to the SDK one by one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tap_siro import instants
from tap_siro.cleaning import pruner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence

    from singer_sdk.metrics import Counter

    from tap_siro.rows import Row

Message = dict[str, Any]

PIECE = 128 * 1024
"""Bytes that are written at once."""


class Outlet:
    """One selected stream: makes its rows of a recording, and its messages of them."""

    def __init__(  # noqa: PLR0913 - all of it is what a stream is
        self,
        name: str,
        *,
        bookmark_column: str,
        flags: frozenset[str],
        make_rows: Callable[[Row], list[Row]],
        schema: Mapping[str, Any],
        selected: Mapping[str, Any],
        alias: str,
        mapped: Callable[[Row], Iterable[tuple[str, Row]]] | None,
        state: MutableMapping[str, Any],
        counter: Counter,
        full_table: bool,
    ) -> None:
        """Describe a stream.

        Args:
            name: Its name.
            bookmark_column: Its replication key.
            flags: The query flags without which it, or what is selected of it, would be empty.
            make_rows: Makes its rows of a cleaned recording.
            schema: Fits those rows.
            selected: The schema of what is selected of them.
            alias: The stream's name in messages.
            mapped: Makes rows, each with a stream's name, of one; None if the stream's rows are written as they are.
            state: Its state, to read and to change.
            counter: Counts its rows.
            full_table: Whether the catalog asks for FULL_TABLE replication.
        """
        self.name = name
        self.bookmark_column = bookmark_column
        self.flags = flags
        self.state = state
        self.counter = counter
        self.full_table = full_table
        self.rows = 0
        self._make_rows = make_rows
        self._alias = alias
        self._mapped = mapped
        self._prune = pruner(schema, selected)

    def messages(self, recording: Row, most_rows: int | None, extracted: str) -> list[Message]:
        """The RECORD messages of a recording."""
        rows = self._make_rows(recording)
        if most_rows is not None:
            rows = rows[: max(0, most_rows - self.rows)]
        self.rows += len(rows)
        if self._prune is not None:
            rows = [self._prune(row) for row in rows]
        if self._mapped is None:
            alias = self._alias
            return [{"type": "RECORD", "stream": alias, "record": row, "time_extracted": extracted} for row in rows]
        return [
            {"type": "RECORD", "stream": alias, "record": record, "time_extracted": extracted}
            for row in rows
            for alias, record in self._mapped(row)
        ]


class Outlets:
    """All selected streams, and the stdout that they share."""

    def __init__(
        self,
        streams: Sequence[Outlet],
        *,
        keeps: Callable[[Row], bool] | None,
        encode_lines: Callable[[Sequence[Message]], bytes],
        write_lines: Callable[[bytes], None],
        write_state: Callable[[], None],
    ) -> None:
        """Bind streams together.

        Args:
            streams: The streams, `recordings` first.
            keeps: Whether a recording is written; one that is filtered out has no child rows either. None: all are.
            encode_lines: Makes lines of messages.
            write_lines: Writes lines to stdout.
            write_state: Writes a STATE message.
        """
        self.streams = streams
        self.write_state = write_state
        self._keeps = keeps
        self._encode_lines = encode_lines
        self._write_lines = write_lines

    def write(self, recordings: Iterable[tuple[Row, Iterable[Outlet]]], most_rows: int | None = None) -> None:
        """Write recordings and what is cut from them.

        Args:
            recordings: Cleaned recordings, each with the streams that want it.
            most_rows: Rows of a stream after which no more are written.
        """
        extracted = instants.text(instants.of(datetime.now(UTC)))
        before = [outlet.rows for outlet in self.streams]
        # Encoded one by one: a whole page of messages keeps the garbage collector busy. Written in larger pieces:
        # each lets another thread in.
        pieces: list[bytes] = []
        size = 0
        for recording, takers in recordings:
            if self._keeps is None or self._keeps(recording):
                messages: list[Message] = []
                for outlet in takers:
                    messages += outlet.messages(recording, most_rows, extracted)
                pieces.append(self._encode_lines(messages))
                size += len(pieces[-1])
                if size > PIECE:
                    self._write_lines(b"".join(pieces))
                    pieces, size = [], 0
        self._write_lines(b"".join(pieces))
        for outlet, rows in zip(self.streams, before, strict=True):
            if outlet.rows != rows:
                outlet.counter.increment(outlet.rows - rows)
