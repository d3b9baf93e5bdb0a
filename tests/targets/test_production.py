"""The project file and the examples, run as a scheduler runs them."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from demo.meltano import Meltano
from tests.sandbox import Sandbox, timestamps
from tests.sandbox.data import recordings
from tests.sandbox.expected import expected_rows
from tests.support.process import ROOT
from tests.targets import kinds, project
from tests.targets.destinations import Database, DuckDB, PostgreSQL, Snowflake

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.targets

WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / "docs/examples/github-actions.yml").read_text(encoding="utf-8"))
JOB = WORKFLOW["jobs"]["recordings"]
STATE = "tap-siro-to-target-duckdb"


@pytest.fixture
def clone(tmp_path: Path, meltano: Path) -> Meltano:
    """The project file that users get, in a directory with a space in its name."""
    directory = tmp_path / "a clone"
    (directory / "output").mkdir(parents=True)
    users = project.repository()
    users["plugins"]["extractors"] = [project.extractor()]
    # The same, but for the stand-in in place of Snowflake.
    users["plugins"]["loaders"] = [project.loader(kind, {}) for kind in kinds.KINDS if kind.name in project.loaders()]
    (directory / "meltano.yml").write_text(yaml.safe_dump(users, sort_keys=False), encoding="utf-8")
    project.lend(directory)
    return Meltano(meltano, directory, tmp_path, {})


def succeed(clone: Meltano, sandbox: Sandbox, *arguments: str, **environment: str) -> None:
    access = {"TAP_SIRO_API_URL": sandbox.url, "TAP_SIRO_API_TOKEN": sandbox.token}
    assert clone.run("run", *arguments, **access, **environment) == 0, clone.tail("run")


def test_ci_tries_the_last_days_and_the_schedule_of_prod_loads_everything(clone: Meltano, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    start, a_week_ago = (timestamps.from_ms(timestamps.to_ms(now - timedelta(days=days))) for days in (20, 7))
    data = recordings(60, start=start, end=timestamps.from_ms(timestamps.to_ms(now - timedelta(days=4))))
    output = tmp_path / "a clone" / "output"
    with Sandbox(data) as sandbox:
        succeed(clone, sandbox, "--environment=ci", "run", "recordings")
        last_days = expected_rows(data, since=a_week_ago)
        assert 0 < len(last_days["recordings"]) < len(data)
        loaded = DuckDB(output, file="ci.duckdb")
        assert not loaded.differences(last_days, loaded.tables())
        for _ in range(2):
            sandbox.clear()
            succeed(clone, sandbox, "--environment=prod", "schedule", "run", "recordings-hourly")
        assert "updatedAt:gte" in sandbox.requests[0].params, "the second run began anew"
    loaded = DuckDB(output)
    assert not loaded.differences(expected_rows(data), loaded.tables())
    states = {file.parent.name for file in (tmp_path / "a clone" / "state").glob("*/state.json")}
    assert states == {f"ci:{STATE}", f"prod:{STATE}"}


@pytest.mark.parametrize("destination", [PostgreSQL, Snowflake], indirect=True)
def test_a_warehouse_needs_only_what_the_example_environment_names(clone: Meltano, destination: Database) -> None:
    """Who has put the credentials into .env should not have to look up the target's settings."""
    target = destination.kind.name
    prefix = f"{target.upper().replace('-', '_')}_"
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    credentials = {
        name: destination.config[name.lower()] for name in re.findall(rf"^# {prefix}(\w+)=", example, re.MULTILINE)
    }
    assert credentials, "the example names nothing of this target"
    port = {f"{prefix}PORT": str(destination.config["port"])} if "port" in destination.config else {}
    environment = {f"{prefix}{name}": str(value) for name, value in credentials.items()} | port
    with Sandbox(recordings(60)) as sandbox:
        succeed(clone, sandbox, "run", "tap-siro", target, **environment, **destination.environment)
    assert not destination.differences(expected_rows(sandbox.recordings), destination.tables())


def test_the_targets_are_those_that_are_tested() -> None:
    """The README names versions that a clone would not install."""
    packages = {name: loader["pip_url"] for name, loader in project.loaders().items()}
    assert packages == {kind.name: kind.packages for kind in kinds.DOCUMENTED if kind.name in packages}


def test_the_workflow_loads_each_organization_with_its_own_token_and_state(clone: Meltano, tmp_path: Path) -> None:
    (sync,) = [step for step in JOB["steps"] if step.get("name") == "Sync"]
    program, *arguments = shlex.split(sync["run"])
    assert program == "meltano"
    organizations = JOB["strategy"]["matrix"]["organization"]
    for number, name in enumerate(organizations):
        environment = {key: value.replace("${{ matrix.organization }}", name) for key, value in JOB["env"].items()}
        with Sandbox(recordings(60, seed=number), token=f"token-of-{name}") as sandbox:
            succeed(clone, sandbox, *arguments, **environment)
            expected = expected_rows(sandbox.recordings)
        loaded = DuckDB(tmp_path / "a clone" / "output", schema=f"siro_{name}")
        assert not loaded.differences(expected, loaded.tables())
    states = {file.parent.name for file in (tmp_path / "a clone" / "state").glob("*/state.json")}
    assert states == {f"prod:{STATE}:{name}" for name in organizations}, "what the workflow keeps is not the state"
    kept = {step["with"]["path"] for step in JOB["steps"] if "cache" in step.get("uses", "")}
    assert kept == {"state"}


def test_the_airflow_example_runs_the_same_command_and_compiles() -> None:
    text = (ROOT / "docs/examples/airflow_dag.py").read_text(encoding="utf-8")
    compile(text, "airflow_dag.py", "exec")
    (command,) = re.findall(r'bash_command="(.*)"', text)
    assert command in [step.get("run") for step in JOB["steps"]]
    assert set(re.findall(r'"([A-Z_]+)": ', text)) >= {"SIRO_ORGANIZATION", "TAP_SIRO_API_TOKEN"}
