"""The views of `sql/` on tables that real targets loaded, and the recipes that read them."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
import yaml

from tests.sandbox import Sandbox
from tests.sandbox.data import recordings
from tests.sandbox.expected import expected_rows
from tests.sandbox.streams import DETAIL_KEYS, KEYS, Lists, expected_details, expected_lists
from tests.support.documents import README, RECIPES, blocks
from tests.support.process import ROOT, user_host
from tests.targets.changes import change, is_deleted
from tests.targets.destinations import BigQuery, Database, DuckDB, PostgreSQL, Snowflake
from tools import views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.sandbox.oracle import Row, Rows
    from tests.targets.project import Project

targets = pytest.mark.targets
IN_BIGQUERY = pytest.param(BigQuery, marks=pytest.mark.bigquery)

NUMBERS = {
    "minutes", "hours", "score", "average_score", "share", "points", "metric_value", "won", "lost", "difference",
    "points_earned",
}  # fmt: skip
SPOKEN = [("Rep", "0", 90_000), ("Customer", "1", 30_000), (None, "2", 6_000)]
ON_VIEWS = {
    "calls", "calls per rep", "lost", "values for the CRM", "unrecorded", "won", "platforms", "speakers", "steps",
    "steps of won calls", "scores by month", "follow ups",
}  # fmt: skip
"""Names of the queries that are tested here."""
NODE = DETAIL_KEYS["recording_scorecard_nodes"]
NO_OUTCOME: Row = {"universalOutcomeLabel": None, "outcomes": None}
Check: TypeAlias = "tuple[str, list[Row]]"


def script(database: Database, *, optional: bool = False) -> str:
    """Return the script that users run, with or without its optional sections."""
    text = (ROOT / "sql" / f"{database.warehouse.dialect}.sql").read_text(encoding="utf-8")
    return views.enabled(text) if optional else text


def plain(name: str, value: Any) -> Any:
    """Return a value for comparison: numbers to nine digits, because clients differ in their types."""
    if value is None or name not in NUMBERS:
        return str(value) if isinstance(value, date) else value
    return round(float(value), 9)


def check(database: Database, checks: list[Check]) -> None:
    """Compare the rows of queries with the expected ones, in their columns and in any order."""
    statements = [statement for statement, _ in checks]
    if isinstance(database, Snowflake | BigQuery):  # as the recipes say
        quote = "`" if isinstance(database, BigQuery) else ""
        statements = [statement.replace('"', quote) for statement in statements]
    for (statement, expected), rows in zip(checks, database.queries(*statements), strict=True):
        wanted = [{name: plain(name, database.change(name, value)) for name, value in row.items()} for row in expected]
        assert len(wanted) > 1, statement
        found = [tuple(plain(name, row[database.stored(name)]) for name in wanted[0]) for row in rows]
        assert Counter(found) == Counter(tuple(row.values()) for row in wanted), statement


def grouped(rows: Iterable[Row], *names: str) -> Iterable[tuple[Row, list[Row]]]:
    """Return groups of rows, each with the common values of its rows."""
    groups: defaultdict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in names)].append(row)
    return [(dict(zip(names, key, strict=True)), group) for key, group in groups.items()]


def of_result(calls: Iterable[Row], result: str) -> list[Row]:
    return [call for call in calls if call["result"] == result]


def total(rows: Iterable[Row], name: str, unit: float = 1) -> float | None:
    known = [row[name] for row in rows if row[name] is not None]
    return sum(known) / unit if known else None


def mean(rows: Iterable[Row], name: str) -> float | None:
    known = [row[name] for row in rows if row[name] is not None]
    return sum(known) / len(known) if known else None


class Source:
    """Expected rows of the views for a sandbox."""

    def __init__(self, sandbox: Sandbox, teams: dict[str, str], users: dict[str, Row], outcomes: Rows) -> None:
        """Take the current data; `teams` and `users` are those that a report should name."""
        self.teams, self.users, self.outcomes = teams, users, outcomes
        self.kept = [each for each in sandbox.recordings if not is_deleted(each)]
        self.deleted = {each["id"] for each in sandbox.recordings if is_deleted(each)}
        self.rows = expected_rows(self.kept)
        self.calls = list(map(self._call, self.rows["recordings"].values()))
        self.by_id = {call["recording_id"]: call for call in self.calls}

    def _call(self, row: Row) -> Row:
        def linked(kind: str) -> Any:
            link = self.rows["recording_crm_links"].get((row["id"], kind, 0))
            return link and link["externalId"]

        rep, outcome = self.users[row["userId"]], self.outcomes.get((row["id"],)) or NO_OUTCOME
        return {
            "recording_id": row["id"],
            "title": row["title"],
            "rep_id": row["userId"],
            "rep": f"{rep['firstName']} {rep['lastName']}",
            "team": self.teams.get(rep["memberTeamId"]),
            "minutes": None if row["durationInMilliseconds"] is None else row["durationInMilliseconds"] / 60_000,
            "result": row["result"],
            "month": f"{row['createdAt'][:7]}-01",
            "outcome": outcome["universalOutcomeLabel"],
            "reason": next(iter(outcome["outcomes"] or []), NO_OUTCOME).get("customLabel"),
            "score": row["evaluationScore"],
            "followups": sum(key[0] == row["id"] for key in self.rows["recording_followups"]),
            "appointment_crm_id": linked("engagement"),
            "deal_crm_id": linked("opportunity"),
            "account_crm_id": linked("account"),
            "contact_crm_id": linked("contact"),
            "link": ((row["links"] or {}).get("web") or {}).get("self"),
        }

    def months(self) -> list[Row]:
        """Return the rows of `rep_months`."""
        return [
            {
                **key,
                "calls": len(group),
                "hours": total(group, "minutes", 60),
                "won": sum(call["result"] == "WON" for call in group),
                "lost": sum(call["result"] == "LOST" for call in group),
                "average_score": mean(group, "score"),
            }
            for key, group in grouped(self.calls, "rep_id", "rep", "team", "month")
        ]

    def values_for_crm(self) -> list[Row]:
        """Return each mapped value with each linked CRM record of the mapped type."""
        links: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
        for link in self.rows["recording_crm_links"].values():
            links[link["recordingId"], link["objectType"]].append(link)
        return [
            {
                "recording_id": row["recordingId"],
                "name": row["name"],
                "value": row["value"],
                "value_type": row["valueType"],
                "crm_model": row["crmModelName"],
                "crm_field": row["crmFieldName"],
                "crm_id": link["externalId"],
                "connection_id": link["integrationConnectionId"],
            }
            for row in self.rows["recording_entity_mappings"].values()
            for link in links[row["recordingId"], (row["crmModelName"] or "").lower()]
        ]


def transcribe(sandbox: Sandbox) -> None:
    """Give each recording a transcript in which each speaker has two lines."""
    lines = [{"speakerTag": tag, "startTimeInMillis": 0, "endTimeInMillis": length} for _, tag, length in SPOKEN]
    transcript = {"utterances": [*lines, *lines], "speakerMap": {tag: name for name, tag, _ in SPOKEN}}
    sandbox.details.transcripts |= {each["id"]: transcript for each in sandbox.recordings}


@pytest.mark.parametrize(
    "destination",
    [*(pytest.param(kind, marks=targets) for kind in (DuckDB, PostgreSQL, Snowflake)), IN_BIGQUERY],
    indirect=True,
)
def test_views_and_recipes_give_what_the_source_says(
    destination: Database, start: Callable[[Sandbox], Project]
) -> None:
    """Reports would show ids instead of names, miss or repeat calls, and count outdated rows."""
    data = recordings(100, odd=False)
    with Sandbox(data, lists=Lists(data)) as sandbox:
        project = start(sandbox)
        once = yaml.safe_load(blocks(RECIPES)["yaml: each fact once"])
        optional = ("recording_outcomes", "followups", "scorecards", "scorecard_nodes", *DETAIL_KEYS)
        select = ["*.*", *(f"!{name}.*" for name in optional), *once]
        transcribe(sandbox)
        project.sync(select=select)
        # Unchanged, the script needs no stream that is off by default.
        destination.execute(script(destination))
        lists = sandbox.lists
        everyone = {user["id"]: dict(user) for user in lists.users}
        everywhere = {team["id"]: team["name"] for team in lists.teams}
        check(destination, [("SELECT * FROM calls", Source(sandbox, everywhere, everyone, {}).calls)])

        lists.followups[1]["recordingId"] = "not loaded"
        select = ["*.*", *once]
        project.sync(select=select, **user_host(sandbox))
        # One rep moves to another team, the team of another is deleted, and a third is no longer listed.
        moved, dissolved, former = (next(u for u in lists.users if u["memberTeamId"] == f"team-{n}") for n in range(3))
        moved["memberTeamId"] = everyone[moved["id"]]["memberTeamId"] = "team-3"
        lists.teams = [team for team in lists.teams if team["id"] != dissolved["memberTeamId"]]
        lists.users.remove(former)
        followups = expected_lists(lists)["followups"]
        gone = next(each for each in lists.followups[2:] if each["status"] == "TO_DO")
        lists.followups.remove(gone)
        change(sandbox)
        project.sync(select=select, **user_host(sandbox))
        if destination.warehouse.marks:
            del everywhere[dissolved["memberTeamId"]], followups[gone["followupId"],]
            everyone[former["id"]]["memberTeamId"] = None
        listed = expected_lists(lists) | {"followups": followups}
        source = Source(sandbox, everywhere, everyone, listed["recording_outcomes"])
        details = {
            stream: [row for row in rows.values() if row["recordingId"] in source.by_id]
            for stream, rows in expected_details(sandbox).items()
        }

    for _ in range(2):  # again, as after an upgrade
        destination.execute(script(destination, optional=True))

    tables = dict(zip(KEYS, destination.queries(*(f"SELECT * FROM live_{stream}" for stream in KEYS)), strict=True))  # noqa: S608
    names = {name.removeprefix("!recordings.") for name in once}
    for key, row in source.rows["recordings"].items():
        source.rows["recordings"][key] = {name: value for name, value in row.items() if name not in names}
    assert destination.differences(source.rows, tables) == {}
    whole = sum(length for *_, length in SPOKEN)
    shares = [
        {"recording_id": each["id"], "speaker": name or tag, "minutes": length / 30_000, "share": length / whole}
        for each in source.kept
        if each.get("isProcessingDone") is not False
        for name, tag, length in SPOKEN
    ]
    rows = optional_views(source, listed, details) | {
        "reps": [
            {"rep_id": user["id"], "rep": f"{user['firstName']} {user['lastName']}", "crm_id": user["externalId"]}
            | {"team": everywhere.get(user["memberTeamId"])}
            for user in everyone.values()
        ],
        "calls": source.calls,
        "rep_months": source.months(),
        "values_for_crm": source.values_for_crm(),
        "talk_share": shares,
    }
    check(destination, [(f"SELECT * FROM {view}", expected) for view, expected in rows.items()])  # noqa: S608
    scored = scores(source, listed, details)
    sql = {name.removeprefix("sql: "): text for page in (README, RECIPES) for name, text in blocks(page).items()}
    check(destination, [(sql[name], expected) for name, expected in recipes(source, lists, rows, scored).items()])


def optional_views(source: Source, lists: dict[str, Rows], details: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Return the rows of the views on streams that are off by default, except transcripts."""
    cards = {row["scorecardId"]: row["scorecardName"] for row in details["recording_scorecards"]}
    nodes = {tuple(row[key] for key in NODE): row for row in details["recording_scorecard_nodes"]}
    followups = [
        row
        for row in lists["followups"].values()
        if row["status"] != "COMPLETE" and row["recordingId"] not in source.deleted
    ]
    assert {None, "not loaded"} < {row["recordingId"] for row in followups}
    return {
        f"live_{stream}": [{key: row[key] for key in keys} for row in details[stream]]
        for stream, keys in DETAIL_KEYS.items()
    } | {
        "scorecard_steps": [
            {
                "recording_id": row["recordingId"],
                "scorecard": cards[row["scorecardId"]],
                "section": nodes[*key[:2], row["parentId"]]["name"],
                "section_number": nodes[*key[:2], row["parentId"]]["indexNumber"],
                "step": lists["scorecard_nodes"][key[1:]]["name"],
                "step_number": row["indexNumber"],
                "metric_value": row["metricValue"],
                "points_earned": row["pointsEarned"],
                "color": row["color"],
            }
            for key, row in nodes.items()
            if row["nodeType"] == "METRIC"
        ],
        "open_followups": [
            {"followup_id": row["followupId"], "recording_id": row["recordingId"], "status": row["status"]}
            | {"followup_type": row["followupType"], "rep": row["repName"], "team": row["teamName"]}
            | {"score": row["score"]}
            for row in followups
        ],
    }


