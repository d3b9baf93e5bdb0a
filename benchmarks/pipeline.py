"""From the API to rows in a database: `tap-siro | target`, and dlt at the same job, whole processes.

Targets run with their default settings, with those of `meltano.yml`, and with BATCH messages.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from benchmarks import speed
from benchmarks.api import Api
from benchmarks.counting import DLT_TABLES, STREAMS
from benchmarks.processes import Measured, measure
from benchmarks.tables import show
from tests.targets import destinations, postgres, project

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.targets.destinations import Database

THREADS = 8
NESTED = ("crm", "summary", "entityExtractions", "followups")


class Contestant(Protocol):
    """Program that loads the recordings into a database."""

    @property
    def what(self) -> str:
        """Return the contestant's name in the table."""

    def command(self, api: Api, database: Database, directory: Path) -> list[str]:
        """Return the command to run."""

    def count(self, database: Database) -> Counter[str]:
        """Return the number of rows of each stream in the database."""


@dataclass(frozen=True)
class Pipe:
    """The tap, and a target that reads its output."""

    what: str
    target: dict[str, Any]
    """Settings of the target, except those of the database."""
    batch: bool = False
    once: bool = False
    """Deselect the columns of `recordings` that the child streams repeat."""

    def command(self, api: Api, database: Database, directory: Path) -> list[str]:
        batch: dict[str, Any] = {
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": (directory / "batches").as_uri()},
        }
        if database.kind.name == "target-postgres":
            batch["batch_size"] = 10_000  # this target holds a file's records in memory
        (directory / "batches").mkdir()
        settings = {"batch_config": batch} if self.batch else {}
        without = NESTED if self.once else ()
        tap = speed.tap(THREADS, without=without, **settings)(api, directory, scores=True)
        kind = database.kind
        executable = str(project.plugin("loaders", kind.name, kind.executable or kind.name))
        config = directory / "target.json"
        config.write_text(json.dumps(self.target | database.config), encoding="utf-8")
        target = ["env", *(f"{name}={value}" for name, value in database.environment.items())]
        target += [executable, "--config", str(config)]
        return ["bash", "-o", "pipefail", "-c", f"{shlex.join(tap)} | {shlex.join(target)}"]

    def count(self, database: Database) -> Counter[str]:
        return Counter(dict(zip(STREAMS, _counts(database, *STREAMS), strict=True)))


@dataclass(frozen=True)
class Dlt:
    """dlt, which makes a table of each list and a column of each link."""

    what: str
    destination: str
    file_format: str

    def command(self, api: Api, database: Database, directory: Path) -> list[str]:
        config = database.config
        where = config.get("filepath") or "postgresql://{user}:{password}@{host}:{port}/{database}".format(**config)
        options = ["--destination", self.destination, "--credentials", where, "--file-format", self.file_format]
        return [*speed.other("dlt_pipeline", THREADS)(api, directory, scores=True), *options]

    def count(self, database: Database) -> Counter[str]:
        rows = Counter({"recordings": _counts(database, "recordings")[0]})
        for table, number in zip(DLT_TABLES, _counts(database, *DLT_TABLES), strict=True):
            rows[DLT_TABLES[table]] += number
        # dlt makes no column for leads, because no recording has one.
        links = " + ".join(f"count(crm__{name}__id)" for name in ("engagement", "opportunity", "account"))
        rows["recording_crm_links"] += _number(database.query(f"SELECT {links} FROM recordings"))  # noqa: S608
        return rows


def _counts(database: Database, *tables: str) -> list[int]:
    statements = [f"SELECT count(*) FROM {table}" for table in tables]  # noqa: S608
    return [_number(rows) for rows in database.queries(*statements)]


def _number(rows: list[dict[str, Any]]) -> int:
    ((number,),) = (row.values() for row in rows)
    return int(number)


