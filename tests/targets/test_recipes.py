"""The recipes of the documentation, run on tables that real targets loaded, give the right results."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from typing import TYPE_CHECKING

import duckdb
import pytest
import yaml

from tests.sandbox import Sandbox
from tests.sandbox.data import recordings
from tests.sandbox.expected import expected_rows
from tests.sandbox.streams import KEYS
from tests.support.documents import README, RECIPES, STREAMS, blocks
from tests.support.process import ROOT
from tests.targets.changes import change, is_deleted
from tests.targets.destinations import Database, DuckDB, PostgreSQL
from tests.targets.test_views import ON_VIEWS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.targets.project import Project

    Start = Callable[[Sandbox], Project]

pytestmark = pytest.mark.targets

CHILDREN = [stream for stream in KEYS if stream != "recordings"]
SECTIONS = "recording_summary_sections"
FLAGS = {"showCrmLinks", "showSummary", "showEntityExtractions", "showEvaluationScore", "showFollowups"}


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
        # PostgreSQL's target writes JSON's null, which is not NULL (see docs/targets.md).
        without_crm = destination.query("SELECT id FROM recordings WHERE crm IS NULL")
        assert bool(without_crm) is not isinstance(destination, PostgreSQL)
        change(sandbox)
        project.sync()
        source = sandbox.recordings
        kept = [each for each in source if not is_deleted(each)]
        assert len(source) - len(kept) > 10
        expected = expected_rows(source)

        live = sql.pop("sql: live rows")
        tables = destination.tables()
        for stream in CHILDREN:
            assert len(tables[stream]) > len(expected[stream])
            tables[stream] = destination.query(live.replace(SECTIONS, stream))
        assert destination.differences(expected, tables) == {}

        child_rows, rows = sql.pop("sql: delete child rows"), sql.pop("sql: delete recordings")
        assert {name.removeprefix("sql: ") for name in sql} == ON_VIEWS, "a recipe that is not tested"
        cleaned = expected_rows(kept)
        # A sync reads the latest updates again and brings deleted recordings back.
        for again in (False, True):
            if again:
                project.sync()
                assert len(destination.tables()["recordings"]) > len(kept)
            for stream in CHILDREN:
                destination.execute(child_rows.replace(SECTIONS, stream))
            destination.execute(rows)
            assert destination.differences(cleaned, destination.tables()) == {}


@pytest.mark.parametrize("destination", [DuckDB], indirect=True)
def test_meltano_asks_only_for_what_is_selected(destination: Database, start: Start) -> None:
    """Users would pay for deselected data, and store data that they must not have."""
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
    """If the name of the variable were the salt, everybody would know it."""
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
    recipes = blocks(RECIPES)
    script, window = recipes["sh: reset"], recipes["sh: window with meltano"]
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

        updated = {"updatedAt:gte": "2025-05-01T00:00:00.000Z", "updatedAt:lt": "2025-06-01T00:00:00.000Z"}
        for _ in range(2):  # lists are read in full each time
            sandbox.clear()
            shell(window.replace("meltano run", "meltano run --no-install"))
            assert sandbox.requests[0].params.items() >= updated.items()
        assert project.states() == ["dev:tap-siro-to-target-duckdb", "dev:tap-siro-to-target-duckdb:2025-05"]
        shell(recipes["sh: state of dev"])
        assert project.states()[2:] == ["prod:tap-siro-to-target-duckdb"]
        for name in project.states()[::2]:
            kept = (project.directory / "state" / name / "state.json").read_text()
            assert json.loads(kept)["completed"]["singer_state"]["bookmarks"] == before

        # As in a clone of the repository.
        (project.directory / "sql").symlink_to(ROOT / "sql")
        (project.directory / "output").symlink_to(destination.config["filepath"].rpartition("/")[0])
        shell(recipes["sh: views"])
        assert destination.query("SELECT count(*) AS calls FROM calls")[0]["calls"] > 50
