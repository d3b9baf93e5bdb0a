"""The documentation's recipes, run from its text on tables that real targets loaded, give what the source says."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import yaml

from tests.sandbox import Sandbox
from tests.sandbox.data import recordings
from tests.sandbox.expected import expected_rows
from tests.sandbox.streams import KEYS, Lists
from tests.support.documents import README, RECIPES, STREAMS, blocks
from tests.targets.destinations import SCHEMA, Database, Destination, DuckDB, PostgreSQL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.sandbox.oracle import Row
    from tests.targets.project import Project

    Start = Callable[[Sandbox], Project]

pytestmark = pytest.mark.targets

CHILDREN = [stream for stream in KEYS if stream != "recordings"]
SECTIONS = "recording_summary_sections"
JOINED = {"reps and teams", "unrecorded", "won", "platforms", "speakers"}
FLAGS = {"showCrmLinks", "showSummary", "showEntityExtractions", "showEvaluationScore", "showFollowups"}


def change(sandbox: Sandbox) -> None:
    """What happens to recordings between two syncs: lists get shorter, links others, and some are deleted or purged."""
    whole = [
        each
        for each in sandbox.recordings
        if each.get("updatedAt") and len(each.get("summary") or []) > 1 and (each.get("crm") or {}).get("users")
    ]
    for number, each in enumerate(whole[:30]):
        name, moment = each["id"], "2026-11-20T08:00:00.000Z"
        match number % 5:
            case 0:
                sandbox.update(name, summary=each["summary"][:1], entityExtractions=[])
            case 1:
                sandbox.update(name, crm=each["crm"] | {"engagement": {"id": "e", "externalId": f"new {number}"}})
            case 2:
                sandbox.update(name, deleted=True, deletedAt=moment)
            case 3:
                sandbox.update(name, deleted=None, deletedAt=moment)
            case 4:
                sandbox.update(name, rootDataPurgedAt=moment, summary=[], entityExtractions=[], followups=[], crm=None)


def is_deleted(recording: Row) -> bool:
    return recording.get("deleted") is True or isinstance(recording.get("deletedAt"), str)


def execute(destination: Database, statement: str) -> None:
    """Run a statement that changes rows."""
    if isinstance(destination, DuckDB):
        with duckdb.connect(str(destination._file)) as connection:
            connection.execute(f"USE {SCHEMA}")
            connection.execute(statement)
    elif isinstance(destination, PostgreSQL):
        with destination._server.connect(destination._database, options=f"-c search_path={SCHEMA}") as connection:
            connection.execute(statement)


def results(destination: Database, rows: list[Row], *columns: str) -> Counter[tuple[Any, ...]]:
    """Rows of a result, in any order; hours to six digits, as databases differ in what they call a number."""
    found = [{name: row[destination.stored(name)] for name in columns} for row in rows]
    for row in found:
        if row.get("hours") is not None:
            row["hours"] = round(float(row["hours"]), 6)
    return Counter(tuple(row.values()) for row in found)


def outcomes(source: list[Row]) -> list[Row]:
    """Calls and hours for each rep and outcome, counted in the source."""
    groups: defaultdict[tuple[Any, Any], list[Row]] = defaultdict(list)
    for row in source:
        if not is_deleted(row):
            groups[row.get("userId"), row.get("result")].append(row)
    totals = []
    for (rep, result), calls in groups.items():
        lengths = [call["durationInMilliseconds"] for call in calls if call.get("durationInMilliseconds") is not None]
        hours = sum(lengths) / 3_600_000 if lengths else None
        totals.append({"userId": rep, "result": result, "calls": len(calls), "hours": hours})
    return totals


def values_for_the_crm(source: list[Row]) -> list[Row]:
    """Each mapped value with each CRM record of the mapped kind that the recording is linked to."""
    expected = expected_rows(source)
    linked: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for link in expected["recording_crm_links"].values():
        linked[link["recordingId"], link["objectType"]].append(link["externalId"])
    return [
        {name: mapping[name] for name in ("value", "crmModelName", "crmFieldName")} | {"externalId": external}
        for mapping in expected["recording_entity_mappings"].values()
        for external in linked[mapping["recordingId"], (mapping["crmModelName"] or "").lower()]
    ]


def loaded_as(destination: Destination, rows: list[Row]) -> list[Row]:
    return [{destination.stored(name): destination.change(name, value) for name, value in row.items()} for row in rows]


@pytest.mark.parametrize("destination", [DuckDB, PostgreSQL], indirect=True)
def test_each_query_gives_what_the_source_says(destination: Database, start: Start) -> None:
    sql = {
        name: text
        for page in (README, STREAMS, RECIPES)
        for name, text in blocks(page).items()
        if name.startswith("sql")
    }
    with Sandbox(recordings(150)) as sandbox:
        project = start(sandbox)
        project.sync()
        first = expected_rows(sandbox.recordings)
        assert destination.differences(first, destination.tables()) == {}
        assert 0 < project.sync()["recordings"] < 10
        assert destination.differences(first, destination.tables()) == {}
        # PostgreSQL's target writes JSON's null, which is not NULL: the README says so.
        without_crm = destination.query("SELECT id FROM recordings WHERE crm IS NULL")
        assert bool(without_crm) is not isinstance(destination, PostgreSQL)
        change(sandbox)
        project.sync()
        source = sandbox.recordings
        kept = [each for each in source if not is_deleted(each)]
        assert len(source) - len(kept) > 10
        expected = expected_rows(source)

        columns = ("userId", "result", "calls", "hours")
        found = destination.query(sql.pop("sql: outcomes"))
        counted = results(destination, loaded_as(destination, outcomes(source)), *columns)
        assert results(destination, found, *columns) == counted

        columns = ("value", "crmModelName", "crmFieldName", "externalId")
        found = destination.query(sql.pop("sql: values for the CRM"))
        joined = loaded_as(destination, values_for_the_crm(source))
        assert len(joined) > 100
        assert results(destination, found, *columns) == results(destination, joined, *columns)

        live = sql.pop("sql: live rows")
        tables = destination.tables()
        for stream in CHILDREN:
            assert len(tables[stream]) > len(expected[stream])
            tables[stream] = destination.query(live.replace(SECTIONS, stream))
        assert destination.differences(expected, tables) == {}

        child_rows, rows = sql.pop("sql: delete child rows"), sql.pop("sql: delete recordings")
        assert {name.removeprefix("sql: ") for name in sql} == JOINED, "a recipe that is not tested"
        cleaned = expected_rows(kept)
        # A sync reads the latest updates again and brings deleted recordings back.
        for again in (False, True):
            if again:
                project.sync()
                assert len(destination.tables()["recordings"]) > len(kept)
            for stream in CHILDREN:
                execute(destination, child_rows.replace(SECTIONS, stream))
            execute(destination, rows)
            assert destination.differences(cleaned, destination.tables()) == {}


@pytest.mark.parametrize("destination", [DuckDB, PostgreSQL], indirect=True)
def test_recordings_are_joined_to_what_they_point_to(destination: Database, start: Start) -> None:
    """Reports would have ids for names, and miss or repeat calls, appointments and deals."""
    sql = blocks(RECIPES)
    data = recordings(60, odd=False)
    with Sandbox(data, lists=Lists(data)) as sandbox:
        project = start(sandbox)
        spoken = [("Rep", "0", 90_000), ("Customer", "1", 30_000), (None, "2", 6_000)]
        lines = [{"speakerTag": tag, "startTimeInMillis": 0, "endTimeInMillis": length} for _, tag, length in spoken]
        transcript = {"utterances": [*lines, *lines], "speakerMap": {tag: name for name, tag, _ in spoken}}
        sandbox.details.transcripts |= {each["id"]: transcript for each in data}
        oauth = sandbox.oauth
        project.sync(
            select=["*.*"],
            user_api_url=sandbox.user_api_url,
            oauth_client_id=oauth.app_id,
            oauth_client_secret=oauth.app_secret,
            oauth_user_id=oauth.user_id,
        )
        made = sandbox.lists
    teams = {user: team["name"] for team in made.teams for user in team["memberUids"]}
    users = {user["id"]: user for user in made.users}

    def rep(recording: Row) -> tuple[Any, ...]:
        user = users[recording["userId"]]
        return user["firstName"], user["lastName"]

    kept = [each for each in data if not is_deleted(each)]
    found = destination.query(sql["sql: reps and teams"])
    counted = Counter((*rep(each), teams[each["userId"]]) for each in kept)
    assert results(destination, found, "firstName", "lastName", "team", "calls") == Counter(
        (*who, calls) for who, calls in counted.items()
    )

    found = destination.query(sql["sql: unrecorded"])
    unrecorded = [each["externalId"] for each in made.engagements if "recordingId" not in each]
    assert len(unrecorded) == 5
    assert results(destination, found, "externalId") == Counter((each,) for each in unrecorded)

    won: defaultdict[tuple[Any, ...], list[float]] = defaultdict(list)
    by_id = {each["id"]: each for each in data}
    for deal in made.opportunities:
        if deal["disposition"] == "WON":
            won[rep(by_id[deal["recordingId"]])].append(deal["amount"])
    found = destination.query(sql["sql: won"])
    found = [{name: float(value) if name == "won" else value for name, value in row.items()} for row in found]
    assert results(destination, found, "firstName", "lastName", "deals", "won") == Counter(
        (*who, len(amounts), sum(amounts)) for who, amounts in won.items()
    )

    found = destination.query(sql["sql: speakers"])
    found = [{name: float(value) if name == "minutes" else value for name, value in row.items()} for row in found]
    processed = [each for each in kept if each.get("isProcessingDone") is not False]
    calls = Counter(str(each["result"]) for each in processed if each.get("result") in {"WON", "LOST"})
    assert calls["WON"] > 3
    assert results(destination, found, "result", "speaker", "calls", "minutes") == Counter(
        (result, name or tag, times, times * 2 * length / 60_000)
        for result, times in calls.items()
        for name, tag, length in spoken
    )

    found = destination.query(sql["sql: platforms"])
    platform = {each["id"]: (each["integrationPlatform"], each["name"]) for each in made.integration_connections}
    linked = Counter(
        (*platform[link["integrationConnectionId"]], link["objectType"])
        for link in expected_rows(data)["recording_crm_links"].values()
    )
    assert results(destination, found, "integrationPlatform", "name", "objectType", "links") == Counter(
        (*what, links) for what, links in linked.items()
    )


@pytest.mark.parametrize("destination", [DuckDB], indirect=True)
def test_meltano_asks_only_for_what_is_selected(destination: Database, start: Start) -> None:
    """A user would pay for what they deselected, and keep what they must not have."""
    with Sandbox(recordings(60)) as sandbox:
        start(sandbox).sync(select=yaml.safe_load(blocks(RECIPES)["yaml: select"])["select"])
        sent = {frozenset(request.params.keys() & FLAGS) for request in sandbox.requests}
        expected = expected_rows(sandbox.recordings)
    assert sent == {frozenset(FLAGS - {"showFollowups", "showEvaluationScore"})}
    for row in expected["recordings"].values():
        del row["followups"], row["evaluationScore"]
    del expected["recording_followups"]
    loaded = {stream: destination.query(f"TABLE {stream}") for stream in expected}
    assert destination.differences(expected, loaded) == {}
    with pytest.raises(duckdb.CatalogException):
        destination.query("SELECT * FROM recording_followups")


@pytest.mark.parametrize("destination", [DuckDB], indirect=True)
def test_meltano_takes_the_salt_from_the_environment(destination: Database, start: Start) -> None:
    """With the name of the variable as the salt, everybody knows the salt."""
    with Sandbox(recordings(60)) as sandbox:
        project = start(sandbox)
        project.meltano.environment["SIRO_SALT"] = "pepper"
        project.sync(**yaml.safe_load(blocks(RECIPES)["yaml: hash"])["config"])
        titles = {each["id"]: each.get("title") for each in sandbox.recordings}
    for row in destination.query('SELECT "id", "title" FROM recordings'):
        title = titles[row["id"]]
        inner = hashlib.sha256(title.encode()).hexdigest() if title else ""
        assert row["title"] == (hashlib.sha256(f"pepper{inner}".encode()).hexdigest() if title else None)


@pytest.mark.parametrize("destination", [DuckDB], indirect=True)
def test_one_stream_and_a_window_are_read_again(destination: Database, start: Start, meltano: Path) -> None:
    """A user would clear the whole state and read everything again, or edit it and lose the other bookmarks."""
    script, window = blocks(RECIPES)["sh: reset"], blocks(RECIPES)["sh: window with meltano"]
    with Sandbox(recordings(60)) as sandbox:
        project = start(sandbox)

        def shell(script: str) -> None:
            ran = subprocess.run(
                ["bash", "-ec", script],
                cwd=project.directory,
                env=project.meltano.environment | {"PATH": f"{meltano.parent}:{os.environ['PATH']}"},
                capture_output=True,
                text=True,
                check=False,
            )
            assert ran.returncode == 0, ran.stderr

        project.sync()
        before = project.state()
        bookmark = before["recording_followups"]["replication_key_value"]
        before["recording_followups"] |= {"replication_key_value": None, "pass_query": None}
        assert project.states() == [name for name in script.split() if name.startswith("dev:")]
        shell(script)
        assert project.state() == before

        sandbox.clear()
        sent = project.sync()
        expected = expected_rows(sandbox.recordings)
        assert sent["recording_followups"] == len(expected["recording_followups"])
        assert 0 < sent["recordings"] < len(expected["recordings"]) / 4
        before["recording_followups"]["replication_key_value"] = bookmark
        assert project.state() == before

        sandbox.clear()
        shell(window.replace("meltano run", "meltano run --no-install"))
        updated = {"updatedAt:gte": "2025-05-01T00:00:00.000Z", "updatedAt:lt": "2025-06-01T00:00:00.000Z"}
        assert sandbox.requests[0].params.items() >= updated.items()
        assert project.states() == ["dev:tap-siro-to-target-duckdb", "dev:tap-siro-to-target-duckdb:2025-05"]
        kept = (project.directory / "state" / project.states()[0] / "state.json").read_text()
        assert json.loads(kept)["completed"]["singer_state"]["bookmarks"] == before
