"""Fixtures that load real databases."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.targets import destinations, postgres, project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.sandbox import Sandbox
    from tests.targets.destinations import Destination


@pytest.fixture(scope="session")
def meltano() -> Path:
    """Meltano's executable, when all plugins are installed."""
    return project.prepare()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A PostgreSQL server."""
    with postgres.running() as server:
        yield server


@pytest.fixture(scope="session")
def bigquery_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an emulator of BigQuery."""
    port = postgres.free_port()
    home = tmp_path_factory.mktemp("emulator")
    command: list[str] = [str(project.script("emulator")), str(port)]
    with subprocess.Popen(command, env={"PATH": os.environ["PATH"], "HOME": str(home)}, cwd=home) as process:
        while not _listens(port):
            assert process.poll() is None
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
        process.terminate()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@pytest.fixture
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> Destination:
    """An empty destination; the parameter is one of the classes of `destinations`."""
    kind = request.param
    if kind is destinations.PostgreSQL:
        return destinations.PostgreSQL(request.getfixturevalue("postgres_server"), tmp_path.name)
    if kind is destinations.BigQuery:
        emulator = request.getfixturevalue("bigquery_emulator")
        return destinations.BigQuery(emulator, tmp_path.name.replace("_", "-").lower(), project.script("target"))
    directory = tmp_path / "loaded"
    directory.mkdir()
    if kind is destinations.Snowflake:
        query = project.plugin("loaders", destinations.Snowflake.kind.name, "snowflake-stand-in-query")
        return destinations.Snowflake(directory, query)
    made: Destination = kind(directory)
    return made


@pytest.fixture
def start(tmp_path: Path, meltano: Path, destination: Destination) -> Callable[[Sandbox], project.Project]:
    """Make a Meltano project that loads a sandbox into the destination."""
    return lambda sandbox: project.Project(tmp_path / "project", meltano, sandbox, destination)
