"""Every source fails alone: one recording, one stream or one host that fails costs nothing but itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tap_siro.sync.slice_fetcher import MAX_POISON
from tests.sandbox import Sandbox
from tests.sandbox.data import plain
from tests.sandbox.expected import expected_rows
from tests.sandbox.streams import expected_lists
from tests.support.in_process import Clock, Outcome, selecting, sync
from tests.support.process import Warehouse, config_for

if TYPE_CHECKING:
    from tests.sandbox import Request
    from tests.sandbox.faults import Fault

DATA = plain(120, sections=1, extractions=1)
FAST: dict[str, Any] = {"page_size": 10, "requests_per_minute": 100_000}


def poison(sandbox: Sandbox, *names: str) -> Fault:
    """Let every page fail that has one of these recordings."""

    def is_there(request: Request) -> bool:
        return any(name.encode() in row for row in sandbox.peek(request).rows for name in names)

    return sandbox.fault("status", status=500, on=None, when=is_there)


def without(names: set[str], *runs: Outcome) -> Warehouse:
    """Load the runs, and make sure that these recordings are not there."""
    warehouse = Warehouse()
    for run in runs:
        warehouse.load(run)
    assert not names & {key[0] for key in warehouse.tables["recordings"]}
    return warehouse


def bookmarks(run: Outcome) -> dict[str, Any]:
    return {name: each.get("replication_key_value") for name, each in run.state.get("bookmarks", {}).items()}


@pytest.mark.parametrize(
    ("place", "order", "threads"),
    [(0, "oldest_updated", 4), (60, "newest_created", 4), (119, "newest_created", 1), (119, "oldest_updated", 4)],
)
@pytest.mark.parametrize("is_poll", [False, True])
def test_a_recording_that_the_api_cannot_return_costs_only_itself(
    *, is_poll: bool, place: int, order: str, threads: int
) -> None:
    """All recordings and all lists would be missing in every run, until Siro has mended one recording."""
    bad, other = DATA[place]["id"], DATA[(place + 50) % 120]["id"]
    catalog = selecting("recordings", "users")
    with Sandbox(DATA, order=order) as sandbox:
        config = config_for(sandbox, concurrency=threads, **FAST)
        state: dict[str, Any] = {}
        if is_poll:
            state = sync(config, catalog=catalog).state
            for each in DATA:
                sandbox.update(each["id"], title="edited")
        fault, clock = poison(sandbox, bad), Clock()
        first = sync(config, catalog=catalog, state=state, clock=clock, status=1)
        expected = expected_rows([each for each in sandbox.recordings if each["id"] != bad])["recordings"]
        assert without({bad}, first).tables["recordings"] == expected
        assert without({bad}, first).lists["users"] == expected_lists(sandbox.lists)["users"]
        assert clock.slept < 60, "an outage would be waited for longer"
        assert f"created at {DATA[place]['createdAt'][:19]}.000Z (within a second)" in first.errors[0]
        assert bookmarks(first).get("recordings") == (
            (state and state["bookmarks"]["recordings"]["replication_key_value"]) or None
        )
        sandbox.update(other, title="later")
        second = sync(config, catalog=catalog, state=first.state, status=1)
        assert {"later"} <= {row["title"] for row in second.records["recordings"]}
        if not is_poll:
            assert second.count()["recordings"] <= 120 - place + 1, "what was created before came already"
        fault.on = 0
        third = sync(config, catalog=catalog, state=second.state)
        assert (
            without(set(), first, second, third).tables["recordings"] == expected_rows(sandbox.recordings)["recordings"]
        )
        fourth = sync(config, catalog=catalog, state=third.state)
        assert fourth.count()["recordings"] <= 3 + (119 if is_poll else 0), "the bookmark has moved"


def test_an_api_that_fails_on_most_recordings_is_not_asked_for_each() -> None:
    """Each second of a history would be asked for apart, for days."""
    with Sandbox(DATA) as sandbox:
        poison(sandbox, *(each["id"] for each in DATA))
        run = sync(config_for(sandbox, **FAST), catalog=selecting("recordings", "users"), status=1)
        assert len(sandbox.requests) < 100 * MAX_POISON
        assert run.records["users"]
    assert f"More than {MAX_POISON} recordings" in run.errors[0]


@pytest.mark.parametrize("begins_at", [1, 12])
@pytest.mark.parametrize("seconds", [120, 10_000])
def test_an_outage_is_not_taken_for_such_a_recording(seconds: int, begins_at: int) -> None:
    """A night's outage would leave a message about one recording, and a history in pieces."""
    clock = Clock()

    def is_away(request: Request) -> bool:
        return request.number >= begins_at and clock.slept < seconds

    with Sandbox(DATA) as sandbox:
        fault = sandbox.fault("status", status=502, on=None, when=is_away)
        config = config_for(sandbox, **FAST)
        is_short = seconds < 600
        run = sync(config, catalog=selecting("recordings", "users"), clock=clock, status=0 if is_short else 1)
        assert run.records["users"]
        if is_short:
            assert without(set(), run).tables["recordings"] == expected_rows(DATA)["recordings"]
            return
        assert "Gave up" in run.errors[0]
        assert "however small" not in run.errors[0]
        assert not bookmarks(run).get("recordings")
        fault.on = 0
        rest = sync(config, catalog=selecting("recordings", "users"), state=run.state)
        assert without(set(), run, rest).tables["recordings"] == expected_rows(DATA)["recordings"]
