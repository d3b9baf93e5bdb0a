"""Scores, summaries and extracted values that Siro finishes later, without changing `updatedAt`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tap_siro import timestamps
from tap_siro.timestamps import DAY, SECOND
from tests.sandbox import Sandbox
from tests.sandbox.data import plain
from tests.sandbox.expected import expected_rows
from tests.support.in_process import sync
from tests.support.process import Run, State, Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR = 3_600 * SECOND
NOON = timestamps.parse("2026-03-02T12:00:00.000Z") or 0
LATE: dict[str, dict[str, Any]] = {
    "score": {"evaluationScore": 87.5},
    "summary": {"summary": [{"id": "s", "name": "Summary", "content": "They signed."}]},
    "extraction": {"entityExtractions": [{"name": "Roof", "value": "tile", "mappings": []}]},
}
NOTHING: dict[str, Any] = {"evaluationScore": None, "summary": [], "entityExtractions": []}


class Company:
    """An organization, its warehouse, and a clock that tests advance."""

    def __init__(self, *ages: int) -> None:
        """Start at noon, with one recording per age, updated that many milliseconds ago."""
        self.now = NOON
        made = plain(len(ages), sections=0, extractions=0)
        for recording, age in zip(made, ages, strict=True):
            dates = {"updatedAt": timestamps.text(NOON - age), "createdAt": timestamps.text(NOON - age - HOUR)}
            recording.update(dates, **NOTHING)
        self.sandbox = Sandbox(made, now=lambda: datetime.fromtimestamp(self.now / 1000, UTC))
        self.ids = [recording["id"] for recording in made]
        self.warehouse = Warehouse()
        self.state: State = {}

    def sync(self, **settings: Any) -> Run:
        """Run the tap with the default settings."""
        config = {"api_url": self.sandbox.url, "api_token": self.sandbox.token, **settings}
        run = sync(config, state=self.state)
        self.warehouse.load(run)
        self.state = run.state
        return run

    def finish(self, number: int, **late: Any) -> None:
        """Finish a property of a recording, with `updatedAt` unchanged."""
        updated = next(row["updatedAt"] for row in self.sandbox.recordings if row["id"] == self.ids[number])
        self.sandbox.update(self.ids[number], **late, updatedAt=updated)

    def is_complete(self) -> bool:
        return self.warehouse.live() == expected_rows(self.sandbox.recordings)


@pytest.fixture
def company(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    company = Company(*request.param)
    monkeypatch.setattr(timestamps, "now", lambda: company.now)
    with company.sandbox:
        yield company


@pytest.mark.parametrize("company", [(0, 119 * 60 * SECOND)], indirect=True)
@pytest.mark.parametrize("kind", LATE)
def test_what_lands_within_two_hours_comes_with_the_next_sync(company: Company, kind: str) -> None:
    """Scores and summaries come minutes after the upload: a day later is too late for a report."""
    company.sync()
    for number in (0, 1):
        company.finish(number, **LATE[kind])
        company.sync()
        assert company.is_complete()


@pytest.mark.parametrize("company", [(0, 47 * HOUR)], indirect=True)
@pytest.mark.parametrize("kind", LATE)
def test_what_lands_later_comes_with_the_next_days_recheck_and_that_is_one_poll(company: Company, kind: str) -> None:
    """Without a recheck, late values would be missing for good; with one per poll, each loads two days again."""
    company.sync()
    company.finish(1, **LATE[kind])
    for _ in range(2):
        company.now += HOUR
        company.sync()
        assert not company.is_complete()
    company.now += DAY
    company.sync()
    assert company.is_complete()
    sent = []
    for _ in range(3):
        company.now += HOUR
        sent.append(company.sync().count()["recordings"])
    assert sent == [1, 1, 1]
    assert {entry["rechecked_on"] for entry in company.state["bookmarks"].values()} == {"2026-03-03"}


@pytest.mark.parametrize("company", [(0, 47 * HOUR)], indirect=True)
def test_a_recheck_that_fails_is_made_up_for_on_the_same_day(company: Company) -> None:
    """An outage at midnight would lose late values, for good if it lasts two days."""
    company.sync()
    company.finish(1, **LATE["score"])
    company.now += DAY
    company.sandbox.fault("status", on=1, status=404)
    config = {"api_url": company.sandbox.url, "api_token": company.sandbox.token}
    failed = sync(config, state=company.state, status=1)
    company.state = failed.state
    assert {entry["rechecked_on"] for entry in company.state["bookmarks"].values()} == {"2026-03-02"}
    company.sync()
    assert company.is_complete()


@pytest.mark.parametrize("company", [(0, 47 * HOUR)], indirect=True)
def test_without_the_recheck_no_poll_is_one(company: Company) -> None:
    company.sync()
    company.now += DAY
    assert company.sync(daily_recheck_days=0).count()["recordings"] == 1
    assert company.sync().count()["recordings"] == 2, "switched on again, it is made at once"
