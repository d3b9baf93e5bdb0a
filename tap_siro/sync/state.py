"""What a stream's state says, and which pass follows from it. Pure: no clock, no network.

A stream has a *bookmark*: all that was updated up to it has been written. While a pass is open it has a *position*
too: of what the pass reads, all that was created before it has been written. A position outranks a bookmark, because
Meltano merges states and never deletes from them: after an interrupted `--full-refresh` both are there.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tap_siro import timestamps

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from tap_siro.settings import Settings

BOOKMARK = "replication_key_value"
LOWER_BOUNDS, UPPER_BOUNDS = {"createdAt:gt"}, {"createdAt:lt", "updatedAt:lt"}
RECHECKED_ON = "rechecked_on"
POSITION, SINCE, AS_OF, MAX_SEEN, QUERY = "pass_position", "pass_since", "pass_as_of", "pass_max_seen", "pass_query"


class Kind(enum.Enum):
    """Why a stream is read."""

    POLL = "poll"
    """It has a bookmark: what was updated since."""
    HISTORY = "history"
    """It has none yet: everything, or everything since `start_date`."""
    FULL_TABLE = "full table"
    """The catalog says so: everything, in each run, without a bookmark."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pass has come for one stream. Timestamps in milliseconds."""

    kind: Kind
    since: int | None
    """Records updated before it are not for this stream."""
    query: str
    """The kind, the range and the filters, as text: see `describe`."""
    position: int | None = None
    """Records created before it have been written."""
    as_of: int | None = None
    """The moment the pass began; None: it has not."""
    max_seen: int | None = None
    """The largest `updatedAt` so far."""
    resumed: bool = False
    """It was begun in an earlier run."""

    def wants(self, created: int | None, updated: int | None) -> bool:
        """Whether a record is one that the stream still needs. Records of unknown age are."""
        if self.position is not None and created is not None and created < self.position:
            return False
        return self.since is None or updated is None or updated >= self.since

    def begun(self, moment: int) -> Progress:
        """The same, begun at a moment if it was not yet."""
        return self if self.as_of is not None else replace(self, as_of=moment)

    def at(self, position: int | None, max_seen: int | None) -> Progress:
        """The same, further on. Neither value goes back."""
        return replace(
            self, position=_latest(self.position, position), max_seen=_latest(self.max_seen, max_seen)
        )  # fmt: skip

    def bookmark(self, before: int | None, end: int | None) -> int | None:
        """The bookmark when the pass is over: what was seen, but nothing later than its beginning or the end date."""
        if self.max_seen is None or self.as_of is None:
            return before
        seen = min(self.max_seen, self.as_of)
        return _latest(before, seen if end is None else min(seen, end))


def _latest(*timestamps_: int | None) -> int | None:
    return max((timestamp for timestamp in timestamps_ if timestamp is not None), default=None)


def read_bookmark(state: Mapping[str, Any]) -> int | None:
    """The bookmark in a stream's state; None if there is none, or none that can be read."""
    return timestamps.parse(state.get(BOOKMARK))


def write_end(state: MutableMapping[str, Any], replication_key: str, progress: Progress, settings: Settings) -> None:
    """Close a pass that has read everything: move the bookmark, and keep the day if it was a recheck."""
    before = read_bookmark(state)
    if progress.as_of is not None and _is_recheck(progress, before, settings):
        # The day on which it was begun: what Siro finished later has not been looked for.
        state[RECHECKED_ON] = _day(progress.as_of)
    bookmark = progress.bookmark(before, settings.end)
    if bookmark is not None:
        state["replication_key"] = replication_key
        state[BOOKMARK] = timestamps.text(bookmark)
    state.update(dict.fromkeys((POSITION, SINCE, AS_OF, MAX_SEEN, QUERY)))


def has_open_history(state: Mapping[str, Any]) -> bool:
    """Whether a history was begun and not ended: it outranks the bookmark."""
    opened = _opened(state)
    return opened is not None and opened.kind is Kind.HISTORY


