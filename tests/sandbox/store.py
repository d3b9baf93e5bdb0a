"""The recordings of the sandbox, ready to be filtered, sorted and served.

Recordings are kept as the JSON text that is served, divided into the core fields and the properties that flags
add. So a page is a join of bytes, whatever its flags, and a large data set needs little memory.
"""

from __future__ import annotations

import base64
import json
from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from dataclasses import dataclass
from operator import attrgetter
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from tests.sandbox import timestamps
from tests.sandbox.query import BLOCKS, EARLIEST, STATUSES, BadRequestError, Filter, Query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Recording: TypeAlias = dict[str, Any]
Key: TypeAlias = tuple[int, str]
Index: TypeAlias = list[Key]

_CACHED_FILTERS = 64
_KEY = attrgetter("key")
_SCORE = BLOCKS.index("evaluationScore")
_NO_SCORE = b'"evaluationScore":null'
CURSORS = ("place", "count")
# Each key ends with the recording's name, so that the order is total.
ORDERS: dict[str, Callable[[int, int], int]] = {
    "newest_created": lambda created, updated: -created,
    "oldest_updated": lambda created, updated: updated,
    "newest_updated": lambda created, updated: -updated,
    "id": lambda created, updated: 0,
}


def encode(value: object) -> bytes:
    """Return compact JSON."""
    try:
        return msgspec.json.encode(value)
    except (UnicodeEncodeError, OverflowError):
        # Lone surrogates and huge integers: the standard library writes them.
        return json.dumps(value, separators=(",", ":")).encode()


@dataclass(eq=False)
class Entry:
    """One recording."""

    name: str
    created: int
    updated: int
    statuses: tuple[bool, ...]
    key: Key
    core: bytes
    blocks: tuple[bytes, ...]

    def text(self, blocks: Iterable[int], *, scored: bool = True) -> bytes:
        """Return the recording with the given properties as JSON; if not `scored`, with null for a score."""
        parts = [self.core]
        for number in blocks:
            block = self.blocks[number]
            parts.append(_NO_SCORE if block and number == _SCORE and not scored else block)
        return b"{" + b",".join(filter(None, parts)) + b"}"

    def matches(self, wanted: Filter) -> bool:
        """Return True if the recording passes a filter. Without a date, it passes all ranges of that date."""
        return (
            (self.created == EARLIEST or wanted.created_from <= self.created < wanted.created_to)
            and (self.updated == EARLIEST or wanted.updated_from <= self.updated < wanted.updated_to)
            and all(flag is None or flag == done for flag, done in zip(wanted.statuses, self.statuses, strict=True))
        )


@dataclass(frozen=True)
class Page:
    """Response to one request."""

    rows: list[bytes]
    cursor: str | None

    @property
    def body(self) -> bytes:
        """Return the page as JSON."""
        return b'{"data":[' + b",".join(self.rows) + b'],"cursor":' + encode(self.cursor) + b"}"


