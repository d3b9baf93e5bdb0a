"""Scorecards, evaluations and outcomes as flat rows: nothing that Siro sends is lost, and nothing stops the run."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from tap_siro.records import scorecards
from tap_siro.records.cleaning import FieldWarnings, RecordCleaner
from tap_siro.schemas.lists import RECORDING_OUTCOMES
from tap_siro.schemas.scorecards import (
    RECORDING_SCORECARD_NODES,
    RECORDING_SCORECARDS,
    SCORECARD_NODES,
    SCORECARDS,
)
from tests.support.in_process import validator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

METRIC = {"metricId": "m1", "metricType": "AI_METRIC"}
QUOTE = {"quote": "and who signs", "startTimeInMillis": 61_000, "endTimeInMillis": 64_000.5}
JUDGED = {"score": "5", "impact": "high", "thinking": "Early.", "recommendation": "Go on."}
CITED = {"thinkingWithCitation": {"citedThinking": "Early [1].", "citations": [QUOTE]}}
ANSWER = {
    "id": "s1", "name": "Visit", "description": "First visits", "recordingsEvaluatedCount": 1, "recordingsWonCount": 0,
    "recordingsTotalCount": 1, "pointsPossible": 100, "pointsEarned": 62.5, "metricRubrics": [], "startAt": "",
    "endAt": "", "colorConfigurations": [], "filterBy": ["RECORDING"], "filterByIds": ["r1"],
    "sectionWeights": [{"scorecardNodeId": "n1", "weight": 1}],
    "evaluatedNodes": [
        {"id": "n0", "nodeType": "ROOT", "parentId": "", "metadata": {}, "pointsEarned": 62.5},
        {"id": "n1", "nodeType": "SECTION", "parentId": "n0", "metadata": {"sectionWeight": 1,
         "thinkingWithCitation": None}, "color": "YELLOW"},
        {"id": "n2", "nodeType": "METRIC", "metadata": {"metricId": "m2", "metricType": "BOOKMARK",
         "bookmarkConfigId": "b1"}, "metricValue": 0.61, "unit": "percent", "unitAbbreviated": "%", "indexNumber": 0},
        {"id": "n3", "nodeType": "METRIC", "metadata": {**METRIC, **JUDGED, **CITED}, "metricValue": None},
    ],
}  # fmt: skip
SCORECARD = {
    "id": "s1",
    "nodes": [
        {"id": "n1", "nodeType": "SECTION", "metadata": {"sectionWeight": 30}, "name": "Discovery"},
        {"id": "n2", "nodeType": "SECTION", "metadata": {"sectionWeight": 70}},
        {"id": "n3", "nodeType": "METRIC", "metadata": METRIC, "description": None},
    ],
    "metricConfigurations": [
        {"id": "m1", "name": "Decision maker", "description": "Who decides", "llmPrompt": "Did the rep ask?",
         "unit": "", "unitAbbreviated": "", "metricType": "AI_METRIC"},
    ],
    "metricRubrics": [{"scorecardNodeId": "n3", "scorecardMetricId": "m1", "metricPointTotal": 100, "minTarget": 4}],
    "sectionWeights": [{"scorecardNodeId": "n1", "weight": 35}],
}  # fmt: skip
RECORDING = {
    "id": "r1", "dateCreated": "2026-11-02T10:01:00.000Z", "universalOutcomeLabel": "NEGATIVE", "isPrivate": False,
    "isVideo": True, "discoverable": True, "trigger": "deeplink", "extractedCustomOutcomes": {
        "outcomeExtractionId": "o1", "outcomes": [{"customLabel": "Price", "universalLabel": None, "description": "d"}],
    },
    "title": "t", "userId": "u", "result": "closed", "evaluationScore": 5, "followups": [], "repFirstName": "A",
}  # fmt: skip


def cleaned(schema: Mapping[str, Any], *rows: Any) -> list[dict[str, Any]]:
    """Return the rows as written, without nulls; they fit the schema, except for fields that the caller adds."""
    clean = RecordCleaner(schema, FieldWarnings(), "x")
    written = [clean(row) for row in rows]
    check = validator({**schema, "required": []})
    for row in written:
        check.validate({name: value for name, value in row.items() if value is not None})
    return [{name: value for name, value in row.items() if value is not None} for row in written]


def test_an_evaluation_is_one_row_and_one_for_each_node(caplog: pytest.LogCaptureFixture) -> None:
    (row,) = cleaned(RECORDING_SCORECARDS, scorecards.evaluated_scorecard(ANSWER))
    counts = {"recordingsEvaluatedCount": 1, "recordingsWonCount": 0, "pointsPossible": 100, "pointsEarned": 62.5}
    assert row == {"scorecardId": "s1", "scorecardName": "Visit"} | counts
    rows = cleaned(RECORDING_SCORECARD_NODES, *scorecards.evaluated_nodes(ANSWER))
    metric = {"scorecardId": "s1", "nodeType": "METRIC"}
    assert rows == [
        {"scorecardId": "s1", "nodeId": "n0", "nodeType": "ROOT", "parentId": "", "pointsEarned": 62.5},
        {"scorecardId": "s1", "nodeId": "n1", "nodeType": "SECTION", "parentId": "n0", "color": "YELLOW"},
        metric | {"nodeId": "n2", "metricId": "m2", "metricType": "BOOKMARK", "bookmarkConfigId": "b1"}
        | {"metricValue": 0.61, "unit": "percent", "unitAbbreviated": "%", "indexNumber": 0},
        metric | {"nodeId": "n3", "citedThinking": "Early [1].", "citations": [QUOTE]} | METRIC | JUDGED,
    ]  # fmt: skip
    assert caplog.records == []


def test_a_node_has_its_metric_rubric_and_weight(caplog: pytest.LogCaptureFixture) -> None:
    """Users would have to extract the prompt of an AI metric from JSON."""
    assert cleaned(SCORECARD_NODES, *scorecards.scorecard_nodes(SCORECARD)) == [
        {"scorecardId": "s1", "id": "n1", "nodeType": "SECTION", "name": "Discovery", "weight": 35},
        {"scorecardId": "s1", "id": "n2", "nodeType": "SECTION", "weight": 70},
        {"scorecardId": "s1", "id": "n3", "nodeType": "METRIC", "name": "Decision maker", "description": "Who decides"}
        | {"unit": "", "unitAbbreviated": "", "llmPrompt": "Did the rep ask?", "metricPointTotal": 100, "minTarget": 4}
        | METRIC,
    ]  # fmt: skip
    clean = RecordCleaner(SCORECARDS, FieldWarnings(), left_out=scorecards.SCORECARD_PARTS)
    assert clean(SCORECARD) == dict.fromkeys(SCORECARDS["properties"]) | {"id": "s1"}
    assert caplog.records == []


def test_outcomes_are_what_recordings_have_not(caplog: pytest.LogCaptureFixture) -> None:
    kept = ("dateCreated", "universalOutcomeLabel", "isPrivate", "isVideo", "discoverable", "trigger")
    assert cleaned(RECORDING_OUTCOMES, scorecards.outcome(RECORDING)) == [
        {"recordingId": "r1", "outcomeExtractionId": "o1"}
        | {name: RECORDING[name] for name in kept}
        | {"outcomes": [{"customLabel": "Price", "universalLabel": None, "description": "d"}]}
    ]
    assert caplog.records == []


STREAMS: dict[str, tuple[Callable[[Any], list[Any]], Mapping[str, Any]]] = {
    "scorecard_nodes": (scorecards.scorecard_nodes, SCORECARD_NODES),
    "recording_scorecards": (lambda answer: [scorecards.evaluated_scorecard(answer)], RECORDING_SCORECARDS),
    "recording_scorecard_nodes": (scorecards.evaluated_nodes, RECORDING_SCORECARD_NODES),
    "recording_outcomes": (lambda recording: [scorecards.outcome(recording)], RECORDING_OUTCOMES),
}


def evaluated(metadata: Any, **fields: Any) -> dict[str, Any]:
    return {"evaluatedNodes": [{"id": 1, "metadata": metadata, **fields}]}


PARTS: dict[str, Any] = {
    "nodes": [{"id": 7, "metadata": {"metricId": 5, "score": "9"}}],
    "metricConfigurations": [{"id": "5", "model": "x"}],
    "metricRubrics": [{"scorecardMetricId": 5, "curve": "flat"}],
    "sectionWeights": [{"scorecardNodeId": "7", "since": 1}],
}


@pytest.mark.parametrize(
    ("stream", "value", "others"),
    [
        ("recording_scorecards", {"tags": ["a"], "spotlightSummaries": []}, ...),
        ("recording_scorecard_nodes", evaluated({"mood": "good"}, rank=2), {"rank": 2, "metadata": {"mood": "good"}}),
        ("recording_scorecard_nodes", evaluated({"thinkingWithCitation": {"citations": [], "tone": [1]}}),
         {"metadata": {"thinkingWithCitation": {"tone": [1]}}}),
        ("recording_scorecard_nodes", evaluated({"thinkingWithCitation": "t"}),
         {"metadata": {"thinkingWithCitation": "t"}}),
        ("recording_scorecard_nodes", evaluated("text"), {"metadata": "text"}),
        ("recording_scorecard_nodes", evaluated({"metricId": "m"}, metricId="own"), {"metadata": {"metricId": "m"}}),
        ("scorecard_nodes", PARTS,
         {"sectionWeights": {"since": 1}, "metadata": {"score": "9"}, "metricConfigurations": {"model": "x"},
          "metricRubrics": {"curve": "flat"}}),
        ("recording_outcomes", {"language": "en", "extractedCustomOutcomes": {"outcomes": [], "by": 1}},
         {"language": "en", "extractedCustomOutcomes": {"by": 1}}),
        ("recording_outcomes", {"extractedCustomOutcomes": ["x"]}, ...),
    ],
)  # fmt: skip
def test_what_has_no_column_keeps_its_place(stream: str, value: Any, others: Any) -> None:
    """A new field would be lost until the tap has a column for it."""
    make, schema = STREAMS[stream]
    (row,) = cleaned(schema, *make(value))
    assert json.loads(row["otherFields"]) == (value if others is ... else others)


DEEP: Any = "deep"
for _ in range(2_000):
    DEEP = [DEEP]
ODD: tuple[Any, ...] = (
    None, True, 7, 1.5, "text", [], ["a"], [None], {}, [{}], [[{}]], {"id": 1}, [{"id": {}, "metadata": [1]}],
    DEEP,
)  # fmt: skip
FIELDS = (
    "id", "nodes", "evaluatedNodes", "metricConfigurations", "metricRubrics", "sectionWeights",
    "extractedCustomOutcomes", "thinkingWithCitation",
)  # fmt: skip


@pytest.mark.parametrize("stream", STREAMS)
def test_malformed_answers_do_not_stop_the_run(stream: str, caplog: pytest.LogCaptureFixture) -> None:
    """One odd scorecard would stop all others."""
    make, schema = STREAMS[stream]
    caplog.set_level(logging.ERROR)
    for odd in ODD:
        cleaned(schema, *make(odd))
        for field in FIELDS:
            cleaned(schema, *make({**SCORECARD, **ANSWER, **RECORDING, field: odd}))
            node = {"id": "n", "metadata": {**METRIC, field: odd}, field: odd}
            cleaned(schema, *make({"nodes": [node, odd], "evaluatedNodes": [node, odd]}))
            cleaned(schema, *make({"nodes": [{"metadata": odd}], "evaluatedNodes": [{"metadata": odd}]}))


def test_a_node_that_is_no_object_is_told_and_not_dropped() -> None:
    """The node becomes a row without a key, which ends the run with status 1."""
    assert scorecards.scorecard_nodes({"id": "s", "nodes": ["x"]}) == [{"scorecardId": "s", "weight": None}]
    assert scorecards.evaluated_nodes({"id": "s", "evaluatedNodes": {"id": "n"}}) == [
        {"nodeId": "n", "scorecardId": "s"}
    ]
    assert scorecards.scorecard_nodes({"nodes": None}) == scorecards.evaluated_nodes({}) == []
