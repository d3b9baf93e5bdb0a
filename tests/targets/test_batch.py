"""BATCH messages: the same rows in each target's tables as with RECORD messages, and nothing lost on the way."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.sandbox import Sandbox
from tests.sandbox.data import recordings
from tests.sandbox.expected import expected_rows
from tests.sandbox.streams import KEYS
from tests.support.documents import blocks
from tests.support.process import config_for, run_tap
from tests.targets import project as projects
from tests.targets import test_landing as landing
from tests.targets.destinations import Database, PostgreSQL, Snowflake

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.targets

DATA = recordings(120)
EXPECTED = expected_rows(DATA)


class BatchedProject(projects.Project):
    """A project whose tap writes BATCH messages, with a few hundred records in each file."""

    def __init__(self, *args: Any) -> None:
        """Write the project file."""
        super().__init__(*args)
        self.files: list[set[Path]] = []
        """Files that existed after each sync."""

    def configure(self, **options: Any) -> None:
        """Write the project file."""
        batches = yaml.safe_load(blocks("docs/batch.md")["yaml: batch"])["config"]["batch_config"]
        super().configure(batch_config=batches | {"storage": {"root": "file://batches"}, "batch_size": 500}, **options)

    def sync(self, *options: str, **configuration: Any) -> Counter[str]:
        """Run `meltano run`, which must succeed, and record the files that exist afterwards."""
        sent = super().sync(*options, **configuration)
        self.files.append(set(self.directory.glob("batches/tap-siro-*/*.jsonl.gz")))
        return sent


@pytest.fixture
def begin(tmp_path: Path, meltano: Path, destination: Database) -> Callable[[Sandbox], BatchedProject]:
    """Make a Meltano project that loads a sandbox into the destination."""
    return lambda sandbox: BatchedProject(tmp_path / "project", meltano, sandbox, destination)


REPLACED = landing.test_rows_are_replaced_and_the_live_ones_are_the_sources
MAPPED = landing.test_flattened_with_a_hashed_title_and_with_columns_that_come_later


@pytest.mark.parametrize(
    ("destination", "check"),
    [(PostgreSQL, REPLACED), (PostgreSQL, MAPPED), (Snowflake, REPLACED), (Snowflake, MAPPED)],
    indirect=["destination"],
)
def test_tables_are_as_with_record_messages(
    destination: Database, begin: Callable[[Sandbox], BatchedProject], check: Callable[..., None]
) -> None:
    """A user who switches BATCH on would have other rows, or other values in them, than before.

    A freshness test would find null, and conversations would stay on the disk after the next run.
    """
    projects: list[BatchedProject] = []

    def started(sandbox: Sandbox) -> BatchedProject:
        projects.append(begin(sandbox))
        return projects[-1]

    check(destination, started)
    if check is not REPLACED:
        return
    files = projects[0].files
    # Snowflake's target removes files after loading them.
    assert bool(files[0]) is isinstance(destination, PostgreSQL)
    assert len(files) > 1
    assert not any(before & after for before, after in pairwise(files))
    for rows in destination.tables().values():
        for row in rows:
            found = {name for name, value in row.items() if name.lower().startswith("_sdc_") and value is not None}
            assert {name.lower() for name in found} == {"_sdc_extracted_at", "_sdc_batched_at", "_sdc_sequence"}


OTHERS: dict[str, dict[str, Any]] = {
    "target-duckdb": {"filepath": "siro.duckdb", "default_target_schema": "siro"},
    "target-jsonl": {},
    "target-csv": {},
    "target-csv with metadata": {"add_record_metadata": True},
}


@pytest.mark.usefixtures("meltano")
@pytest.mark.parametrize("name", OTHERS)
def test_a_target_that_takes_no_files_says_so_and_keeps_no_state(tmp_path: Path, name: str) -> None:
    """The table of targets says that the run fails; a target that only ignored BATCH would lose all rows."""
    with Sandbox(DATA) as sandbox:
        batches = {"storage": {"root": str(tmp_path / "batches")}}
        run = run_tap(tmp_path, config_for(sandbox, page_size=500, batch_config=batches))
    target = name.split(maxsplit=1)[0]
    (tmp_path / "target.json").write_text(json.dumps(OTHERS[name]))
    ended = subprocess.run(
        [projects.plugin("loaders", target, target), "--config", "target.json"],
        input="".join(f"{json.dumps(message)}\n" for message in run.messages).encode(),
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    if name == "target-csv with metadata":
        assert ended.returncode == 0, ended.stderr.decode()
        csv.field_size_limit(10**7)
        with (tmp_path / "recordings.csv").open(encoding="utf-8", newline="") as lines:
            assert {row["id"] for row in csv.DictReader(lines)} == {row["id"] for row in DATA}
    else:
        assert ended.returncode != 0
        assert not ended.stdout


def losing(directory: Path, target: Path) -> Path:
    """Make a target that does not find the fifth file."""
    script = directory / "losing"
    script.write_text(f"""#!{sys.executable}
import json, pathlib, subprocess, sys
target = subprocess.Popen([{str(target)!r}, *sys.argv[1:]], stdin=subprocess.PIPE)
left = 5
for line in sys.stdin.buffer:
    if b'"BATCH"' in line:
        left -= 1
        if not left:
            pathlib.Path(json.loads(line)["manifest"][0].removeprefix("file://")).unlink()
    try:
        target.stdin.write(line)
        target.stdin.flush()
    except BrokenPipeError:
        break
try:
    target.stdin.close()
except BrokenPipeError:
    pass
sys.exit(target.wait())
""")
    script.chmod(0o755)
    return script


@pytest.mark.parametrize("destination", [PostgreSQL], indirect=True)
def test_a_target_that_fails_on_a_file_gets_its_rows_in_the_next_run(
    destination: Database, begin: Callable[[Sandbox], BatchedProject], tmp_path: Path
) -> None:
    """The rows in the file would be missing for ever."""
    kind = destination.kind
    real = projects.plugin("loaders", kind.name, kind.executable or kind.name)
    with Sandbox(DATA) as sandbox:
        project = begin(sandbox)
        assert project.break_off(executable=losing(tmp_path, real)).wait() == 1
        loaded = destination.tables()
        assert any(len(loaded[stream]) < len(EXPECTED[stream]) for stream in KEYS)
        project.sync()
    assert not destination.differences(EXPECTED, destination.tables())
