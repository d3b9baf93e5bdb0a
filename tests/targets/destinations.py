"""Destinations of the targets: settings of each target, and a reader of its tables.

Each is read with the database's own client, without the target's code. `change` alone defines how a target changes a
value.
"""

from __future__ import annotations

import ast
import csv
import json
import os
import re
import subprocess
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg

from demo import comparing
from demo.warehouse import NESTED
from tests.sandbox.streams import KEYS
from tests.targets import kinds
from tools import views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.sandbox.oracle import Row, Rows
    from tests.targets.kinds import Kind
    from tests.targets.postgres import Server

csv.field_size_limit(2**30)  # for long texts
SCHEMA = "siro"
# Columns that may hold nested values as text. The last two exist if objects are flattened.
JSON_TEXT = NESTED | {"crm__users", "crm__contacts"}


class Destination(ABC):
    """Place that a target loads into."""

    kind: Kind
    executable: Path | None = None
    """Executable of the target, if Meltano does not install it."""

    @property
    @abstractmethod
    def config(self) -> dict[str, Any]:
        """The target's settings."""

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that the target needs."""
        return {}

    @abstractmethod
    def tables(self) -> dict[str, list[Row]]:
        """Return all rows of all streams."""

    def change(self, name: str, value: Any) -> Any:
        """Convert a column's value from the tap's output to the value that is read back."""
        raise NotImplementedError

    def stored(self, name: str) -> str:
        """Convert a column's name."""
        return name

    def differences(self, expected: dict[str, Rows], tables: dict[str, list[Row]]) -> dict[str, str]:
        """Compare the rows of some streams with the tap's output, and return the first difference of each."""
        found = {stream: self._difference(stream, expected[stream], rows) for stream, rows in tables.items()}
        return {stream: difference for stream, difference in found.items() if difference}

    def _difference(self, stream: str, expected: Rows, rows: list[Row]) -> str | None:
        """Compare a stream's rows in all columns of both."""
        loaded: Rows = {}
        for row in rows:
            key = tuple(row[self.stored(name)] for name in KEYS[stream])
            if key in loaded:
                return f"the row {key} is there twice"
            loaded[key] = row
        changed = {
            tuple(self.change(name, part) for name, part in zip(KEYS[stream], key, strict=True)): {
                self.stored(name): self.change(name, value) for name, value in row.items()
            }
            for key, row in expected.items()
        }
        wanted, found = set(next(iter(changed.values()))), {name for name in rows[0] if "_sdc_" not in name.lower()}
        if wanted != found:
            return f"the columns {wanted ^ found} are only in one of the two"
        return comparing.difference(changed, loaded, lambda _, value: value)


class Database(Destination):
    """A destination with SQL, in which a row replaces an earlier one."""

    @property
    def warehouse(self) -> views.Warehouse:
        """The warehouse whose dialect its views have."""
        dialect = self.kind.name.removeprefix("target-")
        (found,) = (each for each in views.WAREHOUSES if each.dialect == dialect)
        return found

    @abstractmethod
    def queries(self, *statements: str) -> list[list[Row]]:
        """Run statements in the schema of the tables; return the rows of each."""

    def query(self, statement: str) -> list[Row]:
        """Run one statement."""
        (rows,) = self.queries(statement)
        return rows

    def execute(self, script: str) -> None:
        """Run a script that changes something."""
        self.queries(*views.statements(script))

    def tables(self) -> dict[str, list[Row]]:
        """Return all rows of all tables."""
        tables = self.queries(*(f"SELECT * FROM {stream}" for stream in KEYS))  # noqa: S608
        return dict(zip(KEYS, tables, strict=True))

    def _parsed(self, row: Row) -> Row:
        return parsed(row, {self.stored(name) for name in JSON_TEXT})


def parsed(row: Row, names: Iterable[str], parse: Callable[[str], Any] = json.loads) -> Row:
    """Return the row, with JSON text in some columns parsed."""
    return row | {name: parse(row[name]) for name in names if row.get(name) and isinstance(row[name], str)}


def _moment(name: str, value: Any) -> datetime | None:
    """Return the value of a date-time column, in UTC."""
    if not isinstance(value, str) or not name.endswith("At"):
        return None
    return datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None)


class DuckDB(Database):
    """A DuckDB file."""

    kind = kinds.DUCKDB

    def __init__(self, directory: Path, *, file: str = "warehouse.duckdb", schema: str = SCHEMA) -> None:
        self._file, self._schema = directory / file, schema

    @property
    def config(self) -> dict[str, Any]:
        return {"filepath": str(self._file), "default_target_schema": self._schema}

    def queries(self, *statements: str) -> list[list[Row]]:
        with duckdb.connect(str(self._file), read_only=True) as connection:
            connection.execute(f"USE {self._schema}")
            return [self._rows(connection.execute(statement)) for statement in statements]

    def execute(self, script: str) -> None:
        with duckdb.connect(str(self._file)) as connection:
            connection.execute(f"USE {self._schema};{script}")

    def _rows(self, result: duckdb.DuckDBPyConnection) -> list[Row]:
        names = [column[0] for column in result.description]
        return [self._parsed(dict(zip(names, values, strict=True))) for values in result.fetchall()]

    def stored(self, name: str) -> str:
        return name.lower()

    def change(self, name: str, value: Any) -> Any:
        return comparing.as_loaded(name, value)


