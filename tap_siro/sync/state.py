"""State of a stream, and the pass that follows from it. Pure: no clock, no network.

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
CREATED_AFTER, CREATED_BEFORE, UNTIL = "createdAt:gt", "createdAt:lt", "updatedAt:lt"
RECHECKED_ON = "rechecked_on"
POSITION, SINCE, AS_OF, MAX_SEEN, QUERY = "pass_position", "pass_since", "pass_as_of", "pass_max_seen", "pass_query"


class PassKind(enum.Enum):
    """Reason to read a stream."""

    POLL = "poll"
    """It has a bookmark: what was updated since."""
    HISTORY = "history"
    """It has none yet: everything, or everything since `start_date`."""
    FULL_TABLE = "full table"
    """The catalog says so: everything, in each run, without a bookmark."""


@dataclass(frozen=True, slots=True)
class StreamPass:
    """Progress of a pass for one stream. Timestamps are in milliseconds."""

    kind: PassKind
    since: int | None
    """Records updated before it are not for this stream."""
    query: str
    """The kind, the range and the filters, as text: see `describe`."""
    until: int | None = None
    """Only records updated before it: `end_date`, as it was when the pass began."""
    position: int | None = None
    """Records created before it have been written."""
    as_of: int | None = None
    """The moment the pass began; None: it has not."""
    max_seen: int | None = None
    """The largest `updatedAt` so far."""
    resumed: bool = False
    """It was begun in an earlier run."""

    def wants(self, created: int | None, updated: int | None) -> bool:
        """Return True if the stream still needs a record. Records of unknown age are needed."""
        if self.position is not None and created is not None and created < self.position:
            return False
        return self.since is None or updated is None or updated >= self.since

    def begun(self, moment: int) -> StreamPass:
        """The same, begun at a moment if it was not yet."""
        return self if self.as_of is not None else replace(self, as_of=moment)

    def at(self, position: int | None, max_seen: int | None) -> StreamPass:
        """The same, further on. Neither value goes back."""
        return replace(
            self, position=_latest(self.position, position), max_seen=_latest(self.max_seen, max_seen)
        )  # fmt: skip

    def bookmark(self, before: int | None) -> int | None:
        """Return the bookmark when the pass is over: what was seen, but nothing later than its beginning or its end."""
        if self.max_seen is None or self.as_of is None:
            return before
        return _latest(before, _earliest(self.max_seen, self.as_of, self.until))


def _latest(*timestamps_: int | None) -> int | None:
    return max((timestamp for timestamp in timestamps_ if timestamp is not None), default=None)


def _earliest(*timestamps_: int | None) -> int | None:
    return min((timestamp for timestamp in timestamps_ if timestamp is not None), default=None)


def read_bookmark(state: Mapping[str, Any]) -> int | None:
    """The bookmark in a stream's state; None if there is none, or none that can be read."""
    return timestamps.parse(state.get(BOOKMARK))


def write_end(state: MutableMapping[str, Any], replication_key: str, progress: StreamPass, settings: Settings) -> None:
    """Close a pass that has read everything: move the bookmark, and keep the day if it was a recheck."""
    before = read_bookmark(state)
    if progress.as_of is not None and _is_recheck(progress, before, settings):
        # The day on which it was begun: what Siro finished later has not been looked for.
        state[RECHECKED_ON] = _day(progress.as_of)
    bookmark = progress.bookmark(before)
    if bookmark is not None:
        state["replication_key"] = replication_key
        state[BOOKMARK] = timestamps.text(bookmark)
    drop_progress(state)


def drop_progress(state: MutableMapping[str, Any]) -> None:
    """Forget an open pass: the next run begins with a new one."""
    state.update(dict.fromkeys((POSITION, SINCE, AS_OF, MAX_SEEN, QUERY)))


def has_open_history(state: Mapping[str, Any]) -> bool:
    """Return True if a history was begun and not ended: it outranks the bookmark."""
    opened = _opened(state)
    return opened is not None and opened.kind is PassKind.HISTORY


def write_progress(state: MutableMapping[str, Any], replication_key: str, progress: StreamPass) -> None:
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