def contestants() -> dict[str, tuple[str, Contestant]]:
    """Return the contestants, each with the name of its database."""
    loaders = project.loaders()
    found: dict[str, tuple[str, Contestant]] = {}
    for name, batch in {"duckdb": False, "postgres": True, "snowflake": True}.items():
        target = f"target-{name}"
        found[name] = name, Pipe(f"tap-siro, {target} as it comes", {})
        found[f"{name}-set"] = name, Pipe(f"tap-siro, {target} as `meltano.yml` sets it", loaders[target]["config"])
        if batch:
            found[f"{name}-batch"] = name, Pipe(f"tap-siro, {target}, BATCH", loaders[target]["config"], batch=True)
        for one in [each for each in found if each in {f"{name}-set", f"{name}-batch"}]:
            pipe = found[one][1]
            assert isinstance(pipe, Pipe)
            found[f"{one}-once"] = name, replace(pipe, what=f"{pipe.what}, each fact once", once=True)
    found["dlt-duckdb"] = "duckdb", Dlt("dlt into DuckDB", "duckdb", "parquet")
    found["dlt-postgres"] = "postgres", Dlt("dlt into PostgreSQL", "postgres", "csv")
    return found


CONTESTANTS = contestants()


def run(names: Sequence[str], recordings: int, runs: int) -> None:
    """Measure the contestants in turn, a number of times, each with an empty database."""
    project.prepare()
    measured: dict[str, list[Measured]] = {name: [] for name in names}
    produced: dict[str, Counter[str]] = {}
    with ExitStack() as stack:
        api = stack.enter_context(Api(recordings))
        needed = any(CONTESTANTS[name][0] == "postgres" for name in names)
        server = stack.enter_context(postgres.running()) if needed else None
        for number in range(runs):
            for name in names:
                one, rows = _once(name, api, server, f"run_{number}_{name.replace('-', '_')}")
                measured[name].append(one)
                produced[name] = rows
                print(f"run {number + 1}, {name}: {one.wall:.1f} s", file=sys.stderr)
                speed.compare(produced)
    _report(measured, recordings, produced[names[0]])


def _once(name: str, api: Api, server: postgres.Server | None, title: str) -> tuple[Measured, Counter[str]]:
    kind, contestant = CONTESTANTS[name]
    directory = Path(tempfile.mkdtemp(prefix="benchmark-"))
    try:
        database = _database(kind, server, title, directory)
        api.reset(0)
        command = contestant.command(api, database, directory)
        one = measure(command, directory=directory, environment=speed.environment(directory), api=api)
        return one, contestant.count(database)
    finally:
        shutil.rmtree(directory)


def _database(kind: str, server: postgres.Server | None, title: str, directory: Path) -> Database:
    if kind == "duckdb":
        return destinations.DuckDB(directory)
    if kind == "postgres":
        assert server
        return destinations.PostgreSQL(server, title)
    query = project.plugin("loaders", destinations.Snowflake.kind.name, "snowflake-stand-in-query")
    return destinations.Snowflake(directory, query)


def _report(measured: dict[str, list[Measured]], recordings: int, rows: Counter[str]) -> None:
    middle = {name: speed.medians(several) for name, several in measured.items()}
    runs = len(next(iter(measured.values())))
    show(
        f"{recordings} recordings, {rows.total() - recordings} child rows, from the API into a database; "
        f"median of {runs} runs",
        ("", "wall s", "times faster than as it comes", "rows/s", "CPU s", "peak MB", "requests"),
        list(_lines(middle, rows.total())),
    )
    speed.report_others(measured)


def _lines(middle: dict[str, Measured], rows: int) -> Iterator[tuple[str, ...]]:
    for name, one in middle.items():
        kind, contestant = CONTESTANTS[name]
        base = middle.get(kind)
        yield (
            contestant.what,
            f"{one.wall:.1f}",
            f"{base.wall / one.wall:.1f}" if base else "",
            f"{rows / one.wall:,.0f}",
            f"{one.cpu:.1f}",
            f"{one.memory:.0f}",
            f"{one.requests:.0f}",
        )
