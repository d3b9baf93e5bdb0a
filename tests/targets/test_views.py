"""The views of `sql/` on tables that real targets loaded, and the recipes that read them."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
import yaml

from tests.sandbox import Sandbox
from tests.sandbox.data import recordings
from tests.sandbox.directory_data import Directory
from tests.sandbox.expected import Row, expected_rows
from tests.support.documents import README, RECIPES, blocks
from tests.support.process import KEYS, ROOT
from tests.targets.changes import change, is_deleted
from tests.targets.destinations import BigQuery, Database, DuckDB, PostgreSQL, Snowflake
from tools import views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.targets.project import Project

targets = pytest.mark.targets
IN_BIGQUERY = pytest.param(BigQuery, marks=pytest.mark.bigquery)

NUMBERS = {"minutes", "hours", "score", "average_score", "share", "points", "metric_value", "won", "points_earned"}
SPOKEN = [("Rep", "0", 90_000), ("Customer", "1", 30_000), (None, "2", 6_000)]
ON_VIEWS = {
    "calls", "calls per rep", "values for the CRM", "unrecorded", "won", "platforms", "speakers", "steps", "follow ups"
}  # fmt: skip
"""The queries that are tested here."""
# What is not loaded in these tests: the columns that the views read, and `recordingUpdatedAt`.
MADE = {
    "recording_outcomes": ("recordingId", "universalOutcomeLabel"),
    "followups": (
        "followupId", "recordingId", "dateCreated", "repName", "teamName", "followupType", "followupAction", "score",
        "status",
    ),
    "recording_followup_details": ("followupId", "recordingId", "recordingUpdatedAt", "status"),
    "recording_scorecards": ("recordingId", "scorecardId", "recordingUpdatedAt", "scorecardName"),
    "recording_scorecard_nodes": (
        "recordingId", "scorecardId", "nodeId", "recordingUpdatedAt", "parentId", "nodeType", "name", "indexNumber",
        "metricType", "metricValue", "unit", "pointsEarned", "pointsPossible", "color",
    ),
}  # fmt: skip
AMOUNTS = {"score", "indexNumber", "metricValue", "pointsEarned", "pointsPossible"}
Check: TypeAlias = tuple[str, list[Row]]
OUTDATED = "2020-01-01T00:00:00.000Z"


def script(database: Database, *, optional: bool = False) -> str:
    """The script that users run, with its optional sections or without."""
    text = (ROOT / "sql" / f"{database.warehouse.dialect}.sql").read_text(encoding="utf-8")
    return views.enabled(text) if optional else text


def table_of(database: Database, table: str, rows: Iterable[Row]) -> str:
    """Statements that make a table as the target would, for a stream that was not loaded."""
    names = MADE[table]
    kinds = [
        "DOUBLE PRECISION"
        if name in AMOUNTS
        else "TIMESTAMP"
        if name.endswith("At") or name == "dateCreated"
        else "TEXT"
        for name in names
    ]
    marks = [*zip(names, kinds, strict=True), ("_sdc_deleted_at", "TIMESTAMP")]
    columns = ", ".join(f'"{database.stored(name)}" {kind}' for name, kind in marks)
    values = ", ".join(f"({', '.join(literal(row.get(name), kind) for name, kind in marks)})" for row in rows)
    statements = (f"CREATE TABLE {table} ({columns})", f"INSERT INTO {table} VALUES {values}")  # noqa: S608
    return "".join(f"{views.written(statement, database.warehouse)};\n" for statement in statements)


def literal(value: Any, kind: str) -> str:
    text = "NULL" if value is None else f"'{value}'" if isinstance(value, str) else str(value)
    return f"CAST({text} AS {kind})".replace("Z' AS TIMESTAMP", "' AS TIMESTAMP")


def plain(name: str, value: Any) -> Any:
    """A value as it is compared: numbers to nine digits, as clients differ in their types."""
    if value is None or name not in NUMBERS:
        return str(value) if isinstance(value, date) else value
    return round(float(value), 9)


def check(database: Database, checks: list[Check]) -> None:
    """Compare the rows of queries with those that are expected, in the columns of these and in any order."""
    statements = [statement for statement, _ in checks]
    if isinstance(database, Snowflake | BigQuery):  # the recipes say so
        quote = "`" if isinstance(database, BigQuery) else ""
        statements = [statement.replace('"', quote) for statement in statements]
    for (statement, expected), rows in zip(checks, database.queries(*statements), strict=True):
        wanted = [{name: plain(name, database.change(name, value)) for name, value in row.items()} for row in expected]
        assert len(wanted) > 1, statement
        found = [tuple(plain(name, row[database.stored(name)]) for name in wanted[0]) for row in rows]
        assert Counter(found) == Counter(tuple(row.values()) for row in wanted), statement


def grouped(rows: Iterable[Row], *names: str) -> Iterable[tuple[Row, list[Row]]]:
    """Groups of rows, each with what the rows of the group have in common."""
    groups: defaultdict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in names)].append(row)
    return [(dict(zip(names, key, strict=True)), group) for key, group in groups.items()]


def total(rows: Iterable[Row], name: str, unit: float = 1) -> float | None:
    known = [row[name] for row in rows if row[name] is not None]
    return sum(known) / unit if known else None


def mean(rows: Iterable[Row], name: str) -> float | None:
    known = [row[name] for row in rows if row[name] is not None]
    return sum(known) / len(known) if known else None


class Source:
    """What the views should say of what the sandbox has."""

    def __init__(self, sandbox: Sandbox, teams: dict[str, str], users: dict[str, Row], outcomes: Row) -> None:
        """Take what is true now; `teams` and `users` are those that a report should name."""
        self.teams, self.users, self.outcomes = teams, users, outcomes
        self.kept = [each for each in sandbox.recordings if not is_deleted(each)]
        self.rows = expected_rows(self.kept)
        self.calls = list(map(self._call, self.rows["recordings"].values()))
        self.by_id = {call["recording_id"]: call for call in self.calls}

    def _call(self, row: Row) -> Row:
        def linked(kind: str) -> Any:
            link = self.rows["recording_crm_links"].get((row["id"], kind, 0))
            return link and link["externalId"]

        rep = self.users[row["userId"]]
        return {
            "recording_id": row["id"],
            "title": row["title"],
            "rep_id": row["userId"],
            "rep": f"{rep['firstName']} {rep['lastName']}",
            "team": self.teams.get(rep["memberTeamId"]),
            "minutes": None if row["durationInMilliseconds"] is None else row["durationInMilliseconds"] / 60_000,
            "result": row["result"],
            "outcome": self.outcomes.get(row["id"]),
            "score": row["evaluationScore"],
            "followups": sum(key[0] == row["id"] for key in self.rows["recording_followups"]),
            "appointment_crm_id": linked("engagement"),
            "deal_crm_id": linked("opportunity"),
            "account_crm_id": linked("account"),
            "contact_crm_id": linked("contact"),
            "link": ((row["links"] or {}).get("web") or {}).get("self"),
        }

    def months(self) -> list[Row]:
        """Rows of `rep_months`."""
        created = self.rows["recordings"]
        calls = [call | {"month": f"{created[call['recording_id'],]['createdAt'][:7]}-01"} for call in self.calls]
        return [
            {
                **key,
                "calls": len(group),
                "hours": total(group, "minutes", 60),
                "won": sum(call["result"] == "WON" for call in group),
                "lost": sum(call["result"] == "LOST" for call in group),
                "average_score": mean(group, "score"),
            }
            for key, group in grouped(calls, "rep_id", "rep", "team", "month")
        ]

    def values_for_crm(self) -> list[Row]:
        """Each mapped value with each CRM record of the mapped kind that the recording is linked to."""
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


def made_rows(source: Source, deleted: str) -> dict[str, list[Row]]:
    """Rows of streams that are not loaded: of recordings that are kept, of a deleted one, and outdated ones."""
    made: dict[str, list[Row]] = defaultdict(list)
    moments = {key[0]: row["updatedAt"] for key, row in source.rows["recordings"].items()}
    for number, name in enumerate([*list(moments)[:20], deleted]):
        keys = {"recordingId": name, "recordingUpdatedAt": moments.get(name, OUTDATED)}
        made["recording_outcomes"].append({**keys, "universalOutcomeLabel": ("SOLD", "NO_SHOW", None)[number % 3]})
        followup = {
            "followupId": f"followup-{number}",
            "dateCreated": f"2026-03-{number + 1:02}T00:00:00.000Z",
            "repName": "Rep",
            "teamName": "Team",
            "followupType": "REHASH",
            "followupAction": "Call",
            "score": number % 5,
            "status": ("TO_DO", "IN_PROGRESS", "COMPLETE", None)[number % 4],
        }
        made["followups"].append(keys | followup | {"_sdc_deleted_at": OUTDATED if number == 5 else None})
        made["recording_followup_details"] += [
            keys | followup,
            followup | {"followupId": f"old-{number}", "recordingId": name, "recordingUpdatedAt": OUTDATED},
        ]
        scorecard = {"scorecardId": f"scorecard-{number % 2}", "scorecardName": f"Visit {number % 2}"}
        made["recording_scorecards"].append(keys | scorecard)
        nodes: list[Row] = [
            {"nodeId": "root", "parentId": None, "nodeType": "ROOT", "name": "root"},
            {"nodeId": "section", "parentId": "root", "nodeType": "SECTION", "name": "Discovery", "indexNumber": 1},
            *(
                {"nodeId": f"step-{step}", "parentId": "section", "nodeType": "METRIC", "name": f"Step {step}"}
                | {"indexNumber": step, "metricType": "AI_METRIC", "metricValue": step / 2, "unit": "percent"}
                | {"pointsEarned": 25 * (number % 4), "pointsPossible": 100, "color": "RED"}
                for step in range(2)
            ),
        ]
        made["recording_scorecard_nodes"] += [keys | scorecard | node for node in nodes]
        made["recording_scorecard_nodes"].append(
            keys | scorecard | nodes[-1] | {"nodeId": "gone", "recordingUpdatedAt": OUTDATED}
        )
    made["followups"].append(made["followups"][0] | {"followupId": "unknown", "recordingId": "not loaded"})
    return made


def transcribe(sandbox: Sandbox) -> dict[str, Any]:
    """Give each recording a transcript, in which each speaker has two lines; return the settings to read it."""
    lines = [{"speakerTag": tag, "startTimeInMillis": 0, "endTimeInMillis": length} for _, tag, length in SPOKEN]
    transcript = {"utterances": [*lines, *lines], "speakerMap": {tag: name for name, tag, _ in SPOKEN}}
    sandbox.details.transcripts |= {each["id"]: transcript for each in sandbox.recordings}
    oauth = sandbox.oauth
    return {
        "user_api_url": sandbox.user_api_url,
        "oauth_client_id": oauth.app_id,
        "oauth_client_secret": oauth.app_secret,
        "oauth_user_id": oauth.user_id,
    }


@pytest.mark.parametrize(
    "destination",
    [*(pytest.param(kind, marks=targets) for kind in (DuckDB, PostgreSQL, Snowflake)), IN_BIGQUERY],
    indirect=True,
)
def test_views_and_recipes_give_what_the_source_says(
    destination: Database, start: Callable[[Sandbox], Project]
) -> None:
    """Reports would have ids for names, miss or repeat calls, and count what is not true any more."""
    data = recordings(100, odd=False)
    with Sandbox(data, directory=Directory.of(data)) as sandbox:
        project = start(sandbox)
        once = yaml.safe_load(blocks(RECIPES)["yaml: each fact once"])
        select = ["*.*", *(f"!{name}.*" for name in MADE), *once]
        settings = transcribe(sandbox)
        project.sync(select=select, **settings)
        directory = sandbox.directory
        everyone = {user["id"]: dict(user) for user in directory.users}
        everywhere = {team["id"]: team["name"] for team in directory.teams}
        # Of three reps, one moves to another team, one's team is dissolved, and one is not listed any more.
        moved, dissolved, former = (
            next(u for u in directory.users if u["memberTeamId"] == f"team-{n}") for n in range(3)
        )
        moved["memberTeamId"] = everyone[moved["id"]]["memberTeamId"] = "team-3"
        directory.teams = [team for team in directory.teams if team["id"] != dissolved["memberTeamId"]]
        directory.users.remove(former)
        change(sandbox)
        project.sync(select=select, **settings)
        if destination.warehouse.marks:
            del everywhere[dissolved["memberTeamId"]]
            everyone[former["id"]]["memberTeamId"] = None
        source = Source(sandbox, everywhere, everyone, {})
        (deleted, *_) = [each["id"] for each in sandbox.recordings if is_deleted(each)]

    # As it stands, the script needs no stream that is off by default.
    destination.execute(script(destination))
    check(destination, [("SELECT * FROM calls", source.calls)])
    made = made_rows(source, deleted)
    destination.execute("".join(table_of(destination, table, rows) for table, rows in made.items()))
    for _ in range(2):  # again, as after an upgrade
        destination.execute(script(destination, optional=True))

    outcomes = {row["recordingId"]: row["universalOutcomeLabel"] for row in made["recording_outcomes"]}
    source = Source(sandbox, everywhere, everyone, outcomes)
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
    live = {stream: [row for row in made[stream] if row["recordingId"] != deleted] for stream in made}
    rows = made_views(live, marks=destination.warehouse.marks) | {
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
    sql = {name.removeprefix("sql: "): text for page in (README, RECIPES) for name, text in blocks(page).items()}
    check(destination, [(sql[name], expected) for name, expected in recipes(source, directory, rows).items()])


def made_views(live: dict[str, list[Row]], *, marks: bool) -> dict[str, list[Row]]:
    """Rows of the views on tables that are not loaded."""
    names = {stream: [name for name in MADE[stream] if name not in AMOUNTS and name[-2:] != "At"] for stream in live}
    current = {
        stream: [row for row in rows if row["recordingUpdatedAt"] != OUTDATED or stream == "followups"]
        for stream, rows in live.items()
    }
    return {
        f"live_{stream}": [{name: row.get(name) for name in names[stream]} for row in current[stream]]
        for stream in ("recording_followup_details", "recording_scorecards", "recording_scorecard_nodes")
    } | {
        "scorecard_steps": [
            {
                "recording_id": row["recordingId"],
                "scorecard": row["scorecardName"],
                "section": "Discovery",
                "section_number": 1,
                "step": row["name"],
                "step_number": row["indexNumber"],
                "metric_value": row["metricValue"],
                "points_earned": row["pointsEarned"],
                "color": row["color"],
            }
            for row in current["recording_scorecard_nodes"]
            if row["nodeType"] == "METRIC"
        ],
        "open_followups": [
            {"followup_id": row["followupId"], "recording_id": row["recordingId"], "score": row["score"]}
            for row in current["followups"]
            if row["status"] != "COMPLETE" and not (marks and row["_sdc_deleted_at"])
        ],
    }


def recipes(source: Source, directory: Directory, rows: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Rows of the documentation's queries on the views, by the query's name."""
    won = [call for call in source.calls if call["result"] == "WON"]
    links = [
        crm | {"objectType": link["objectType"]}
        for link in source.rows["recording_crm_links"].values()
        for crm in directory.connections
        if crm["id"] == link["integrationConnectionId"]
    ]
    deals = [
        source.by_id[deal["recordingId"]] | {"amount": deal["amount"]}
        for deal in directory.opportunities
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
        "values for the CRM": [
            {name: row[name] for name in ("crm_model", "crm_id", "crm_field", "value")}
            for row in rows["values_for_crm"]
            if row["value"] is not None
        ],
        "unrecorded": [
            {"externalId": each["externalId"]} for each in directory.engagements if "recordingId" not in each
        ],
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
        "follow ups": [{"score": row["score"]} for row in rows["open_followups"]],
    }
    assert found.keys() == ON_VIEWS
    return found
