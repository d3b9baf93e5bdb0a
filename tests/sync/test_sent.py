"""A recording is sent again in a pass only if it changed: targets that append would show it twice."""

from __future__ import annotations

from typing import Any

import pytest

from tap_siro.sync.sent import MAX_REMEMBERED, SentRecordings
from tests.sandbox import Sandbox
from tests.sandbox.data import plain, recordings
from tests.sandbox.store import ORDERS
from tests.sandbox.streams import KEYS
from tests.support.in_process import sync
from tests.support.process import config_for


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("odd", [False, True])
def test_the_first_sync_of_a_small_organization_sends_each_row_once(order: str, odd: bool) -> None:
    """300 recordings came as 549 rows. Only the poll after the full sync may repeat rows."""
    data = recordings(300, odd=odd)
    with Sandbox(data, order=order) as sandbox:
        run = sync(config_for(sandbox, lookback_seconds=1))
        polled = sum(request.rows for request in sandbox.requests if "updatedAt:gte" in request.params)
    for stream, keys in KEYS.items():
        rows = run.records[stream]
        distinct = {tuple(row[key] for key in keys) for row in rows}
        of_polled = {row[keys[0]] for row in rows[len(distinct) :]}
        assert len(of_polled) <= polled, f"rows of {stream} came twice"
        assert stream != "recordings" or len(rows) <= len(distinct) + polled


def test_what_changed_meanwhile_is_sent_again() -> None:
    """The newer version would be lost, because its `updatedAt` need not be later than the bookmark."""
    data = plain(60, sections=0, extractions=0)
    with Sandbox(data, order="id") as sandbox:
        first = min(row["id"] for row in data)
        changed: dict[str, Any] = {
            "evaluationScore": 1.5,
            "updatedAt": next(r["updatedAt"] for r in data if r["id"] == first),
        }
        sandbox.hook = lambda box, request: box.update(first, **changed) if request.number == 2 else None
        run = sync(config_for(sandbox, concurrency=1, page_size=20, lookback_seconds=1))
    assert [row["evaluationScore"] for row in run.records["recordings"] if row["id"] == first][-1] == 1.5


def record(number: int, **changes: Any) -> dict[str, Any]:
    return {"id": f"r{number}", "title": "a", **changes}


def test_only_the_same_content_is_a_repetition() -> None:
    sent = SentRecordings()
    assert [sent.seen_before(each) for each in (record(1), record(2), record(1), record(1, title="b"))] == [
        False, False, True, False,
    ]  # fmt: skip
    assert not sent.seen_before(record(1)), "as it was before, and not as it was sent last"
    assert sent.seen_before(record(2)), "whatever else came in between"


def test_what_cannot_be_compared_is_sent() -> None:
    """A sync would end with a traceback, or leave out a recording whose content has changed."""
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]
    sent = SentRecordings()
    assert not any(
        sent.seen_before(each) for each in (record(1), record(1, value=deep), record(1, value=deep), record(1))
    )
    assert sent.seen_before(record(1))


def test_memory_has_a_limit_and_what_keeps_coming_is_kept() -> None:
    """A million recordings must not need a million entries; one without a date comes with each slice."""
    sent = SentRecordings()
    assert not sent.seen_before(record(-1))
    for number in range(2 * MAX_REMEMBERED):
        assert not sent.seen_before(record(number))
        if number % 1000 == 0:
            assert sent.seen_before(record(-1))
    newest = 2 * MAX_REMEMBERED - 1
    # All but one of the maximum number of entries, besides the one without a date.
    assert all(sent.seen_before(record(number)) for number in range(newest - MAX_REMEMBERED + 2, newest + 1))
    assert not sent.seen_before(record(newest - MAX_REMEMBERED + 1))
