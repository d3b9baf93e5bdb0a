"""Runs of the tap in a separate process, and their output."""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.sandbox.streams import DETAIL_KEYS, KEYS, LIST_KEYS
from tests.support.fork_server import Forked, ForkServer, measured

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
PLAIN = (sys.executable, "-m", "tap_siro")
"""The tap as an executable for `start_tap`, for tests of how a process starts, ends or is connected."""
EAGER = {"tap_siro.sync.recordings.STATE_SECONDS": 0.0, "tap_siro.sync.recordings.BATCH_STATE_SECONDS": 0.0}
"""Settings for a STATE after each page that allows one."""
State = dict[str, Any]
Table = dict[tuple[Any, ...], dict[str, Any]]


@dataclass
class Run:
    """Output of a run of the tap."""

    messages: list[dict[str, Any]]
    stderr: str
    status: int
    records: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        """Sort the records by stream."""
        for message in self.messages:
            if message["type"] == "RECORD":
                self.records[message["stream"]].append(message["record"])

    @property
    def states(self) -> list[State]:
        """Return the values of the STATE messages."""
        return [message["value"] for message in self.messages if message["type"] == "STATE"]

    @property
    def state(self) -> State:
        """Return the last STATE, which Meltano keeps."""
        return self.states[-1] if self.states else {}

    @property
    def schemas(self) -> list[str]:
        """Return the streams of the SCHEMA messages."""
        return [message["stream"] for message in self.messages if message["type"] == "SCHEMA"]

    def count(self) -> dict[str, int]:
        """Return the number of rows of each stream."""
        return {stream: len(rows) for stream, rows in self.records.items()}


class Warehouse:
    """Tables of an upserting target: the last row of a key wins. They load complete and interrupted output."""

    def __init__(self) -> None:
        """Start empty, with a table for each stream: the recordings' family, details and lists."""
        self.tables: dict[str, Table] = {stream: {} for stream in KEYS}
        self.details: dict[str, Table] = {stream: {} for stream in DETAIL_KEYS}
        self.lists: dict[str, Table] = {stream: {} for stream in LIST_KEYS}
        self.state: State = {}

    def load(self, run: Run) -> None:
        """Load a run's output, and keep its last state."""
        for stream, rows in run.records.items():
            tables = next(each for each in (self.tables, self.details, self.lists) if stream in each)
            keys = KEYS | DETAIL_KEYS | LIST_KEYS
            for row in rows:
                tables[stream][tuple(row[key] for key in keys[stream])] = row
        self.state = run.state or self.state

    def live(self) -> dict[str, Table]:
        """Return the tables without stale child rows."""
        recordings = self.tables["recordings"]
        return {
            stream: {
                key: row
                for key, row in table.items()
                if stream == "recordings" or row["recordingUpdatedAt"] == recordings[key[:1]]["updatedAt"]
            }
            for stream, table in self.tables.items()
        }


def config_for(sandbox: Sandbox, **settings: Any) -> dict[str, Any]:
    """Return the settings to read a sandbox: no test waits for the rate limit, or depends on today's date."""
    defaults = {"daily_recheck_days": 0, "requests_per_minute": 100_000}
    return {"api_url": sandbox.url, "api_token": sandbox.token, **defaults, **settings}


def user_host(sandbox: Sandbox) -> dict[str, Any]:
    """Return the settings to read the sandbox's user host, with an OAuth app."""
    oauth = sandbox.oauth
    return {
        "user_api_url": sandbox.user_api_url,
        "oauth_client_id": oauth.app_id,
        "oauth_client_secret": oauth.app_secret,
        "oauth_user_id": oauth.user_id,
    }


def client_app(sandbox: Sandbox) -> dict[str, Any]:
    """Return the settings to read both of the sandbox's hosts with client credentials."""
    oauth = sandbox.oauth
    return {
        "api_token": None,
        "auth_url": sandbox.auth_url,
        "user_api_url": sandbox.user_api_url,
        "client_id": oauth.client_id,
        "client_secret": oauth.client_secret,
    }


@functools.cache
def _fork_server() -> ForkServer:
    server = ForkServer()
    atexit.register(server.close)
    return server


def start_tap(
    directory: Path,
    config: Mapping[str, Any] | str | None,
    *,
    state: State | None = None,
    catalog: Mapping[str, Any] | None = None,
    arguments: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
    constants: Mapping[str, float] | None = None,
    stdout: Any = subprocess.PIPE,
    executable: tuple[str, ...] | None = None,
) -> subprocess.Popen[str] | Forked:
    """Start the tap, by forking or with an executable; stdout and stderr are pipes of text.

    A config that is text is written unchanged. In a forked tap, `constants` of its modules can be replaced, by full
    name.
    """
    command = list(arguments)
    for name, content in (("config", config), ("state", state), ("catalog", catalog)):
        if content is not None:
            path = directory / f"{name}.json"
            path.write_text(content if isinstance(content, str) else json.dumps(content))
            command += [f"--{name}", str(path)]
    own = {"PATH": os.environ["PATH"], "HOME": str(directory), "PYTHONPATH": str(ROOT), "NO_PROXY": "*"}
    env = {**own, **measured(), **(environment or {})}
    if executable is None:
        return _fork_server().start(command, cwd=directory, env=env, constants=constants or {}, stdout=stdout)
    assert not constants
    return subprocess.Popen(
        [*executable, *command],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        cwd=directory,
        env=env,
    )


def run_tap(directory: Path, config: Mapping[str, Any] | str | None, *, status: int | None = 0, **options: Any) -> Run:
    """Run the tap to its end and check its exit status, if one is given."""
    with start_tap(directory, config, **options) as process:
        out, err = process.communicate(timeout=60)
    assert status in {None, process.returncode}, err
    assert process.returncode is not None
    assert not out or out.endswith("\n")
    return Run([json.loads(line) for line in out.split("\n") if line], err, process.returncode)


def run_and_kill(
    directory: Path, config: Mapping[str, Any], sandbox: Sandbox, *, at_request: int, **options: Any
) -> Run:
    """Run the tap, kill it when it sends a certain request, and return the complete lines of its output."""
    with start_tap(directory, config, constants=EAGER, **options) as process:
        sandbox.clear()
        sandbox.hook = lambda _, request: process.kill() if request.number == at_request else None
        out, err = process.communicate(timeout=60)
        sandbox.hook = None
    assert process.returncode is not None
    return Run([json.loads(line) for line in out.split("\n")[:-1]], err, process.returncode)


@functools.cache
def discover() -> str:
    """Return what `--discover` prints."""
    with tempfile.TemporaryDirectory() as directory, start_tap(Path(directory), {}, arguments=("--discover",)) as tap:
        return tap.communicate(timeout=60)[0]


def selecting(*streams: str) -> dict[str, Any]:
    """Return the tap's catalog with these streams selected, or all."""
    catalog: dict[str, Any] = json.loads(discover())
    for stream in catalog["streams"]:
        root = next(entry for entry in stream["metadata"] if entry["breadcrumb"] == [])
        root["metadata"]["selected"] = not streams or stream["tap_stream_id"] in streams
    return catalog