class PostgreSQL(Database):
    """A database on a server that the tests run."""

    kind = kinds.POSTGRES

    def __init__(self, server: Server, database: str) -> None:
        self._server, self._database = server, database
        self.schema = SCHEMA
        server.create(database)

    @property
    def config(self) -> dict[str, Any]:
        return {
            "host": "127.0.0.1",
            "port": self._server.port,
            "user": "siro",
            "password": "none",
            "database": self._database,
            "default_target_schema": self.schema,
        }

    def queries(self, *statements: str) -> list[list[Row]]:
        options = {"row_factory": psycopg.rows.dict_row, "options": f"-c search_path={self.schema}"}
        with self._server.connect(self._database, **options) as connection:
            return [list(map(self._parsed, connection.execute(statement).fetchall())) for statement in statements]

    def execute(self, script: str) -> None:
        with self._server.connect(self._database, options=f"-c search_path={SCHEMA}") as connection:
            connection.execute(script)

    def change(self, name: str, value: Any) -> Any:
        return Decimal(str(value)) if isinstance(value, float) else _moment(name, value) or value


class Snowflake(Database):
    """The stand-in for Snowflake, read with Snowflake's client on fakesnow."""

    kind = kinds.SNOWFLAKE

    def __init__(self, directory: Path, executable: Path) -> None:
        self._directory, self._executable = directory, executable
        self.schema = SCHEMA

    @property
    def config(self) -> dict[str, Any]:
        login = {"account": "none", "user": "none", "password": "none", "warehouse": "none"}
        return login | {"database": "WAREHOUSE", "default_target_schema": self.schema}

    @property
    def environment(self) -> dict[str, str]:
        return {"SNOWFLAKE_STAND_IN": str(self._directory)}

    def queries(self, *statements: str) -> list[list[Row]]:
        command = (str(self._executable), "WAREHOUSE", self.schema.upper())
        return [[self._parsed(row) for row in rows] for rows in _asked(command, statements, self.environment)]

    def stored(self, name: str) -> str:
        return name.upper()

    def change(self, name: str, value: Any) -> Any:
        moment = _moment(name, value)
        return str(moment) if moment else value


class BigQuery(Database):
    """A dataset of an emulator that the tests run."""

    kind = kinds.BIGQUERY

    def __init__(self, emulator: str, project: str, executable: Path) -> None:
        self._emulator, self._project, self.executable = emulator, project, executable

    @property
    def config(self) -> dict[str, Any]:
        return {"project": self._project, "dataset": SCHEMA}

    @property
    def environment(self) -> dict[str, str]:
        return {"BIGQUERY_EMULATOR_HOST": self._emulator}

    def queries(self, *statements: str) -> list[list[Row]]:
        command = (str(self.executable), "--query", self._project, SCHEMA)
        found = _asked(command, statements, self.environment)
        return [[{name: _filled(value) for name, value in row.items()} for row in rows] for rows in found]

    def change(self, name: str, value: Any) -> Any:
        moment = _moment(name, value)
        return f"{moment}+00:00" if moment else _filled(value)


def _filled(value: Any) -> Any:
    """Leave out nulls in objects, and replace empty lists and objects by None: BigQuery does not distinguish them."""
    if isinstance(value, list):
        return [_filled(each) for each in value] or None
    if isinstance(value, dict):
        return {name: found for name, each in value.items() if (found := _filled(each)) is not None} or None
    return value


def _asked(command: tuple[str, ...], statements: tuple[str, ...], environment: dict[str, str]) -> list[list[Row]]:
    """Return the rows of statements, by a client in a separate environment."""
    process = subprocess.run(
        command,
        input=json.dumps(statements),
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    rows: list[list[Row]] = json.loads(process.stdout)
    return rows


class Files(Destination):
    """A destination in which each run writes new files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def runs(self, stream: str) -> list[list[Row]]:
        """Return the rows that each run wrote."""
        return [self._read(file) for file in sorted(self._directory.glob(f"{stream}-*"))]

    def clear(self) -> None:
        """Remove the files, because runs in the same second write to the same ones."""
        for file in self._directory.iterdir():
            file.unlink()

    def tables(self) -> dict[str, list[Row]]:
        return {stream: [row for rows in self.runs(stream) for row in rows] for stream in KEYS}

    @abstractmethod
    def _read(self, file: Path) -> list[Row]: ...


class CSV(Files):
    """CSV files."""

    kind = kinds.CSV

    @property
    def config(self) -> dict[str, Any]:
        return {"output_path": str(self._directory), "file_naming_scheme": "{stream_name}-{timestamp}.csv"}

    def _read(self, file: Path) -> list[Row]:
        csv.field_size_limit(10**7)
        with file.open(encoding="utf-8", newline="") as lines:
            return [parsed(row, JSON_TEXT, _repr) for row in csv.DictReader(lines)]

    def change(self, name: str, value: Any) -> Any:
        if isinstance(value, list | dict):
            return value
        moment = _moment(name, value)
        return f"{moment}+00:00" if moment else "" if value is None else str(value)


def _repr(text: str) -> Any:
    """Return the value of a text: JSON, or Python code."""
    try:
        return json.loads(text)
    except ValueError:
        return ast.literal_eval(re.sub(r"Decimal\('([^']+)'\)", r"\1", text))


class JSONLines(Files):
    """Files of JSON lines."""

    kind = kinds.JSONL

    @property
    def config(self) -> dict[str, Any]:
        return {"destination_path": str(self._directory)}

    def _read(self, file: Path) -> list[Row]:
        return [parsed(json.loads(line), JSON_TEXT) for line in file.read_bytes().split(b"\n") if line]

    def runs(self, stream: str) -> list[list[Row]]:
        runs = super().runs(stream)
        # With flattening, the row lacks the columns of a null object.
        empty = dict.fromkeys(name for rows in runs for row in rows for name in row)
        return [[empty | row for row in rows] for rows in runs]

    def change(self, name: str, value: Any) -> Any:
        return value
