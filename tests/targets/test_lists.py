"""Targets treat a team that was deleted at Siro as the README says."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox import Sandbox
from tests.sandbox.data import recordings
from tests.sandbox.streams import DEFAULT, LIST_KEYS, Lists, expected_lists
from tests.sandbox.teams import TEAMS
from tests.support.process import config_for, run_tap, selecting
from tests.targets import project as projects
from tests.targets.destinations import CSV, Database, Destination, DuckDB, Files, JSONLines, PostgreSQL, Snowflake

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.targets, pytest.mark.usefixtures("meltano")]

Catalog = dict[str, Any]
DATA = recordings(3, odd=False)
LISTS = Lists(recordings(40, odd=False))
DELETED = "_sdc_deleted_at"


def sync(
    destination: Destination, sandbox: Sandbox, directory: Path, *, status: int = 0, catalog: Catalog | None = None
) -> None:
    """Load the tap's output."""
    run = run_tap(directory, config_for(sandbox, max_retry_seconds=0), status=status, catalog=catalog)
    kind = destination.kind
    config = directory / "target.json"
    config.write_text(json.dumps(destination.config))
    target = subprocess.run(
        [projects.plugin("loaders", kind.name, kind.executable or kind.name), "--config", config],
        input="".join(json.dumps(message) + "\n" for message in run.messages).encode(),
        env={"PATH": os.environ["PATH"], **destination.environment},
        cwd=directory,
        capture_output=True,
        check=False,
    )
    assert target.returncode == 0, target.stderr.decode()[-2000:]


def loaded(destination: Database) -> tuple[set[tuple[object, bool]], set[tuple[object, ...]]]:
    """Return all teams, with True if marked as deleted, and the unmarked members of each."""
    teams, members = destination.queries("SELECT * FROM teams", "SELECT * FROM team_members")
    deleted = destination.stored(DELETED)
    names = [destination.stored(name) for name in LIST_KEYS["team_members"]]
    return (
        {(team[destination.stored("id")], team.get(deleted) is not None) for team in teams},
        {tuple(row[name] for name in names) for row in members if not row.get(deleted)},
    )


@pytest.mark.parametrize("destination", [DuckDB, PostgreSQL, Snowflake], indirect=True)
def test_a_team_that_is_gone_is_marked_where_the_target_can(destination: Database, tmp_path: Path) -> None:
    """Reports by team would keep a deleted team, or lose existing ones."""
    marks = not isinstance(destination, DuckDB)
    assert destination.kind.gone == ("marked in `_sdc_deleted_at`" if marks else "still there")
    catalog = selecting("teams", "team_members")
    with Sandbox(DATA, lists=LISTS.copy()) as sandbox:
        made = sandbox.lists
        sync(destination, sandbox, tmp_path, catalog=catalog)
        teams, members = {(team["id"], False) for team in made.teams}, set(expected_lists(made)["team_members"])
        assert loaded(destination) == (teams, members)

        # A refused request hides no rows.
        gone = made.teams.pop(1)
        sandbox.fault("status", path=TEAMS, status=403)
        sync(destination, sandbox, tmp_path, status=1, catalog=catalog)
        assert loaded(destination) == (teams, members)

        sync(destination, sandbox, tmp_path, catalog=catalog)
        left = set(expected_lists(made)["team_members"]) if marks else members
        assert left < members or not marks
        assert loaded(destination) == (teams - {(gone["id"], False)} | {(gone["id"], marks)}, left)

        # The team returns.
        made.teams.append(gone)
        sync(destination, sandbox, tmp_path, catalog=catalog)
        assert loaded(destination) == (teams, members)


@pytest.mark.parametrize("destination", [CSV, JSONLines], indirect=True)
def test_files_hold_what_is_there(destination: Files, tmp_path: Path) -> None:
    """A reader of the last files would still find a team that is gone."""
    assert destination.kind.gone == "not in later files"
    with Sandbox(DATA, lists=LISTS.copy()) as sandbox:
        sync(destination, sandbox, tmp_path)
        made = sandbox.lists
        del made.teams[1]
        destination.clear()
        sync(destination, sandbox, tmp_path)
    for stream in DEFAULT:
        last = destination.runs(stream)[-1]
        key = LIST_KEYS[stream]
        assert {tuple(row[name] for name in key) for row in last} == set(expected_lists(made)[stream])