def next_pass(state: Mapping[str, Any], settings: Settings, *, now: int, full_table: bool = False) -> StreamPass:
    """Return the pass that a stream needs next.

    Args:
        state: The stream's state.
        settings: The tap's settings.
        now: The present moment.
        full_table: The catalog asks for FULL_TABLE replication.

    Returns:
        The pass that was interrupted, if it still asks for what is wanted now; otherwise a new one.
    """
    if full_table:
        return _new_pass(PassKind.FULL_TABLE, None, settings)
    bookmark = read_bookmark(state)
    opened = _opened(state)
    kind = PassKind.HISTORY if bookmark is None or (opened and opened.kind is PassKind.HISTORY) else PassKind.POLL
    wanted = _new_pass(kind, _since(kind, state, settings, now), settings)
    if opened and _lies_within(wanted.query, opened.query) and _not_later(opened.since, wanted.since):
        # From here on it reads what is wanted now, if that is less. An `end_date` that has moved on comes afterwards.
        until = _earliest(opened.until, settings.end)
        return replace(opened, query=describe(kind, settings, until), until=until)
    return wanted


def catch_up_poll(state: Mapping[str, Any], settings: Settings, *, now: int, since: int | None = None) -> StreamPass:
    """Return a poll right after a pass that took its time, for what was updated meanwhile, or since a timestamp."""
    begin = _since(PassKind.POLL, state, settings, now) if since is None else since - settings.lookback
    return _new_pass(PassKind.POLL, begin, settings)


def _new_pass(kind: PassKind, since: int | None, settings: Settings) -> StreamPass:
    return StreamPass(kind, since, describe(kind, settings, settings.end), settings.end)


def describe(kind: PassKind, settings: Settings, until: int | None) -> str:
    """Return what a pass asks for, as text: its kind, a question mark and the parameters."""
    return f"{kind.value}?{settings.describe_range(until)}"


def _lies_within(wanted: str, begun: str) -> bool:
    """Return True if a pass is of the same kind, with the same filters, and creation in a range not narrower."""
    (kind, ours), (other_kind, theirs) = _parsed(wanted), _parsed(begun)
    for name in (CREATED_AFTER, CREATED_BEFORE, UNTIL):
        bound, limit = ours.pop(name, None), theirs.pop(name, None)
        if limit is None or name == UNTIL:
            continue
        # As text, because all dates have the same form.
        if bound is None or (bound < limit if name == CREATED_AFTER else bound > limit):
            return False
    return (kind, ours) == (other_kind, theirs)


def _parsed(query: str) -> tuple[str, dict[str, str]]:
    kind, _, parameters = query.partition("?")
    pairs = (each.partition("=") for each in parameters.split("&") if each)
    return kind, {name: value for name, _, value in pairs}


def _since(kind: PassKind, state: Mapping[str, Any], settings: Settings, now: int) -> int | None:
    bookmark = read_bookmark(state)
    if kind is PassKind.HISTORY or bookmark is None:
        return settings.start
    back = settings.lookback
    if state.get(RECHECKED_ON) != _day(now):
        back = max(back, settings.daily_recheck)
    return max(0, bookmark - back)


def _is_recheck(progress: StreamPass, bookmark: int | None, settings: Settings) -> bool:
    """Return True if a pass has read all that a recheck reads."""
    if progress.kind is PassKind.HISTORY or progress.since is None or bookmark is None:
        return True
    return settings.daily_recheck > 0 and progress.since <= max(0, bookmark - settings.daily_recheck)


def _day(timestamp: int) -> str:
    """The UTC day, as `YYYY-MM-DD`."""
    return timestamps.text(timestamp)[:10]


def _not_later(since: int | None, wanted: int | None) -> bool:
    return since is None or (wanted is not None and since <= wanted)


def _opened(state: Mapping[str, Any]) -> StreamPass | None:
    query, as_of = state.get(QUERY), timestamps.parse(state.get(AS_OF))
    if not isinstance(query, str) or as_of is None:
        return None
    kind = PassKind.POLL if query.startswith(PassKind.POLL.value) else PassKind.HISTORY
    return StreamPass(
        kind,
        timestamps.parse(state.get(SINCE)),
        query,
        timestamps.parse(_parsed(query)[1].get(UNTIL)),
        position=timestamps.parse(state.get(POSITION)),
        as_of=as_of,
        max_seen=timestamps.parse(state.get(MAX_SEEN)),
        resumed=True,
    )
