"""The target's database, and queries: current rows, calls per rep, values with CRM records."""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

from demo import DemoError
from tests.sandbox.expected import KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.sandbox.oracle import Rows

SCHEMA = "siro"
NESTED = {"links", "crm", "summary", "entityExtractions", "followups"}

# If a list becomes shorter, its last rows stay: they are older than the recording.
LIVE = """
FROM "siro"."{stream}" AS child
JOIN "siro"."recordings" AS recording
  ON recording."id" = child."recordingId"
 AND recording."updatedAt" IS NOT DISTINCT FROM child."recordingUpdatedAt"
"""

CALLS = """
SELECT rep."firstName" || ' ' || rep."lastName", team."name", count(*), avg(recording."evaluationScore")
FROM "siro"."recordings" AS recording
LEFT JOIN "siro"."users" AS rep ON rep."id" = recording."userId"
LEFT JOIN "siro"."team_members" AS member ON member."userId" = rep."id" AND member."role" = 'member'
LEFT JOIN "siro"."teams" AS team ON team."id" = member."teamId"
GROUP BY rep."id", rep."firstName", rep."lastName", team."name"
ORDER BY count(*) DESC, rep."id"
"""

WRITE_BACK = """
SELECT mapping."name", mapping."value", mapping."crmModelName", mapping."crmFieldName", link."externalId"
FROM "siro"."recordings" AS recording
JOIN "siro"."recording_entity_mappings" AS mapping
  ON mapping."recordingId" = recording."id"
 AND mapping."recordingUpdatedAt" IS NOT DISTINCT FROM recording."updatedAt"
JOIN "siro"."recording_crm_links" AS link
  ON link."recordingId" = recording."id"
 AND link."recordingUpdatedAt" IS NOT DISTINCT FROM recording."updatedAt"
 AND link."objectType" = lower(mapping."crmModelName")
WHERE recording."id" = ?
ORDER BY mapping."extractionOrdinal", mapping."ordinal", link."ordinal"
"""


class Warehouse:
    """The database file, open for reading."""

    def __init__(self, path: Path) -> None:
        """Open the file."""
        # Imported by name, so that types can be checked where DuckDB is not installed.
        self._duckdb: Any = import_module("duckdb")
        try:
            self._connection: Any = self._duckdb.connect(str(path), read_only=True)
        except self._duckdb.Error as error:
            raise DemoError(f"Failed to open the database: {error}") from error

    def __enter__(self) -> Self:
        """Return the open database."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file, so that the target can write to it."""
        self._connection.close()

    def table(self, stream: str, columns: Iterable[str], *, live: bool = False) -> Rows:
        """Read a table, or only its current rows, by key."""
        names = list(columns)
        origin = LIVE.format(stream=stream) if live else f'FROM "{SCHEMA}"."{stream}" AS child'
        selected = ", ".join(f'child."{name}"' for name in names)
        rows: Rows = {}
        for values in self._query(f"SELECT {selected} {origin}"):
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

    def write_back(self, recording_id: str) -> list[tuple[str, ...]]:
        """Join a recording's extracted values to the CRM records that they belong in."""
        return self._query(WRITE_BACK, recording_id)

    def _query(self, sql: str, *parameters: str) -> list[tuple[Any, ...]]:
        try:
            rows: list[tuple[Any, ...]] = self._connection.execute(sql, parameters).fetchall()
        except self._duckdb.Error as error:
            raise DemoError(f"Failed to read the database: {error}") from error
        return rows
