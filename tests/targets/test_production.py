"""The project file and the examples, run as a scheduler runs them."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock, patch

import psycopg
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from demo.meltano import Meltano
from tests.sandbox import Sandbox, timestamps
from tests.sandbox.data import recordings
from tests.sandbox.expected import expected_rows
from tests.support.documents import blocks
from tests.support.process import ROOT
from tests.targets import kinds, project
from tests.targets.destinations import Database, DuckDB, PostgreSQL, Snowflake

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.targets.postgres import Server

pytestmark = pytest.mark.targets

WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / "docs/examples/github-actions.yml").read_text(encoding="utf-8"))
JOB = WORKFLOW["jobs"]["recordings"]
STATE = "tap-siro-to-target-duckdb"


@pytest.fixture
def clone(tmp_path: Path, meltano: Path) -> Meltano:
    """The repository's project file, in a directory with a space in its name."""
    directory = tmp_path / "a clone"
    (directory / "output").mkdir(parents=True)
    users = project.repository()
    users["plugins"]["extractors"] = [project.extractor()]
    # Unchanged, except for the stand-in in place of Snowflake.
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
    """A user who has put the credentials into .env should not have to look up the target's settings."""
    target = destination.kind.name
    prefix = f"{target.upper().replace('-', '_')}_"
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    named = re.findall(rf"^# {prefix}(\w+)=", example, re.MULTILINE)
    environment = {f"{prefix}{name.upper()}": str(value) for name, value in destination.config.items()}
    assert environment.keys() <= {f"{prefix}{name}" for name in named}
    with Sandbox(recordings(60)) as sandbox:
        succeed(clone, sandbox, "run", "tap-siro", target, **environment, **destination.environment)
    assert not destination.differences(expected_rows(sandbox.recordings), destination.tables())


def test_the_targets_are_those_that_are_tested() -> None:
    """The documentation would name versions that a clone does not install."""
    packages = {name: loader["pip_url"] for name, loader in project.loaders().items()}
    assert packages == {kind.name: kind.packages for kind in kinds.DOCUMENTED if kind.name in packages}


def workflow() -> tuple[str, list[dict[str, str]]]:
    """Return the command of the GitHub workflow, and its variables for each organization."""
    (sync,) = [step for step in JOB["steps"] if step.get("name") == "Sync"]
    variables = JOB["env"] | sync["env"]
    return sync["run"], [
        {name: value.replace("${{ matrix.organization }}", each) for name, value in variables.items()}
        for each in JOB["strategy"]["matrix"]["organization"]
    ]


def dag() -> tuple[str, list[dict[str, str]]]:
    """Return the command of the Airflow task, and its variables for each organization. Airflow is a mock."""
    bash = MagicMock()
    modules = {"airflow.sdk": MagicMock(), "airflow.providers.standard.operators.bash": bash}
    with patch.dict(sys.modules, modules):
        runpy.run_path(str(ROOT / "docs/examples/airflow_dag.py"))
    operator = bash.BashOperator.partial
    mapped = operator.return_value.expand.call_args.kwargs["env"]
    assert all(variables.pop("MELTANO_STATE_BACKEND_URI").startswith("s3://") for variables in mapped)
    return operator.call_args.kwargs["bash_command"], mapped


def key() -> str:
    """Return a private key: the stand-in for Snowflake accepts any, but the target refuses invalid ones."""
    made = rsa.generate_private_key(65537, 2048)
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return made.private_bytes(serialization.Encoding.PEM, *form).decode()


@pytest.mark.parametrize(
    ("example", "destination"), [(workflow, Snowflake), (dag, PostgreSQL)], indirect=["destination"]
)
def test_an_example_keeps_the_rows_and_the_state_of_each_organization(
    example: Callable[[], tuple[str, list[dict[str, str]]]],
    destination: PostgreSQL | Snowflake,
    clone: Meltano,
    tmp_path: Path,
) -> None:
    """The examples load a warehouse that outlives the machine, with only their own variables."""
    target = destination.kind.name
    prefix = f"{target.upper().replace('-', '_')}_"
    command, organizations = example()
    program, *arguments = shlex.split(command)
    assert (program, arguments[-1]) == ("meltano", target)
    names = [each["SIRO_ORGANIZATION"] for each in organizations]
    for number, variables in enumerate(organizations):
        secrets = {name for name, value in variables.items() if "{{ secrets." in value or "{{ conn." in value}
        assert "TAP_SIRO_API_TOKEN" in secrets
        known = {f"{prefix}{name.upper()}": str(value) for name, value in destination.config.items()}
        known["TARGET_SNOWFLAKE_PRIVATE_KEY"] = key()
        environment = variables | {name: known.get(name, "none") for name in secrets} | destination.environment
        del environment["TAP_SIRO_API_TOKEN"]
        destination.schema = variables[f"{prefix}DEFAULT_TARGET_SCHEMA"]
        data = recordings(60, seed=number)
        with Sandbox(data, token=f"token-of-{names[number]}") as sandbox:
            succeed(clone, sandbox, *arguments, **environment)
            (before,) = destination.query(blocks("docs/production.md")["sql: freshness"])
            sandbox.update(data[7]["id"], title="Renamed")
            sandbox.clear()
            succeed(clone, sandbox, *arguments, **environment)
            (after,) = destination.query(blocks("docs/production.md")["sql: freshness"])
            assert list(after.values()) > list(before.values())
            assert "updatedAt:gte" in sandbox.requests[0].params, "the second run began anew"
            expected = expected_rows(sandbox.recordings)
        assert not destination.differences(expected, destination.tables())
    states = {file.parent.name for file in (tmp_path / "a clone" / "state").glob("*/state.json")}
    assert states == {f"prod:tap-siro-to-{target}:{name}" for name in names}, "what the workflow keeps is not the state"
    kept = {step["with"]["path"] for step in JOB["steps"] if "cache" in step.get("uses", "")}
    assert kept == {"state"}


def test_the_grants_of_the_setup_page_are_enough_for_postgresql(clone: Meltano, postgres_server: Server) -> None:
    """More privileges than needed are a risk, and with fewer the first run fails."""
    database, scripts = PostgreSQL(postgres_server, "warehouse"), blocks("docs/setup.md")
    config = database.config | {"user": "siro_loader"}
    with postgres_server.connect("warehouse") as connection:
        connection.execute(scripts["sql: postgres grants"])
        connection.execute("CREATE ROLE reporter LOGIN")
    with Sandbox(recordings(20)) as sandbox:
        environment = {f"TARGET_POSTGRES_{name.upper()}": str(value) for name, value in config.items()}
        succeed(clone, sandbox, "run", "tap-siro", "target-postgres", **environment)
    server = f"host=127.0.0.1 port={postgres_server.port} dbname=warehouse"
    with psycopg.connect(server, user="siro_loader") as loader:
        loader.execute(scripts["sql: postgres readers"])
    with psycopg.connect(server, user="reporter") as reporter:
        assert reporter.execute("SELECT count(*) FROM siro.recordings").fetchall() == [(20,)]