class Store:
    """All recordings, in order. All methods are thread-safe."""

    def __init__(self, recordings: Iterable[Recording], *, order: str, cursor: str, last_page_cursor: bool) -> None:
        """Copy the recordings."""
        if order not in ORDERS:
            raise ValueError(f"order must be one of {', '.join(ORDERS)}")
        if cursor not in CURSORS:
            raise ValueError(f"cursor must be one of {', '.join(CURSORS)}")
        self._rank = ORDERS[order]
        self._counting = cursor == "count"
        self._last_page_cursor = last_page_cursor
        self._lock = RLock()
        self._serial = 0
        self._entries: dict[str, Entry] = {}
        self._selected: OrderedDict[Filter, list[Entry]] = OrderedDict()
        for recording in recordings:
            self._keep(self._entry(recording))
        self._by_created: Index = sorted((entry.created, entry.name) for entry in self._entries.values())
        self._by_updated: Index = sorted((entry.updated, entry.name) for entry in self._entries.values())

    def snapshot(self) -> list[Recording]:
        """Return copies of all recordings."""
        with self._lock:
            return [_decode(entry) for entry in self._entries.values()]

    def add(self, recording: Recording) -> None:
        """Add a recording."""
        with self._lock:
            entry = self._entry(recording)
            self._keep(entry)
            insort(self._by_created, (entry.created, entry.name))
            insort(self._by_updated, (entry.updated, entry.name))

    def remove(self, name: str) -> None:
        """Remove the recording with this id."""
        with self._lock:
            entry = self._entries.pop(name)
            _discard(self._by_created, (entry.created, name))
            _discard(self._by_updated, (entry.updated, name))
            self._selected.clear()

    def update(self, name: str, changes: Recording) -> Recording:
        """Change fields of the recording with this id, and return it."""
        with self._lock:
            changed = _decode(self._entries[name]) | changes
            self.remove(name)
            self.add(changed)
            return changed

    def get(self, name: str) -> Recording | None:
        """Return a copy of the recording with this id, if there is one."""
        with self._lock:
            entry = self._entries.get(name)
        return None if entry is None else _decode(entry)

    def page(self, query: Query, *, scored: bool = True) -> Page:
        """Answer a query from the current recordings."""
        with self._lock:
            rows = self._select(query.filter)
            start = 0 if query.cursor is None else self._start(rows, query.cursor)
            end = start + query.page_size
            served = rows[start:end]
            more = end < len(rows) or (self._last_page_cursor and bool(served))
            cursor = self._cursor(served[-1], start + len(served)) if more else None
        return Page([entry.text(query.blocks, scored=scored) for entry in served], cursor)

    def _select(self, wanted: Filter) -> list[Entry]:
        rows = self._selected.get(wanted)
        if rows is not None:
            self._selected.move_to_end(wanted)
            return rows
        created = _between(self._by_created, wanted.created_from, wanted.created_to)
        updated = _between(self._by_updated, wanted.updated_from, wanted.updated_to)
        names = created if len(created) <= len(updated) else updated
        found = (self._entries[name] for _, name in names)
        rows = sorted((entry for entry in found if entry.matches(wanted)), key=_KEY)
        self._selected[wanted] = rows
        if len(self._selected) > _CACHED_FILTERS:
            self._selected.popitem(last=False)
        return rows

    def _cursor(self, last: Entry, served: int) -> str:
        place = ["count", served] if self._counting else ["place", *last.key]
        return base64.urlsafe_b64encode(encode(place)).decode()

    def _start(self, rows: list[Entry], cursor: str) -> int:
        try:
            place = json.loads(base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True))
        except ValueError as error:
            raise BadRequestError("malformed cursor") from error
        match place:
            case ["count", int(served)] if self._counting and served >= 0:
                return served
            case ["place", int(rank), str(name)] if not self._counting:
                return bisect_right(rows, (rank, name), key=_KEY)
        raise BadRequestError("malformed cursor")

    def _entry(self, recording: Recording) -> Entry:
        self._serial += 1
        given = recording.get("id")
        # Recordings without a string id are served too, so they need a name.
        name = given if isinstance(given, str) else f"\x00{self._serial:09d}"
        created, updated = (_ms_or_earliest(recording.get(field)) for field in ("createdAt", "updatedAt"))
        core = encode({field: value for field, value in recording.items() if field not in BLOCKS})
        return Entry(
            name=name,
            created=created,
            updated=updated,
            statuses=tuple(recording.get(field) is True for field in STATUSES),
            key=(self._rank(created, updated), name),
            core=core[1:-1],
            blocks=tuple(encode({block: recording[block]})[1:-1] if block in recording else b"" for block in BLOCKS),
        )

    def _keep(self, entry: Entry) -> None:
        if entry.name in self._entries:
            raise ValueError(f"there is a recording with the id {entry.name} already")
        self._entries[entry.name] = entry
        self._selected.clear()


def _ms_or_earliest(value: object) -> int:
    ms = timestamps.parse(value)
    return EARLIEST if ms is None else ms


def _decode(entry: Entry) -> Recording:
    recording: Recording = json.loads(entry.text(range(len(BLOCKS))))
    return recording


def _between(index: Index, start: int, end: int) -> Index:
    """Return the part of an index in a range, and the entries without a date, which match any range."""
    undated = bisect_left(index, (EARLIEST + 1, ""))
    return index[:undated] + index[max(undated, bisect_left(index, (start, ""))) : bisect_left(index, (end, ""))]


def _discard(index: Index, key: Key) -> None:
    del index[bisect_left(index, key)]
