"""Pages small enough for evaluation scores, which Siro silently leaves out of large ones."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from tap_siro.sync.page_size import ENOUGH, MissingScores, PageSizeSetting
from tests.sandbox import Sandbox
from tests.sandbox.data import plain
from tests.sandbox.expected import expected_rows
from tests.support.in_process import Clock, loaded, sync
from tests.support.process import config_for, selecting

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox import Request

DATA = plain(90, sections=1, extractions=1)
LARGEST_SCORED = 40


def without_scores_on_large_pages(sandbox: Sandbox) -> None:
    """Follow the live API, as a client in production found it."""

    def too_large(request: Request) -> bool:
        return int(request.params.get("pageSize", 25)) > LARGEST_SCORED

    def unscored(page: dict[str, Any]) -> dict[str, Any]:
        return page | {"data": [row | {"evaluationScore": None} for row in page["data"]]}

    sandbox.fault("edit", on=None, when=too_large, edit=unscored)


@pytest.mark.parametrize(
    ("setting", "size", "warned"), [(None, "25", False), (7, "7", False), (25, "25", False), (26, "25", True)]
)
def test_scores_arrive_whatever_page_size_is_set(setting: int | None, size: str, warned: bool) -> None:
    """With larger pages, the warehouse would have no scores, without a message."""
    with Sandbox(DATA) as sandbox:
        without_scores_on_large_pages(sandbox)
        run = sync(config_for(sandbox, page_size=setting))
        assert {request.params["pageSize"] for request in sandbox.requests} == {size}
    assert loaded(run) == expected_rows(DATA)
    assert ["deselect `recordings.evaluationScore`" in warning for warning in run.warnings] == [True] * warned


@pytest.mark.parametrize(("setting", "size"), [(None, "100"), (26, "26"), (500, "500")])
@pytest.mark.parametrize("streams", [["recordings"], ["recording_crm_links"]])
def test_pages_are_large_where_no_score_is_wanted(
    tmp_path: Path, streams: list[str], setting: int | None, size: str
) -> None:
    """The tap would send four times as many requests as needed."""
    catalog = selecting(*streams)
    shown = {} if streams == ["recording_crm_links"] else {"show_evaluation_score": False}
    with Sandbox(DATA) as sandbox:
        run = sync(config_for(sandbox, page_size=setting, **shown), catalog=catalog)
        assert {request.params["pageSize"] for request in sandbox.requests} == {size}
    assert run.warnings == []


def test_each_pass_has_the_page_size_of_what_it_asks_for(tmp_path: Path) -> None:
    """A stream without scores would be read in small pages because another stream needs scores."""
    catalog = selecting("recordings", "recording_crm_links")
    state = {"bookmarks": {"recordings": {"replication_key_value": "2026-02-01T00:00:00.000Z"}}}
    with Sandbox(DATA) as sandbox:
        sync(config_for(sandbox), state=state, catalog=catalog)
        asked = [(request.params["pageSize"], "updatedAt:gte" in request.params) for request in sandbox.requests]
    assert asked == [("25", True), ("100", False)]


def test_a_size_that_is_too_large_for_scores_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """Each pass of a run would repeat the warning."""
    setting = PageSizeSetting(26)
    with caplog.at_level(logging.WARNING):
        assert [setting.of({"showSummary"}), *(setting.of({"showEvaluationScore"}) for _ in range(3))] == [
            26,
            25,
            25,
            25,
        ]
    assert len(caplog.records) == 1


# No scores


def rows(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [{"isProcessingDone": True, "evaluationScore": None, **changes}] * count


@pytest.mark.parametrize(
    ("pages", "warned"),
    [
        ([rows(ENOUGH)], True),
        ([rows(ENOUGH - 1), rows(1)], True),
        ([rows(ENOUGH - 1)], False),
        ([rows(ENOUGH), rows(1, evaluationScore=0)], False),
        ([rows(1, evaluationScore=0), rows(ENOUGH)], False),
        ([rows(ENOUGH - 1), rows(ENOUGH, isProcessingDone=False)], False),
        ([rows(ENOUGH - 1), rows(ENOUGH, isProcessingDone="true"), [None] * ENOUGH], False),
    ],
)
def test_a_warning_when_many_processed_recordings_have_no_score(
    pages: list[list[Any]], warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody would notice a token without access to scores, and users without scorecards would wait for small pages."""
    with caplog.at_level(logging.WARNING):
        watch = MissingScores()
        for _ in range(2):
            watch.begin({"showEvaluationScore"})
            for page in pages:
                watch.add(page)
            watch.end()
        watch.begin({"showSummary"})
        watch.add(rows(ENOUGH))
        watch.end()
    assert len(caplog.records) == warned


def test_a_history_without_any_score_is_warned_of() -> None:
    data = [row | {"evaluationScore": None} for row in plain(ENOUGH, sections=0, extractions=0)]
    with Sandbox(data) as sandbox:
        (warning,) = sync(config_for(sandbox)).warnings
        assert "none of" in warning
        assert sync(config_for(sandbox, show_evaluation_score=False)).warnings == []


@pytest.mark.parametrize("threads", [1, 4])
def test_an_outage_is_over_some_time(threads: int) -> None:
    """After a 502 for twenty seconds, pages would stay small for hours: 1,100 requests instead of 76."""
    data, clock, began = plain(4_000, sections=0, extractions=0), Clock(), list[float]()

    def is_away(request: Request) -> bool:
        if request.number == 10:
            began.append(clock.slept)
        return bool(began) and clock.slept < began[0] + 20

    with Sandbox(data) as sandbox:
        config = config_for(sandbox, show_evaluation_score=False, concurrency=threads)
        sync(config, catalog=selecting("recordings"))
        undisturbed = len(sandbox.requests)
        sandbox.clear()
        sandbox.fault("status", status=502, on=None, when=is_away)
        run = sync(config, catalog=selecting("recordings"), clock=clock)
        answered = [each for each in sandbox.requests if each.fault is None]
    assert loaded(run)["recordings"].keys() == {(each["id"],) for each in data}
    assert min(int(each.params["pageSize"]) for each in answered) < 25, "the pages were reduced"
    assert answered[-1].params["pageSize"] == "100"
    assert len(answered) < undisturbed + 130, "the size doubles after twenty pages, four times or five"
