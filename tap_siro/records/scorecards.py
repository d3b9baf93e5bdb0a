"""Flat rows of scorecards, evaluations and outcomes, for a `RecordCleaner` to clean. Pure functions.

A field without a column stays in the row, in the place where the API has it, so that it ends in `otherFields`. What
fits no expectation stays too: an item that is not an object becomes a row without a key. Nothing here raises.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

Row = dict[str, Any]

SCORECARD_PARTS = ("nodes", "metricConfigurations", "metricRubrics", "sectionWeights")
"""Fields of a scorecard that become rows of `scorecard_nodes`."""
EVALUATION_LEFT_OUT = (
    "evaluatedNodes", "recordingsTotalCount", "description", "metricRubrics", "sectionWeights", "colorConfigurations",
    "filterBy", "filterByIds", "startAt", "endAt",
)  # fmt: skip
"""Fields of an evaluation that another stream of scorecards has, or that repeat the request for one recording."""
OUTCOME_LEFT_OUT = (
    "title", "userId", "durationInMilliseconds", "result", "evaluationScore", "followups",
    "repFirstName", "repLastName",
)  # fmt: skip
"""Fields of a recording that `recordings` and `users` have."""

_METRIC = ("metricId", "metricType", "bookmarkConfigId")
_AI_METRIC = ("score", "impact", "thinking", "recommendation")
_CITED = ("citedThinking", "citations")
_CONFIGURATION = ("name", "description", "metricType", "unit", "unitAbbreviated", "llmPrompt")
_RUBRIC = ("metricPointTotal", "minTarget", "maxTarget", "targetTolerance")


def scorecard_nodes(scorecard: Any) -> list[Row]:
    """Return the rows of a scorecard's nodes, each with its metric, rubric and weight."""
    configurations = _by_id(scorecard, "metricConfigurations", "id")
    rubrics = _by_id(scorecard, "metricRubrics", "scorecardNodeId", "scorecardMetricId")
    weights = _by_id(scorecard, "sectionWeights", "scorecardNodeId")
    rows = []
    for node in _items(scorecard, "nodes"):
        metadata = _get(node, "metadata")
        row = _without(node, ("metadata",)) | {"scorecardId": _get(scorecard, "id")}
        node_id, metric_id = _id(row.get("id")), _id(_get(metadata, "metricId"))
        _fill(row, "sectionWeights", weights.get(node_id), ("weight",), repeated=("scorecardNodeId",))
        if row.get("weight") is None:
            row["weight"] = _get(metadata, "sectionWeight")
        _fill(row, "metadata", metadata, _METRIC, repeated=("sectionWeight",))
        _fill(
            row, "metricConfigurations", configurations.get(metric_id), _CONFIGURATION, repeated=("id", *_CONFIGURATION)
        )
        rubric = rubrics.get(node_id) or rubrics.get(metric_id)
        _fill(row, "metricRubrics", rubric, _RUBRIC, repeated=("scorecardNodeId", "scorecardMetricId"))
        rows.append(row)
    return rows


def evaluated_scorecard(answer: Any) -> Row:
    """Return the row of an evaluation. Its `scorecardId` is the answer's, which may be a template's."""
    return _renamed(_without(answer, EVALUATION_LEFT_OUT), id="scorecardId", name="scorecardName")


def is_evaluated(answer: Any) -> bool:
    """Return True if the scorecard that was asked for has evaluated the recording."""
    count = _get(answer, "recordingsEvaluatedCount")
    return count not in {None, 0, "0"} if isinstance(count, (int, str, Decimal)) else False


def evaluated_nodes(answer: Any) -> list[Row]:
    """Return the rows of an evaluation's nodes. Their `scorecardId` is the answer's, which may be a template's."""
    rows = []
    for node in _items(answer, "evaluatedNodes"):
        metadata = _get(node, "metadata")
        row = _renamed(_without(node, ("metadata",)), id="nodeId") | {"scorecardId": _get(answer, "id")}
        if isinstance(metadata, dict):
            cited = metadata.get("thinkingWithCitation")
            metadata = _without(metadata, ("thinkingWithCitation",))
            _fill(metadata, "thinkingWithCitation", cited, _CITED)
        # `scorecard_nodes` has the weights of sections.
        _fill(row, "metadata", metadata, (*_METRIC, *_AI_METRIC, *_CITED), repeated=("sectionWeight",))
        rows.append(row)
    return rows


def outcome(recording: Any) -> Row:
    """Return the row of a recording's outcomes."""
    row = _renamed(_without(recording, OUTCOME_LEFT_OUT), id="recordingId")
    _fill(row, "extractedCustomOutcomes", row.pop("extractedCustomOutcomes", None), ("outcomes", "outcomeExtractionId"))
    return row


def _fill(row: Row, place: str, part: Any, columns: Collection[str], *, repeated: Collection[str] = ()) -> None:
    """Move a part of an object into empty columns of its row; the rest of the part goes to `place`.

    Args:
        row: The row.
        place: The field that the part comes from.
        part: The part, or None.
        columns: Fields that are columns.
        repeated: Fields to leave out if they fill no column.
    """
    if not isinstance(part, dict):
        if part is not None:
            row[place] = part
        return
    rest = {}
    for name, value in part.items():
        if name in columns and row.get(name) is None:
            row[name] = value
        elif name not in repeated:
            rest[name] = value
    if rest:
        row[place] = rest


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _items(value: Any, name: str) -> list[Any]:
    items = _get(value, name)
    return items if isinstance(items, list) else [] if items is None else [items]


def _without(value: Any, names: Collection[str]) -> Row:
    return {name: field for name, field in value.items() if name not in names} if isinstance(value, dict) else {}


def _renamed(row: Row, **names: str) -> Row:
    return {names.get(name, name): value for name, value in row.items()}


def _id(value: Any) -> str | None:
    """Return an id as text, which some answers have as a number."""
    return str(value) if isinstance(value, str | int | Decimal) else None


def _by_id(value: Any, name: str, *fields: str) -> dict[str | None, Row]:
    """Return the objects of a list by an id: the first one of some fields that they have."""
    found: dict[str | None, Row] = {}
    for item in _items(value, name):
        key = next((key for field in fields if (key := _id(_get(item, field))) is not None), None)
        if key is not None:
            found.setdefault(key, item)
    return found
