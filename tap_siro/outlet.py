"""Where rows leave the tap: selection, stream maps and flattening, and the lines on stdout.

Rows of streams without stream maps and flattening go straight to the encoder, a page at a time; the others take the
SDK's own path.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from singer_sdk.mapper import CustomStreamMap, SameRecordTransform

from tap_siro import instants
from tap_siro.cleaning import pruner
from tap_siro.errors import TapSiroError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence

    from singer_sdk.mapper import StreamMap
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
        maps: Sequence[StreamMap],
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
            maps: The SDK's stream maps, made for what is selected.
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
        self._maps = maps
        self._prune = pruner(schema, maps[0].raw_schema)
        self._plain = len(maps) == 1 and type(maps[0]) is SameRecordTransform and not maps[0].flattening_enabled

    def messages(self, recording: Row, most_rows: int | None, extracted: str) -> list[Message]:
        """The RECORD messages of a recording."""
        rows = self._make_rows(recording)
        if most_rows is not None:
            rows = rows[: max(0, most_rows - self.rows)]
        self.rows += len(rows)
        if self._prune is not None:
            rows = [self._prune(row) for row in rows]
        if self._plain:
            alias = self._maps[0].stream_alias
            return [{"type": "RECORD", "stream": alias, "record": row, "time_extracted": extracted} for row in rows]
        return [
            {"type": "RECORD", "stream": alias, "record": record, "time_extracted": extracted}
            for row in rows
            for alias, record in self._mapped(row)
        ]

    def _mapped(self, row: Row) -> Iterator[tuple[str, Row]]:
        for stream_map in self._maps:
            with _told_of(stream_map):
                mapped = stream_map.transform(row)
            if mapped is not None:
                # The SDK leaves an object that is null where its flattened columns should be.
                columns = stream_map.transformed_schema["properties"]
                yield stream_map.stream_alias, {name: value for name, value in mapped.items() if name in columns}


@contextmanager
def _told_of(stream_map: StreamMap) -> Iterator[None]:
    """Turn an error in a user's expression into a sentence: its own text may hold what it was about."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the expression is the user's, so anything can happen
        raise TapSiroError(
            f"The stream map of '{stream_map.stream_alias}' fails on a row ({type(error).__name__}). Any column but "
            "the keys can be null, which an expression must allow for: `md5(title) if title else None`."
        ) from None


class Outlets:
    """All selected streams, and the stdout that they share."""

    def __init__(
        self,
        streams: Sequence[Outlet],
        *,
        primary_map: StreamMap | None,
        encode_lines: Callable[[Sequence[Message]], bytes],
        write_lines: Callable[[bytes], None],
        write_state: Callable[[], None],
    ) -> None:
        """Bind streams together.

        Args:
            streams: The streams, `recordings` first.
            primary_map: The stream map of `recordings`: what it filters out has no child rows either.
            encode_lines: Makes lines of messages.
            write_lines: Writes lines to stdout.
            write_state: Writes a STATE message.
        """
        self.streams = streams
        self.write_state = write_state
        self._primary_map = primary_map if isinstance(primary_map, CustomStreamMap) else None
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
            if self._keeps(recording):
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

    def _keeps(self, recording: Row) -> bool:
        if self._primary_map is None:
            return True
        with _told_of(self._primary_map):
            return self._primary_map.get_filter_result(recording)
