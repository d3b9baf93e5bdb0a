"""What the database should hold, and what differs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.sandbox.oracle import Row, Rows


def as_loaded(name: str, value: Any) -> Any:
    """Convert a column's value that the tap sends to what is read back from DuckDB."""
    if not isinstance(value, str):
        return value
    if name.endswith("At"):
        return datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None)
    # target-duckdb 0.8.0 loads an empty text as NULL. Inside a JSON column it stays what it is.
    return value or None


def difference(
    expected: Mapping[tuple[Any, ...], Row], loaded: Rows, change: Callable[[str, Any], Any] = as_loaded
) -> str | None:
    """Compare all rows of a table, column by column, and tell the first thing that differs.

    Args:
        expected: The rows that the tap sends, by key.
        loaded: The rows that were read back, by key.
        change: What the database and its target make of a column's value.
    """
    if missing := sorted(expected.keys() - loaded.keys()):
        return f"{len(missing)} of {len(expected)} rows are missing, the first of them {missing[0]}"
    if surplus := sorted(loaded.keys() - expected.keys()):
        return f"{len(surplus)} rows are there that should not be, the first of them {surplus[0]}"
    for key, row in expected.items():
        if wrong := [name for name, value in row.items() if change(name, value) != loaded[key][name]]:
            return f"the row {key} has another {' and '.join(wrong)} than was served"
    return None
