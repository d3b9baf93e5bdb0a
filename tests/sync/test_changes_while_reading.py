"""Recordings that change during the sync: with a cursor that counts rows, they push others past it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.sandbox import Request, Sandbox, timestamps
from tests.sandbox.data import recordings
from tests.sandbox.expected import expected_rows
from tests.sandbox.store import CURSORS, ORDERS
from tests.support.process import Warehouse, config_for, run_tap

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.thorough

# Created within one second, they cannot be divided into slices: they are one long chain of pages.
ONE_CHAIN = ("2025-06-01T00:00:00.000Z", "2025-06-01T00:00:00.900Z")
A_YEAR = ("2025-01-01T00:00:00.000Z", "2025-12-31T00:00:00.000Z")


@pytest.mark.parametrize(("created", "cursor"), [(ONE_CHAIN, CURSORS[0]), (A_YEAR, CURSORS[1])])
@pytest.mark.parametrize("order", ORDERS)
def test_what_changes_between_two_pages_is_there_after_the_next_sync(
    tmp_path: Path, order: str, cursor: str, created: tuple[str, str]
) -> None:
    """The changed recording and those that it pushed past the cursor arrive."""
    data = recordings(80, start=created[0], end=created[1], odd=False)
    oldest_first = [each["id"] for each in sorted(data, key=lambda each: str(each["updatedAt"]))]

    def change(sandbox: Sandbox, request: Request) -> None:
        if "cursor" in request.params and request.number <= 12:
            # In most orders, one that was already returned, one that was not, and a new one.
            sandbox.update(oldest_first[request.number], title=f"changed {request.number}")
            sandbox.update(oldest_first[-request.number], summary=[], crm=None)
            added = {**data[0], "id": f"new-{request.number}", "updatedAt": sandbox.recordings[-1]["updatedAt"]}
            sandbox.add({**added, "updatedAt": f"2099-01-01T00:00:{request.number:02}.000Z"})
            sandbox.update(f"new-{request.number}", title="new")

    warehouse = Warehouse()
    with Sandbox(data, order=order, cursor=cursor) as sandbox:
        sandbox.hook = change
        config = config_for(sandbox, page_size=5, concurrency=2)
        warehouse.load(run_tap(tmp_path, config))
        sandbox.hook = None
        warehouse.load(run_tap(tmp_path, config, state=warehouse.state))
        assert warehouse.live() == expected_rows(sandbox.recordings)


@pytest.mark.parametrize("at", range(1, 6))
def test_a_change_that_becomes_visible_seconds_later_is_noticed(tmp_path: Path, at: int) -> None:
    """A database stamps a change before others see it. The recordings it pushes aside have not changed: no poll would
    ever fetch them."""
    data = recordings(60, start=ONE_CHAIN[0], end=ONE_CHAIN[1], odd=False)
    oldest_first = [each["id"] for each in sorted(data, key=lambda each: str(each["updatedAt"]))]
    cursors: list[int] = []

    def change(sandbox: Sandbox, request: Request) -> None:
        cursors.extend([request.number] if "cursor" in request.params else [])
        if len(cursors) == at and request.number == cursors[-1]:
            stamp = datetime.now(UTC) - timedelta(seconds=5)
            for each in oldest_first[:5]:
                sandbox.update(each, title="late", updatedAt=timestamps.from_ms(timestamps.to_ms(stamp)))

    with Sandbox(data, order="oldest_updated", cursor="count") as sandbox:
        sandbox.hook = change
        run = run_tap(tmp_path, config_for(sandbox, page_size=12, concurrency=1))
    assert len(cursors) >= at
    assert {row["id"] for row in run.records["recordings"]} == set(oldest_first)


def test_a_change_is_noticed_however_late_its_page_comes(tmp_path: Path) -> None:
    """With a slow target there are minutes between two pages. The recording that was pushed aside has not changed: no
    poll would ever fetch it."""
    data = recordings(60, start=ONE_CHAIN[0], end=ONE_CHAIN[1], odd=False)
    oldest_first = [each["id"] for each in sorted(data, key=lambda each: str(each["updatedAt"]))]
    clock = datetime(2026, 3, 1, tzinfo=UTC)

    def tick() -> datetime:
        nonlocal clock
        clock += timedelta(minutes=1)
        return clock

    def change(sandbox: Sandbox, request: Request) -> None:
        if request.number == 2:
            sandbox.update(oldest_first[0], title="changed")

    with Sandbox(data, order="oldest_updated", cursor="count", now=tick) as sandbox:
        sandbox.hook = change
        within = {"created_after": "2025-05-31T23:59:59.999Z", "created_before": "2025-06-01T00:00:01.000Z"}
        run = run_tap(tmp_path, config_for(sandbox, page_size=12, **within))
        assert all("cursor" in request.params for request in sandbox.requests[1:5])
    assert {row["id"] for row in run.records["recordings"]} == set(oldest_first)


def test_what_fits_on_one_page_is_not_read_again(tmp_path: Path) -> None:
    """A page is a snapshot: during busy hours, every poll would take two requests."""
    data = recordings(20, odd=False)
    with Sandbox(data) as sandbox:
        for each in data:
            sandbox.update(each["id"], title="just now")
        run = run_tap(tmp_path, config_for(sandbox))
        assert len(sandbox.requests) == 1
    assert run.count()["recordings"] == len(data)


def test_a_slice_that_never_rests_is_left_to_the_next_sync(tmp_path: Path) -> None:
    """The sync of a busy organization must end."""
    data = recordings(30, start=ONE_CHAIN[0], end=ONE_CHAIN[1], odd=False)
    with Sandbox(data, order="oldest_updated", cursor="count") as sandbox:
        sandbox.hook = lambda here, request: here.update(data[request.number % 30]["id"], title="again")
        run = run_tap(tmp_path, config_for(sandbox, page_size=10, concurrency=1))
        chains = Counter(str(sorted(r.params.items())) for r in sandbox.requests if "cursor" not in r.params)
        assert max(chains.values()) == 4
        sandbox.hook = None
        warehouse = Warehouse()
        warehouse.load(run)
        warehouse.load(run_tap(tmp_path, config_for(sandbox), state=run.state))
        assert warehouse.live() == expected_rows(sandbox.recordings)
    assert "kept changing while they were read, 4 times." in run.stderr


def test_a_recording_from_the_future_is_no_change(tmp_path: Path) -> None:
    """With a wrong clock, every run would read everything four times."""
    data = recordings(30, start=ONE_CHAIN[0], end=ONE_CHAIN[1], odd=False)
    data[7]["updatedAt"] = "2099-01-01T00:00:00.000Z"
    with Sandbox(data, order="id") as sandbox:
        run = run_tap(tmp_path, config_for(sandbox, page_size=10, concurrency=1))
        chains = Counter(str(sorted(r.params.items())) for r in sandbox.requests if "cursor" not in r.params)
    assert max(chains.values()) <= 2
    assert "kept changing" not in run.stderr
    assert run.state["bookmarks"]["recordings"]["replication_key_value"] < "2099"
