"""The state that Meltano keeps: however a sync ends, the next one loses nothing."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox import Sandbox
from tests.sandbox.data import recordings
from tests.sandbox.expected import expected_rows
from tests.sandbox.streams import KEYS
from tests.targets import project as projects
from tests.targets.destinations import DuckDB, PostgreSQL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.targets.destinations import Destination
    from tests.targets.project import Project

pytestmark = pytest.mark.targets

DATA = recordings(120)
EXPECTED = expected_rows(DATA)
duckdb = pytest.mark.parametrize("destination", [DuckDB], indirect=True)
# Slow, with small pages, so that a run can be interrupted: 30 pages take some four seconds, and the tap writes a STATE
# every two.
LATENCY, MIDDLE = 0.12, 24
PAGES: dict[str, Any] = {"page_size": 4, "concurrency": 1}
EARLY = sorted(each["createdAt"] for each in DATA if each.get("createdAt"))[20]
OPEN = ("pass_position", "pass_since", "pass_as_of", "pass_max_seen", "pass_query")


def has_trace(project: Project) -> bool:
    return any(bookmark[name] is not None for bookmark in project.state().values() for name in OPEN)


@duckdb
def test_each_environment_and_each_suffix_has_a_state_of_its_own(
    destination: Destination, start: Callable[[Sandbox], Project]
) -> None:
    """If two pipelines shared a state, one would skip rows that only the other has loaded."""
    with Sandbox(DATA) as sandbox:
        project = start(sandbox)
        suffix = ("--state-id-suffix", "acme")
        assert project.sync()["recordings"] >= len(DATA)
        project.meltano.environment["MELTANO_ENVIRONMENT"] = "prod"
        assert project.sync(*suffix)["recordings"] >= len(DATA), "the history of this pipeline is missing"
        name = "tap-siro-to-target-duckdb"
        assert project.states() == [f"dev:{name}", f"prod:{name}:acme"]
        assert project.sync(*suffix)["recordings"] < 10
    assert not destination.differences(EXPECTED, destination.tables())


@duckdb
def test_a_history_that_is_stopped_and_finished_later_leaves_no_trace(
    destination: Destination, start: Callable[[Sandbox], Project]
) -> None:
    """Meltano merges states and deletes nothing: a later sync would continue an old pass."""
    with Sandbox(DATA, latency=LATENCY) as sandbox:
        project = start(sandbox)
        run = project.break_off(apart=True, **PAGES)
        while len(sandbox.requests) < MIDDLE:
            assert run.poll() is None
            time.sleep(0.01)
        os.killpg(run.pid, signal.SIGTERM)
        assert run.wait() != 0
        sandbox.latency = 0
        project.sync()
        assert not has_trace(project)
    assert not destination.differences(EXPECTED, destination.tables())


@duckdb
def test_a_history_that_is_killed_goes_on_from_the_last_full_batch(
    destination: Destination, start: Callable[[Sandbox], Project]
) -> None:
    """A full sync of hours that is stopped each hour would never finish, although the log says that it continues."""
    with Sandbox(DATA, latency=LATENCY) as sandbox:
        project = start(sandbox)
        project.meltano.environment["TARGET_DUCKDB_BATCH_SIZE_ROWS"] = "60"
        run = project.break_off(apart=True, **PAGES | {"page_size": 2})
        while not any(position > EARLY for position in project.positions()):
            assert run.poll() is None, "nothing was confirmed"
            time.sleep(0.02)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        sandbox.latency = 0
        # For five minutes, Meltano treats a killed run as running.
        assert 0 < project.sync("--force")["recordings"] < len(DATA), "the history began anew"
    assert not destination.differences(EXPECTED, destination.tables())


@duckdb
def test_a_full_refresh_sends_everything_and_is_finished_by_the_next_run_if_it_is_interrupted(
    destination: Destination, start: Callable[[Sandbox], Project]
) -> None:
    """The old bookmark remains beside the new position; it must not count as the end of the full sync."""
    with Sandbox(DATA) as sandbox:
        project = start(sandbox)
        project.sync()
        before = project.state()
        assert project.sync("--full-refresh")["recordings"] >= len(DATA)
        assert project.state() == before
        sandbox.latency = LATENCY
        sandbox.clear()
        fault = sandbox.fault("status", status=401, on=None, when=lambda request: request.number >= MIDDLE)
        assert project.break_off("--full-refresh", **PAGES).wait() == 1
        kept = project.state()["recordings"]
        assert kept["replication_key_value"] == before["recordings"]["replication_key_value"]
        assert kept["pass_position"] > EARLY
        fault.on = 0
        sandbox.latency = 0
        sandbox.clear()
        project.sync()
        assert "updatedAt:gte" not in sandbox.requests[0].params, "the rest of the history was not read"
    assert project.state() == before
    assert not destination.differences(EXPECTED, destination.tables())


def breaking(directory: Path, target: Path) -> Path:
    """Make a target that loads the first messages, confirms their state, and fails.

    It receives twenty messages after the first STATE with a late position.
    """
    script = directory / "breaking"
    script.write_text(f"""#!{sys.executable}
import json, subprocess, sys
target = subprocess.Popen([{str(target)!r}, *sys.argv[1:]], stdin=subprocess.PIPE)
left = 20
for line in sys.stdin.buffer:
    target.stdin.write(line)
    state = json.loads(line).get("value", {{}}).get("bookmarks", {{}}).get("recordings", {{}})
    left -= left < 20 or (state.get("pass_position") or "") > {EARLY!r}
    if not left:
        break
target.stdin.close()
target.wait()
sys.exit(1)
""")
    script.chmod(0o755)
    return script


@pytest.mark.parametrize("destination", [PostgreSQL], indirect=True)
def test_a_target_that_fails_half_way_gets_the_rest_in_the_next_run(
    destination: Destination, start: Callable[[Sandbox], Project], tmp_path: Path
) -> None:
    """Rows that the target did not get would be missing for ever."""
    real = projects.plugin("loaders", destination.kind.name, destination.kind.name)
    with Sandbox(DATA, latency=2 * LATENCY) as sandbox:  # enough time for a STATE in the middle
        project = start(sandbox)
        assert project.break_off(executable=breaking(tmp_path, real), **PAGES).wait() == 1
        assert project.state()["recordings"]["pass_position"] > EARLY
        assert len(destination.tables()["recordings"]) < len(DATA)
        sandbox.latency = 0
        project.sync()
        assert not has_trace(project)
        expected = expected_rows(sandbox.recordings)
    assert not destination.differences(
        {stream: EXPECTED[stream] | expected[stream] for stream in KEYS}, destination.tables()
    )
