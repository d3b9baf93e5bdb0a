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


class Outlet:
    """One selected stream: makes its rows of a recording, and its messages of them."""

    def __init__(  # noqa: PLR0913 - all of it is what a stream is
        self,
        name: str,
        *,
        bookmark_column: str,
        flags: frozenset[str],
        make_rows: Callable[[Row], Iterable[Row]],
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

    def messages(self, recording: Row, most_rows: int | None, extracted: str) -> Iterator[Message]:
        """The RECORD messages of a recording."""
        for whole_row in self._make_rows(recording):
            if most_rows is not None and self.rows >= most_rows:
                return
            self.rows += 1
            row = whole_row if self._prune is None else self._prune(whole_row)
            for alias, record in self._mapped(row):
                yield {"type": "RECORD", "stream": alias, "record": record, "time_extracted": extracted}

    def _mapped(self, row: Row) -> Iterator[tuple[str, Row]]:
        if self._plain:
            yield self._maps[0].stream_alias, row
            return
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
        write_lines: Callable[[Sequence[Message]], None],
        write_state: Callable[[], None],
    ) -> None:
        """Bind streams together.

        Args:
            streams: The streams, `recordings` first.
            primary_map: The stream map of `recordings`: what it filters out has no child rows either.
            write_lines: Writes messages to stdout, whole lines only.
            write_state: Writes a STATE message.
        """
        self.streams = streams
        self.write_state = write_state
        self._primary_map = primary_map if isinstance(primary_map, CustomStreamMap) else None
        self._write_lines = write_lines

    def write(self, recordings: Iterable[tuple[Row, Iterable[Outlet]]], most_rows: int | None = None) -> None:
        """Write recordings and what is cut from them.

        Args:
            recordings: Cleaned recordings, each with the streams that want it.
            most_rows: Rows of a stream after which no more are written.
        """
        extracted = instants.text(instants.of(datetime.now(UTC)))
        before = [outlet.rows for outlet in self.streams]
        messages: list[Message] = []
        for recording, takers in recordings:
            if self._keeps(recording):
                for outlet in takers:
                    messages.extend(outlet.messages(recording, most_rows, extracted))
        self._write_lines(messages)
        for outlet, rows in zip(self.streams, before, strict=True):
            if outlet.rows != rows:
                outlet.counter.increment(outlet.rows - rows)

    def _keeps(self, recording: Row) -> bool:
        if self._primary_map is None:
            return True
        with _told_of(self._primary_map):
            return self._primary_map.get_filter_result(recording)