def write_progress(state: MutableMapping[str, Any], replication_key: str, progress: Progress) -> None:
    """Write an open pass into a stream's state; all of it, or the target's merge would mix two passes."""
    state["replication_key"] = replication_key
    for name, timestamp in (
        (POSITION, progress.position),
        (SINCE, progress.since),
        (AS_OF, progress.as_of),
        (MAX_SEEN, progress.max_seen),
    ):
        state[name] = None if timestamp is None else timestamps.text(timestamp)
    state[QUERY] = progress.query


def next_pass(state: Mapping[str, Any], settings: Settings, *, now: int, full_table: bool = False) -> Progress:
    """What a stream needs next.

    Args:
        state: The stream's state.
        settings: The tap's settings.
        now: The present moment.
        full_table: The catalog asks for FULL_TABLE replication.

    Returns:
        The pass that was interrupted, if it still asks for what is wanted now; otherwise a new one.
    """
    if full_table:
        return Progress(Kind.FULL_TABLE, None, describe(Kind.FULL_TABLE, settings))
    bookmark = read_bookmark(state)
    opened = _opened(state)
    kind = Kind.HISTORY if bookmark is None or (opened and opened.kind is Kind.HISTORY) else Kind.POLL
    wanted = Progress(kind, _since(kind, state, settings, now), describe(kind, settings))
    if opened and _lies_within(wanted.query, opened.query) and _not_later(opened.since, wanted.since):
        # From here on it reads what is wanted now, and that may be less.
        return replace(opened, query=wanted.query)
    return wanted


def follow_up(state: Mapping[str, Any], settings: Settings, *, now: int) -> Progress:
    """A poll right after a pass that took its time, for what was updated meanwhile."""
    return Progress(Kind.POLL, _since(Kind.POLL, state, settings, now), describe(Kind.POLL, settings))


def describe(kind: Kind, settings: Settings) -> str:
    """What a pass asks for, as text: its kind, a question mark and the parameters."""
    return f"{kind.value}?{settings.describe_range()}"


def _lies_within(wanted: str, begun: str) -> bool:
    """Whether a pass reads all that is wanted: of the same kind, with the same filters, and in a range not narrower."""
    (kind, ours), (other_kind, theirs) = _parsed(wanted), _parsed(begun)
    for name in LOWER_BOUNDS | UPPER_BOUNDS:
        bound, limit = ours.pop(name, None), theirs.pop(name, None)
        if limit is None:
            continue
        # As text, because all dates have the same form.
        if bound is None or (bound < limit if name in LOWER_BOUNDS else bound > limit):
            return False
    return (kind, ours) == (other_kind, theirs)


def _parsed(query: str) -> tuple[str, dict[str, str]]:
    kind, _, parameters = query.partition("?")
    pairs = (each.partition("=") for each in parameters.split("&") if each)
    return kind, {name: value for name, _, value in pairs}


def _since(kind: Kind, state: Mapping[str, Any], settings: Settings, now: int) -> int | None:
    bookmark = read_bookmark(state)
    if kind is Kind.HISTORY or bookmark is None:
        return settings.start
    back = settings.lookback
    if state.get(RECHECKED_ON) != _day(now):
        back = max(back, settings.daily_recheck)
    return max(0, bookmark - back)


def _is_recheck(progress: Progress, bookmark: int | None, settings: Settings) -> bool:
    """Whether a pass has read all that a recheck reads."""
    if progress.kind is Kind.HISTORY or progress.since is None or bookmark is None:
        return True
    return settings.daily_recheck > 0 and progress.since <= max(0, bookmark - settings.daily_recheck)


def _day(timestamp: int) -> str:
    """The UTC day, as `YYYY-MM-DD`."""
    return timestamps.text(timestamp)[:10]


def _not_later(since: int | None, wanted: int | None) -> bool:
    return since is None or (wanted is not None and since <= wanted)


def _opened(state: Mapping[str, Any]) -> Progress | None:
    query, as_of = state.get(QUERY), timestamps.parse(state.get(AS_OF))
    if not isinstance(query, str) or as_of is None:
        return None
    kind = Kind.POLL if query.startswith(Kind.POLL.value) else Kind.HISTORY
    return Progress(
        kind,
        timestamps.parse(state.get(SINCE)),
        query,
        position=timestamps.parse(state.get(POSITION)),
        as_of=as_of,
        max_seen=timestamps.parse(state.get(MAX_SEEN)),
        resumed=True,
    )
