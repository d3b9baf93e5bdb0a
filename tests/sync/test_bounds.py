"""An API that refuses or ignores `createdAt` bounds: the sync is slower, but complete."""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox import Sandbox
from tests.sandbox.data import plain, recordings
from tests.sandbox.expected import expected_rows
from tests.sandbox.recordings import CREATED_RULES
from tests.support.in_process import loaded, sync, threads_left
from tests.support.process import State, Warehouse, config_for, run_and_kill, run_tap

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox import Request
    from tests.support.in_process import Outcome

DATA = recordings(120)
FAST: dict[str, Any] = {"page_size": 5}
OFTEN = {"refused", "ignored"}
"""Rules that also affect a full sync without a start date, whose bounds are the only filter."""
RULES = sorted(CREATED_RULES.keys() - {"taken"})


def bounded(sandbox: Sandbox) -> list[int]:
    """Return the numbers of the requests with bounds."""
    return [each.number for each in sandbox.requests if any(name.startswith("createdAt:") for name in each.params)]


def warnings_of(outcome: Outcome) -> list[str]:
    return [warning for warning in outcome.warnings if "page by page" in warning]


@pytest.mark.parametrize(("order", "threads"), [("newest_created", 4), ("oldest_updated", 1), ("id", 4)])
@pytest.mark.parametrize("rule", RULES)
def test_without_bounds_everything_arrives_in_one_chain(rule: str, order: str, threads: int) -> None:
    """Every sync of more than a page would fail, or skip recordings."""
    settings = {"start_date": "2025-02-01", "concurrency": threads, **FAST}
    with Sandbox(DATA, created=rule, order=order) as sandbox:
        outcome = sync(config_for(sandbox, **settings))
        assert loaded(outcome) == expected_rows(DATA, since="2025-02-01T00:00:00.000Z")
        assert len(warnings_of(outcome)) == 1
        asked = bounded(sandbox)
        assert 1 <= len(asked) <= threads + 1, "tried once, not for each slice"
        again = sync(config_for(sandbox, **settings), state=outcome.state)
    assert again.count()["recordings"] < len(DATA) / 2
    assert threads_left() == []


@pytest.mark.parametrize("rule", RULES)
def test_the_range_of_the_settings_is_kept_all_the_same(rule: str) -> None:
    """A user who loads one year would get all years."""
    after, before = "2025-04-01T00:00:00.000Z", "2025-10-01T00:00:00.000Z"
    data = plain(120, sections=1, extractions=1)
    edges = [data[0] | {"id": each, "createdAt": each} for each in (after, before)]
    limits = {"created_after": after, "created_before": before, "start_date": "2025-01-01"}
    with Sandbox([*data, *edges], created=rule) as sandbox:
        outcome = sync(config_for(sandbox, **limits, **FAST))
    wanted = [row for row in data if after < row["createdAt"] < before]
    assert loaded(outcome) == expected_rows(wanted)
    assert outcome.state["bookmarks"]["recordings"]["replication_key_value"] > max(row["updatedAt"] for row in wanted)


@pytest.mark.parametrize("rule", sorted(CREATED_RULES))
def test_what_fits_on_a_page_needs_no_bounds_and_no_warning(rule: str) -> None:
    data = plain(20, sections=1, extractions=1)
    with Sandbox(data, created=rule) as sandbox:
        outcome = sync(config_for(sandbox))
        assert (len(sandbox.requests), outcome.warnings) == (1, [])
    assert loaded(outcome) == expected_rows(data)


@pytest.mark.parametrize("ignores", [("createdAt:gt",), ("createdAt:lt",)])
def test_one_bound_that_is_ignored_is_enough(ignores: tuple[str, ...]) -> None:
    """Slices would overlap, and after an expired cursor, the missing part would be unknown."""
    with Sandbox(DATA, ignores=ignores) as sandbox:
        outcome = sync(config_for(sandbox, **FAST))
    assert loaded(outcome) == expected_rows(DATA)
    assert len(warnings_of(outcome)) == 1


def test_bounds_beside_each_other_are_all_that_a_history_needs() -> None:
    """Slices are given up only if necessary."""
    with Sandbox(DATA, created="refused_beside") as sandbox:
        config = config_for(sandbox, **FAST)
        outcome = sync(config)
        history = [each for each in sandbox.requests if "updatedAt:gte" not in each.params]
        assert len({each.params.get("createdAt:gt") for each in history}) > 3
    assert loaded(outcome) == expected_rows(DATA)


