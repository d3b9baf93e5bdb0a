"""Scorecards of the organization, on the user host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.sandbox.listing import MADE, Listing, answered, asked
from tests.sandbox.oracle import columns, each, known, number, row, text
from tests.sandbox.routes import USER_API

if TYPE_CHECKING:
    from tests.sandbox.kinds import Answer, Lists, Recording, Request, Row, Rows

SCORECARDS = "/v1/core/scorecards/instances"
NODE = columns(
    "parentId nodeType name description metricId metricType bookmarkConfigId unit unitAbbreviated",
    numbers="indexNumber",
)
_NAMES = ("First visit", "Return visit", "Phone call", "Talk track of last year")
_AI = "AI_METRIC"
_METRICS = (
    ("REP_SPEAKER_SHARE", "Talks less than half", "percentage", "%"),
    ("BOOKMARK", "Asks about the budget", "bookmarks", ""),
    (_AI, "Finds the decision maker", "", ""),
    (_AI, "Agrees on a next step", None, None),
    ("LONGEST_MONOLOGUE_SECONDS", "Longest monologue", "seconds", "sec"),
)
COLORS = (("RED", 0, 49), ("YELLOW", 50, 79), ("GREEN", 80, 100))


class Scorecards(Listing):
    """Four scorecards, the last of them inactive."""

    name = "scorecards"
    path = SCORECARDS
    base = USER_API
    derived = {"scorecard_nodes": ("scorecardId", "id")}
    left_out = ("nodes", "metricConfigurations", "metricRubrics", "sectionWeights")
    columns = columns(
        "id organizationId name description conversationType scorecardTemplateId scorecardConfigId",
        moments="createdAt updatedAt",
        numbers="minDurationMs",
        flags="isActive editable hasScoredRecordings",
        colorConfigurations=each(known(color=text, lowRange=number, highRange=number)),
    )

    def make(self, lists: Lists, data: list[Recording]) -> list[Row]:
        return [_scorecard(place, name, lists.organization) for place, name in enumerate(_NAMES)]

    def answer(self, lists: Lists, request: Request) -> Answer:
        values = asked(request, "organizationId", "conversationTypeId", "isActive")
        if refusal := self.of_organization(lists, values):
            return refusal
        rows = [row for row in lists.scorecards if row.get("organizationId") == values["organizationId"]]
        body = {"data": {"scorecardInstances": rows}, "cursor": None, "total": len(rows), "hasNextPage": False}
        return answered(lists, rows, body, rows)

    def expected(self, lists: Lists) -> dict[str, Rows]:
        rows = super().expected(lists)
        for card in lists.scorecards:
            for node in card["nodes"]:
                metadata = node.get("metadata") or {}
                metric = _first(card, "metricConfigurations", "id", metadata.get("metricId"))
                weighted = _first(card, "sectionWeights", "scorecardNodeId", node["id"])
                whole = {
                    name: metric.get(name) for name in ("name", "description", "unit", "unitAbbreviated", "llmPrompt")
                }
                whole |= {name: value for name, value in node.items() if value is not None and name != "metadata"}
                whole |= {"weight": metadata.get("sectionWeight"), **metadata, **weighted}
                whole |= _first(card, "metricRubrics", "scorecardNodeId", node["id"])
                key = {"scorecardId": text(card["id"]), "id": text(node["id"])}
                repeated = ("id", "sectionWeight", "scorecardNodeId", "scorecardMetricId")
                rows["scorecard_nodes"][tuple(key.values())] = key | row(whole, _COLUMNS, repeated)
        return rows


_COLUMNS = NODE | columns("llmPrompt", numbers="metricPointTotal minTarget maxTarget targetTolerance weight")


def _first(card: Row, name: str, field: str, wanted: object) -> Row:
    found = (item for item in card.get(name) or () if wanted is not None and text(item[field]) == text(wanted))
    return dict(next(found, {}))


def _scorecard(place: int, name: str, organization: str) -> Row:
    prefix = f"scorecard-{place}"
    nodes: list[Row] = [_node(("ROOT", 0, f"{prefix}-root", ""), name, {} if place else None)]
    weights, configurations, rubrics = [], [], []
    for section, (title, weight) in enumerate((("Discovery", 60), ("Closing", 40))):
        section_id = f"{prefix}-section-{section}"
        nodes.append(_node(("SECTION", section, section_id, f"{prefix}-root"), title, {"sectionWeight": weight}))
        weights.append({"scorecardNodeId": section_id, "weight": weight})
        for order, (kind, text_, unit, short) in enumerate(_METRICS[section * 2 : section * 2 + 3]):
            node_id, metric_id = f"{section_id}-{order}", f"{prefix}-metric-{section}-{order}"
            metadata: Row = {"metricId": metric_id, "metricType": kind}
            if kind == "BOOKMARK":
                metadata["bookmarkConfigId"] = "bookmark-1"
            # A name or description may be only in the metric's configuration.
            nodes.append(_node(("METRIC", order, node_id, section_id), None if order else text_, metadata))
            configuration = {"id": metric_id, "name": text_, "unit": unit, "unitAbbreviated": short, "metricType": kind}
            if kind == _AI:
                configuration |= {"llmPrompt": f"Did the rep do this: {text_}?", "description": "Scored by AI."}
            configurations.append(configuration)
            rubric = {"scorecardNodeId": node_id, "scorecardMetricId": metric_id, "metricPointTotal": 10 * (order + 1)}
            rubrics.append(rubric | ({"minTarget": 0.4, "maxTarget": 1, "targetTolerance": 0.1} if order == 0 else {}))
    made: Row = {
        "id": prefix,
        "organizationId": organization,
        "name": name,
        "description": None if place else "For new customers.",
        "nodes": nodes,
        "metricRubrics": rubrics,
        # Without them, the weights are in the nodes.
        "sectionWeights": weights if place != 1 else [],
        "metricConfigurations": configurations,
        "colorConfigurations": [{"color": color, "lowRange": low, "highRange": high} for color, low, high in COLORS],
        "createdAt": MADE,
        "updatedAt": MADE,
        "conversationType": name.lower().replace(" ", "-"),
        "isActive": place < len(_NAMES) - 1,
        "scorecardConfigId": f"config-{place}",
        "editable": place == 0,
    }
    more: tuple[Row, ...] = (
        {"minDurationMs": 180_000, "scorecardTemplateId": "template-1"},
        {"colorConfigurations": None},
    )
    return made | {"hasScoredRecordings": True} | (more[place] if place < len(more) else {})


def _node(place: tuple[str, int, str, str], name: str | None, metadata: Any) -> Row:
    names = ("nodeType", "indexNumber", "id", "parentId")
    return {**dict(zip(names, place, strict=True)), "name": name, "description": None, "metadata": metadata}
