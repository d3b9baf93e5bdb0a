"""Settings of the targets in `meltano.yml`: only credentials are missing, and no value changes because of them."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from demo.changing import change
from tests.sandbox import Sandbox
from tests.sandbox.data import recordings
from tests.sandbox.streams import KEYS
from tests.support.process import config_for, run_tap
from tests.targets import project
from tests.targets.destinations import SCHEMA, Database, DuckDB, PostgreSQL, Snowflake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.sandbox.oracle import Row

pytestmark = pytest.mark.targets

every = pytest.mark.parametrize("kind", [DuckDB, PostgreSQL, Snowflake])


@pytest.fixture
def make(tmp_path: Path, request: pytest.FixtureRequest, meltano: Path) -> Callable[[type[Database], str], Database]:
    """Make an empty database of a kind, with a name."""

    def made(kind: type[Database], name: str) -> Database:
        directory = tmp_path / name
        directory.mkdir()
        if kind is PostgreSQL:
            return PostgreSQL(request.getfixturevalue("postgres_server"), f"{tmp_path.name}_{name}")
        if kind is Snowflake:
            return Snowflake(directory, project.plugin("loaders", "target-snowflake", "snowflake-stand-in-query"))
        return DuckDB(directory)

    return made


def start(database: Database, directory: Path, **settings: Any) -> subprocess.Popen[str]:
    """Start a target with default settings, except some."""
    kind = database.kind
    config = directory / f"{kind.name}.json"
    config.write_text(json.dumps(settings | database.config))
    return subprocess.Popen(
        [project.plugin("loaders", kind.name, kind.executable or kind.name), "--config", config],
        env={"PATH": os.environ["PATH"], "HOME": str(directory), **database.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def load(database: Database, directory: Path, messages: Iterable[dict[str, Any]], **settings: Any) -> None:
    """Load messages with a target."""
    process = start(database, directory, **settings)
    process.communicate("".join(f"{json.dumps(message)}\n" for message in messages))
    assert process.returncode == 0


def contents(database: Database) -> dict[str, Any]:
    """Return all rows, and the types of their columns, without the columns for the time of loading."""
    columns, *found = database.queries(
        "SELECT table_name, column_name, data_type FROM information_schema.columns "  # noqa: S608
        f"WHERE upper(table_schema) = '{SCHEMA.upper()}'",
        *(f"SELECT * FROM {stream}" for stream in KEYS),  # noqa: S608
    )
    tables = {
        stream: {tuple(row[database.stored(name)] for name in KEYS[stream]): _without_times(row) for row in rows}
        for stream, rows in zip(KEYS, found, strict=True)
    }
    return {"tables": tables, "columns": sorted(tuple(row.values()) for row in columns)}


def _without_times(row: Row) -> Row:
    return {name: value for name, value in row.items() if not name.lower().startswith("_sdc_")}


@every
def test_no_setting_changes_a_value_or_a_type(
    kind: type[Database], make: Callable[[type[Database], str], Database], tmp_path: Path
) -> None:
    """A fast target must not cost a digit, a time zone, or the difference between null and nothing."""
    with Sandbox(recordings(120)) as sandbox:
        first = run_tap(tmp_path, config_for(sandbox))
        change(sandbox)
        second = run_tap(tmp_path, config_for(sandbox), state=first.state)
    as_it_comes, as_set = make(kind, "as_it_comes"), make(kind, "as_set")
    settings = project.loaders()[kind.kind.name]["config"]
    assert settings["batch_size_rows"] > len(first.messages)
    for run in (first, second):
        # Several batches, so that the batch size is compared too.
        load(as_it_comes, tmp_path, run.messages, batch_size_rows=700)
        load(as_set, tmp_path, run.messages, **settings)
    expected, found = contents(as_it_comes), contents(as_set)
    assert len(expected["tables"]["recordings"]) == 121
    assert found == expected