@pytest.mark.parametrize("status", [404, 405, 409, 422])
@pytest.mark.parametrize("beside", [True, False])
def test_any_refusal_of_bounds_is_one(status: int, *, beside: bool) -> None:
    """With an API that answers otherwise than with 400, only one page could be read."""

    def is_refused(request: Request) -> bool:
        return "createdAt" in str(request.params) and (not beside or "updatedAt:gte" in request.params)

    with Sandbox(DATA) as sandbox:
        sandbox.fault("status", status=status, on=None, when=is_refused)
        outcome = sync(config_for(sandbox, start_date="2024-12-01", **FAST))
        assert len(sandbox.requests) < 2 * len(DATA) / FAST["page_size"]
    assert loaded(outcome) == expected_rows(DATA)
    assert len(warnings_of(outcome)) == 1


def test_a_refusal_of_something_else_still_ends_the_sync() -> None:
    """A warning about something else would hide a wrong filter."""
    with Sandbox(DATA) as sandbox:
        sandbox.fault("status", on=None, status=400)
        outcome = sync(config_for(sandbox, created_after="2025-02-01", **FAST), status=1)
        assert "the request is invalid" in outcome.errors[0]
        assert len(sandbox.requests) == 2


@pytest.mark.parametrize("rule", ["refused", "ignored"])
def test_a_sample_is_shown_all_the_same(tmp_path: Path, rule: str) -> None:
    """`--test` would fail where a sync does not."""
    with Sandbox(DATA, created=rule) as sandbox:
        config = config_for(sandbox, created_after="2025-12-01", page_size=25)
        run = run_tap(tmp_path, config, arguments=("--test",))
    assert len(run.records["recordings"]) == 1
    assert run.records["recordings"][0]["createdAt"] > "2025-12"


@pytest.mark.parametrize("rule", sorted(OFTEN))
def test_an_interrupted_chain_begins_again_and_loses_nothing(tmp_path: Path, rule: str) -> None:
    """If rows have no order, a position would leave out those behind it."""
    with Sandbox(DATA, created=rule, order="id", latency=0.002) as sandbox:
        config = config_for(sandbox, **FAST)
        warehouse = Warehouse()
        for moment in (6, 20):
            killed = run_and_kill(tmp_path, config, sandbox, at_request=moment, state=warehouse.state or None)
            warehouse.load(killed)
            assert positions(warehouse.state) <= {None}
        warehouse.load(run_tap(tmp_path, config, state=warehouse.state or None))
    assert warehouse.tables == expected_rows(DATA)


def positions(state: State) -> set[str | None]:
    return {each.get("pass_position") for each in state.get("bookmarks", {}).values()}


@pytest.mark.parametrize("rule", sorted(OFTEN))
def test_a_position_of_better_days_stays_where_it_is(rule: str) -> None:
    """The position was reached with slices; a single chain has no position until its end."""
    with ExitStack() as stack:
        before, after = (stack.enter_context(Sandbox(DATA, created=each)) for each in ("taken", rule))
        before.fault("status", on=None, when=lambda request: request.number > 20, status=401)
        begun = sync(config_for(before, **FAST), status=1)
        (position,) = positions(begun.state)
        assert position
        fault = after.fault("status", on=None, when=lambda request: request.number > 9, status=401)
        failed = sync(config_for(after, **FAST), state=begun.state, status=1)
        assert positions(failed.state) == {position}
        fault.on = 0
        ended = sync(config_for(after, **FAST), state=failed.state)
    assert loaded(begun, failed, ended) == expected_rows(DATA)


def test_an_expired_cursor_in_one_chain_has_it_read_again() -> None:
    """A single chain cannot be halved: it would be read endlessly without a limit, or end the sync without a retry."""
    with Sandbox(DATA, created="refused") as sandbox:
        config = config_for(sandbox, start_date="2025-02-01", **FAST)
        fault = sandbox.fault("status", on=2, when=lambda request: request.number % 12 == 0, status=410)
        outcome = sync(config)
        assert loaded(outcome) == expected_rows(DATA, since="2025-02-01T00:00:00.000Z")
        assert [bool(re.search("again from its first page", each)) for each in outcome.warnings].count(True) == 2
        fault.on = None
        assert "happened 4 times." in sync(config, status=1).errors[0]
