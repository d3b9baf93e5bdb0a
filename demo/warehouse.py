"""The target's database, with the views of `sql/`: current rows, calls per rep, values for the CRM."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from demo import DemoError
from tests.sandbox.expected import KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.sandbox.oracle import Rows

SCHEMA = "siro"
NESTED = {"links", "crm", "summary", "entityExtractions", "followups"}

VIEWS = Path(__file__).parent.parent / "sql" / "duckdb.sql"

CALLS = """
SELECT rep, team, count(*), avg(score)
FROM "siro"."calls"
GROUP BY rep_id, rep, team
ORDER BY count(*) DESC, rep_id
"""

WRITE_BACK = """
SELECT name, value, crm_model, crm_field, crm_id
FROM "siro"."values_for_crm"
WHERE recording_id = ?
ORDER BY name
"""

WEAKEST_STEPS = """
SELECT team, step, avg(points_earned) AS points
FROM "siro"."scorecard_steps"
JOIN "siro"."calls" USING (recording_id)
WHERE team IS NOT NULL AND step IS NOT NULL AND points_earned IS NOT NULL
GROUP BY team, step
ORDER BY points, team, step
"""


class Warehouse:
    """The database file."""

    def __init__(self, path: Path) -> None:
        """Open the file, and create the views."""
        # Imported by name, so that types can be checked where DuckDB is not installed.
        self._duckdb: Any = import_module("duckdb")
        try:
            self._connection: Any = self._duckdb.connect(str(path))
            views = re.sub(r"^/\* Scorecards.*", "", VIEWS.read_text(encoding="utf-8"), flags=re.MULTILINE)
            self._connection.execute(f"USE {SCHEMA};{views}")
        except self._duckdb.Error as error:
            raise DemoError(f"Failed to open the database: {error}") from error

    def __enter__(self) -> Self:
        """Return the open database."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file, so that the target can write to it."""
        self._connection.close()

    def table(self, stream: str, columns: Iterable[str], *, live: bool = False) -> Rows:
        """Read a table, or the view of its current rows, by key."""
        names = list(columns)
        selected = ", ".join(f'"{name}"' for name in names)
        rows: Rows = {}
        table = f'"{SCHEMA}"."{"live_" if live else ""}{stream}"'
        for values in self._query(f"SELECT {selected} FROM {table}"):  # noqa: S608 - names of the demo
            row = {
                name: json.loads(value) if name in NESTED and value is not None else value
                for name, value in zip(names, values, strict=True)
            }
            key = tuple(row[name] for name in KEYS[stream])
            if key in rows:
                raise DemoError(f"{stream} has the row {key} twice.")
            rows[key] = row
        return rows

    def calls(self) -> list[tuple[str | None, str | None, int, float | None]]:
        """Return the name, team, number of calls and average score of each rep."""
        return self._query(CALLS)

    def steps(self) -> list[tuple[str, str, float]]:
        """Return the average points of each step of the scorecards, by team, the weakest first."""
        return self._query(WEAKEST_STEPS)

    def write_back(self, recording_id: str) -> list[tuple[str, ...]]:
        """Join a recording's extracted values to the CRM records that they belong in."""
        return self._query(WRITE_BACK, recording_id)

    def _query(self, sql: str, *parameters: str) -> list[tuple[Any, ...]]:
        try:
            rows: list[tuple[Any, ...]] = self._connection.execute(sql, parameters).fetchall()
        except self._duckdb.Error as error:
            raise DemoError(f"Failed to read the database: {error}") from error
        return rows
