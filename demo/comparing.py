"""Comparison of the rows in the database with the rows that were sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.sandbox.oracle import Row, Rows


def as_loaded(name: str, value: Any) -> Any:
    """Convert a column's value from the tap's output to DuckDB's."""
    if not isinstance(value, str):
        return value
    if name.endswith("At"):
        return datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None)
    # target-duckdb 0.8.0 loads an empty text as NULL, except inside a JSON column.
    return value or None


def difference(
    expected: Mapping[tuple[Any, ...], Row], loaded: Rows, change: Callable[[str, Any], Any] = as_loaded
) -> str | None:
    """Compare all rows of a table, column by column, and return the first difference.

    Args:
        expected: The rows that the tap sends, by key.
        loaded: The rows that were read back, by key.
        change: Converts a column's value from the tap's output to the database's.
    """
    if missing := sorted(expected.keys() - loaded.keys()):
        return f"{len(missing)} of {len(expected)} rows are missing, the first of them {missing[0]}"
    if surplus := sorted(loaded.keys() - expected.keys()):
        return f"{len(surplus)} unexpected rows, the first of them {surplus[0]}"
    for key, row in expected.items():
        if wrong := [name for name, value in row.items() if change(name, value) != loaded[key][name]]:
            return f"the row {key} differs from what was served in {' and '.join(wrong)}"
    return None
