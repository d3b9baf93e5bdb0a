"""The oracle's conversion of values to columns: slow, plain and without any of the tap's code."""

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

# NUL characters and lone surrogates are what Postgres refuses.
_REFUSED = re.compile(r"[\x00\ud800-\udfff]")


def columns(texts: str = "", *, moments: str = "", numbers: str = "", flags: str = "", **others: Cleaner) -> Columns:
    """Make columns of names with spaces between them, by their type, and of cleaners by name."""
    kinds = ((texts, text), (moments, moment), (numbers, number), (flags, boolean))
    return {name: clean for names, clean in kinds for name in names.split()} | others


def row(item: Row, columns: Mapping[str, Cleaner], left_out: Collection[str] = ()) -> Row:
    """Clean an object of the API: its columns, and the rest of it in `otherFields`."""
    others = {name: value for name, value in item.items() if name not in {*columns, *left_out}}
    return {
        **{name: clean(item.get(name)) for name, clean in columns.items()},
        "otherFields": json_text(others or None),
    }


def text(value: object) -> str | None:
    """Write a text without what Postgres refuses, and a number or boolean as text."""
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return _REFUSED.sub("", value) if isinstance(value, str) else None


def number(value: object) -> int | float | None:
    """Take a number, and text that is one."""
    if isinstance(value, str) and re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", value, re.ASCII):
        value = json.loads(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def boolean(value: object) -> bool | None:
    """Take a boolean, and text that is one."""
    return value if isinstance(value, bool) else {"true": True, "false": False}.get(str(value))


def moment(value: object) -> str | None:
    """Write a moment in UTC with a Z. What has one already is left alone, if it is a moment at all."""
    ms = timestamps.parse(value)
    if ms is None or (isinstance(value, str) and value.endswith("Z")):
        return None if ms is None else str(value)
    return timestamps.from_ms(ms)


def json_text(value: object) -> str | None:
    """Write a value as JSON text; null stays null."""
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
    """Take a list; anything else is an empty one."""
    return value if isinstance(value, list) else []


def each(clean: Cleaner) -> Cleaner:
    """Make a cleaner of lists."""
    return lambda value: [clean(item) for item in value] if isinstance(value, list) else None


def known(**fields: Cleaner) -> Cleaner:
    """Make a cleaner of objects, which keeps the known keys that are there."""

    def clean(value: object) -> Row | None:
        if not isinstance(value, dict):
            return None
        return {name: clean(value[name]) for name, clean in fields.items() if name in value}

    return clean


texts = each(text)
