"""Scorecards of single recordings, on the user host."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from tests.sandbox import timestamps
from tests.sandbox.detail import SENTENCES, Detail
from tests.sandbox.faults import Answer
from tests.sandbox.oracle import columns, each, known, number, row, text
from tests.sandbox.query import BadRequestError
from tests.sandbox.routes import USER_API
from tests.sandbox.scorecards import COLORS, NODE
from tests.sandbox.store import encode

if TYPE_CHECKING:
    from tests.sandbox.kinds import Details, Recording, Request, Row

EVALUATIONS = "/v1/core/scorecards/evaluated-instances/{scorecardId}"
RETIRED = "2025-02-15T00:00:00.000Z"
"""Time before which recordings were scored by the scorecard that is inactive now."""
_PARAMETERS = ("startAt", "endAt", "filterBy", "filterByIds")


class Evaluations(Detail):
    """Evaluation of one recording by a scorecard. Recordings without an `evaluationScore` have none."""

    path = EVALUATIONS
    base = USER_API
    keys = {
        "recording_scorecards": ("recordingId", "scorecardId"),
        "recording_scorecard_nodes": ("recordingId", "scorecardId", "nodeId"),
    }
    own = "evaluations"

    def make(self, details: Details, recording: Recording) -> Any:
        """Make the evaluations of a recording by the scorecard's id: one, if it has a score and is not left out."""
        rng = random.Random(f"evaluation {recording['id']}")
        if number(recording.get("evaluationScore")) is None or rng.random() < details.unevaluated:
            return {}
        card = _scorecard_of(details.lists.scorecards, recording)
        return {card["id"]: _evaluated(rng, card, recording)}

    def answer(self, details: Details, request: Request) -> Answer:
        values, card_id = request.params, request.values["scorecardId"]
        start, end = (timestamps.parse(values.get(name)) for name in ("startAt", "endAt"))
        if start is None or end is None or start >= end or values.get("filterBy") != "RECORDING":
            raise BadRequestError("startAt, endAt and filterBy are needed")
        if values.keys() - {*_PARAMETERS, "groupBy"} or not values.get("filterByIds"):
            raise BadRequestError("filterByIds is needed, and nothing unknown")
        card = next((each for each in details.lists.scorecards if each["id"] == card_id), None)
        if card is None:
            return self.error(404)
        recording = details.recording(values["filterByIds"])
        found = None
        if recording is not None and not details.is_gone(recording):
            created = timestamps.parse(recording.get("createdAt"))
            if created is None or start <= created <= end:
                found = (details.of(self, recording) or {}).get(card_id)
        echo: Row = {"filterBy": ["RECORDING"], "filterByIds": [values["filterByIds"]]}
        echo |= {name: values[name] for name in ("startAt", "endAt")}
        return Answer(200, encode({"data": (found or _unevaluated(card)) | echo}), rows=1)

    def expected(self, details: Details, recording: Recording) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {stream: [] for stream in self.keys}
        if number(recording.get("evaluationScore")) is None:
            return found
        for card_id, answer in (details.of(self, recording) or {}).items():
            if not answer["recordingsEvaluatedCount"]:
                continue
            scorecard = {"scorecardId": card_id}
            summary = {"scorecardName": answer["name"], **answer}
            found["recording_scorecards"].append(scorecard | row(summary, _COLUMNS, _LEFT_OUT))
            for node in answer["evaluatedNodes"]:
                metadata = node.get("metadata") or {}
                whole = node | metadata | (metadata.get("thinkingWithCitation") or {})
                cleaned = row(whole, _NODE_COLUMNS, ("id", "metadata", "sectionWeight", "thinkingWithCitation"))
                found["recording_scorecard_nodes"].append(scorecard | {"nodeId": text(node["id"])} | cleaned)
        return found


