"""The oracle's conversion of values to columns, simple and slow, without the tap's code."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeAlias

from tests.sandbox import timestamps

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    Cleaner: TypeAlias = Callable[[Any], Any]
    Columns: TypeAlias = dict[str, Cleaner]

Row: TypeAlias = dict[str, Any]
Rows: TypeAlias = dict[tuple[Any, ...], Row]
Keys: TypeAlias = dict[str, tuple[str, ...]]

# PostgreSQL refuses NUL characters and lone surrogates.
_REFUSED = re.compile(r"[\x00\ud800-\udfff]")


def columns(texts: str = "", *, moments: str = "", numbers: str = "", flags: str = "", **others: Cleaner) -> Columns:
    """Make columns from names separated by spaces, by type, and from cleaners by name."""
    kinds = ((texts, text), (moments, moment), (numbers, number), (flags, boolean))
    return {name: clean for names, clean in kinds for name in names.split()} | others


def row(item: Row, columns: Mapping[str, Cleaner], left_out: Collection[str] = ()) -> Row:
    """Clean an object of the API: known columns, and all other fields in `otherFields`."""
    others = {name: value for name, value in item.items() if name not in {*columns, *left_out}}
    return {
        **{name: clean(item.get(name)) for name, clean in columns.items()},
        "otherFields": json_text(others or None),
    }


def text(value: object) -> str | None:
    """Return text without the characters that PostgreSQL refuses, and a number or boolean as text."""
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return _REFUSED.sub("", value) if isinstance(value, str) else None


def number(value: object) -> int | float | None:
    """Return a number, or the number that a text contains."""
    if isinstance(value, str) and re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", value, re.ASCII):
        value = json.loads(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def boolean(value: object) -> bool | None:
    """Return a boolean, or the boolean that a text contains."""
    return value if isinstance(value, bool) else {"true": True, "false": False}.get(str(value))


def moment(value: object) -> str | None:
    """Return a timestamp in UTC with a Z. A valid one with a Z is unchanged."""
    ms = timestamps.parse(value)
    if ms is None or (isinstance(value, str) and value.endswith("Z")):
        return None if ms is None else str(value)
    return timestamps.from_ms(ms)


def json_text(value: object) -> str | None:
    """Return a value as JSON text; null stays null."""
    return None if value is None else text(json.dumps(deep(value), separators=(",", ":"), ensure_ascii=False))


def deep(value: Any) -> Any:
    """Clean all text inside a value."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, list):
        return [deep(item) for item in value]
    if isinstance(value, dict):
        return {text(name): deep(item) for name, item in value.items()}
    return value


def items(value: object) -> list[Any]:
    """Return a list; anything else becomes an empty one."""
    return value if isinstance(value, list) else []


def each(clean: Cleaner) -> Cleaner:
    """Make a cleaner of lists."""
    return lambda value: [clean(item) for item in value] if isinstance(value, list) else None


def known(**fields: Cleaner) -> Cleaner:
    """Make a cleaner of objects that keeps the known keys."""

    def clean(value: object) -> Row | None:
        if not isinstance(value, dict):
            return None
        return {name: clean(value[name]) for name, clean in fields.items() if name in value}

    return clean


texts = each(text)