def scores(source: Source, lists: dict[str, Rows], details: dict[str, list[Row]]) -> list[Row]:
    """Return the score of each call: the weighted points of its sections."""
    groups = grouped(
        [row for row in details["recording_scorecard_nodes"] if row["nodeType"] == "SECTION"],
        "recordingId",
        "scorecardId",
    )
    weights = {key: row["weight"] for key, row in lists["scorecard_nodes"].items()}
    found = []
    for key, sections in groups:
        weighted = [(row["pointsEarned"], weights[row["scorecardId"], row["nodeId"]]) for row in sections]
        score = sum(points * weight for points, weight in weighted) / sum(weight for _, weight in weighted)
        found.append(source.by_id[key["recordingId"]] | {"score": score})
    return found


def recipes(source: Source, lists: Lists, rows: dict[str, list[Row]], scored: list[Row]) -> dict[str, list[Row]]:
    """Return the rows of the documentation's queries on the views, by query name."""
    won = [call for call in source.calls if call["result"] == "WON"]
    links = [
        crm | {"objectType": link["objectType"]}
        for link in source.rows["recording_crm_links"].values()
        for crm in lists.integration_connections
        if crm["id"] == link["integrationConnectionId"]
    ]
    deals = [
        source.by_id[deal["recordingId"]] | {"amount": deal["amount"]}
        for deal in lists.opportunities
        if deal["disposition"] == "WON" and deal["recordingId"] in source.by_id
    ]
    shares = [source.by_id[row["recording_id"]] | row for row in rows["talk_share"]]
    steps = [source.by_id[row["recording_id"]] | row for row in rows["scorecard_steps"]]
    found = {
        "calls": [
            {**key, "calls": len(group), "score": mean(group, "score")} for key, group in grouped(won, "rep", "team")
        ],
        "calls per rep": [
            {**key, "calls": len(group), "hours": total(group, "minutes", 60)}
            for key, group in grouped(source.calls, "rep", "team", "result")
        ],
        "lost": [
            {**key, "calls": len(group)}
            for key, group in grouped(source.calls, "team", "outcome", "reason", "result")
            if key.pop("result") == "LOST"
        ],
        "values for the CRM": [
            {name: row[name] for name in ("crm_model", "crm_id", "crm_field", "value")}
            for row in rows["values_for_crm"]
            if row["value"] is not None
        ],
        "unrecorded": [{"externalId": each["externalId"]} for each in lists.engagements if "recordingId" not in each],
        "won": [
            {**key, "deals": len(group), "won": total(group, "amount")} for key, group in grouped(deals, "rep", "team")
        ],
        "platforms": [
            {**key, "links": len(group)} for key, group in grouped(links, "integrationPlatform", "name", "objectType")
        ],
        "speakers": [
            {**key, "calls": len(group), "share": mean(group, "share")}
            for key, group in grouped(shares, "result", "speaker")
            if key["result"] in {"WON", "LOST"}
        ],
        "steps": [
            {**key, "points": mean(group, "points_earned")}
            for key, group in grouped(steps, "rep", "scorecard", "section", "step")
        ],
        "steps of won calls": [
            {**key, "won": won_points, "lost": lost_points}
            | {"difference": None if won_points is None or lost_points is None else won_points - lost_points}
            for key, group in grouped(steps, "scorecard", "section", "step")
            for won_points in [mean(of_result(group, "WON"), "points_earned")]
            for lost_points in [mean(of_result(group, "LOST"), "points_earned")]
        ],
        "scores by month": [
            {**key, "calls": len(group), "score": mean(group, "score")}
            for key, group in grouped(scored, "rep", "team", "month")
        ],
        "follow ups": [{name: row[name] for name in ("rep", "score")} for row in rows["open_followups"]],
    }
    assert found.keys() == ON_VIEWS
    return found