_COLUMNS = columns("scorecardName", numbers="pointsEarned pointsPossible recordingsEvaluatedCount recordingsWonCount")
_LEFT_OUT = (
    "id", "name", "description", "evaluatedNodes", "metricRubrics", "sectionWeights", "colorConfigurations",
    "recordingsTotalCount", *_PARAMETERS,
)  # fmt: skip
_NODE_COLUMNS = NODE | columns(
    "color score impact thinking recommendation citedThinking",
    numbers="metricValue pointsEarned pointsPossible",
    citations=each(known(quote=text, startTimeInMillis=number, endTimeInMillis=number)),
)


def _scorecard_of(scorecards: list[Row], recording: Recording) -> Row:
    """Return the rep's scorecard, one of the active ones."""
    created = timestamps.parse(recording.get("createdAt"))
    retired = created is not None and created < (timestamps.parse(RETIRED) or 0)
    found = [card for card in scorecards if card["isActive"] is not retired] or scorecards
    return random.Random(f"rep {recording.get('userId')}").choice(found)


def _evaluation(card: Row, nodes: list[Row], earned: float) -> Row:
    same = {name: card[name] for name in ("id", "name", "description", "metricRubrics", "sectionWeights")}
    return same | {
        "recordingsEvaluatedCount": 1,
        "recordingsTotalCount": 1,
        "recordingsWonCount": 0,
        "pointsPossible": 100,
        "pointsEarned": earned,
        "evaluatedNodes": nodes,
        "colorConfigurations": card["colorConfigurations"] or [],
    }


def _unevaluated(card: Row) -> Row:
    nodes = [node | {"pointsPossible": 100, "pointsEarned": 0, "color": "RED"} for node in card["nodes"]]
    return _evaluation(card, nodes, 0) | {"recordingsEvaluatedCount": 0}


def _evaluated(rng: random.Random, card: Row, recording: Recording) -> Row:
    totals = {rubric["scorecardNodeId"]: rubric["metricPointTotal"] for rubric in card["metricRubrics"]}
    points: dict[str, float] = {node["id"]: rng.choice((0, 25, 62.5, 100)) for node in card["nodes"]}
    for section in (node for node in card["nodes"] if node["nodeType"] == "SECTION"):
        inside = [node["id"] for node in card["nodes"] if node["parentId"] == section["id"]]
        earned = sum(points[each] * totals[each] for each in inside) / sum(totals[each] for each in inside)
        points[section["id"]] = round(earned, 2)
    sections = [node for node in card["nodes"] if node["nodeType"] == "SECTION"]
    whole = sum(points[each["id"]] * each["metadata"]["sectionWeight"] for each in sections) / 100
    units = {item["id"]: (item["unit"], item["unitAbbreviated"]) for item in card["metricConfigurations"]}
    nodes = []
    for node in card["nodes"]:
        earned = whole if node["nodeType"] == "ROOT" else points[node["id"]]
        color = next(color for color, low, _ in reversed(COLORS) if earned >= low)
        made = node | {"pointsPossible": 100, "pointsEarned": earned, "color": color}
        if node["nodeType"] == "METRIC":
            unit, short = units[node["metadata"]["metricId"]]
            made |= {"unit": unit, "metricValue": rng.choice((None, 3, 0.61))} | (
                {"unitAbbreviated": short} if short else {}
            )
            if node["metadata"]["metricType"] == "AI_METRIC":
                made["metadata"] = node["metadata"] | _judgement(rng) | {"score": rng.choice(("1", "5", 3))}
        nodes.append(made)
    return _evaluation(card, nodes, whole) | {"recordingsWonCount": int(recording.get("result") == "WON")}


def _judgement(rng: random.Random) -> Row:
    quotes = [
        {"quote": rng.choice(SENTENCES), "startTimeInMillis": start, "endTimeInMillis": start + 1_500.5}
        for start in range(0, 4_000 * rng.randrange(3), 4_000)
    ]
    judged: Row = {
        "impact": rng.choice(("high", None)),
        "thinking": rng.choice(SENTENCES),
        "recommendation": "Ask early.",
    }
    cited: tuple[Row, ...] = (
        {},
        {"thinkingWithCitation": None},
        {"thinkingWithCitation": {"citedThinking": "Asked late [1].", "citations": quotes}},
    )
    return judged | rng.choice(cited)
