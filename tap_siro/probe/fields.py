"""Differences between the fields of recordings and the tap's columns, in names and types alone."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_siro import timestamps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NOTHING = "nothing to do"
OURS = {"otherFields", "entityExtractions[].value", "entityExtractions[].valueType"}
"""Columns that are not in the API, or have several types there."""
_NAME = re.compile(r"[A-Za-z]{1,24}")


class Finding(NamedTuple):
    """A row of the table."""

    assumption: str
    found: str
    meaning: str
    bad: bool = False
    """True if it harms a sync."""


def shown(name: object) -> str:
    """Return a field's name, unless it may be an id: ids are longer, or contain digits or signs."""
    return name if isinstance(name, str) and _NAME.fullmatch(name) else "(a name that is not shown)"


def fields(records: Sequence[Mapping[str, Any]], schema: Mapping[str, Any]) -> list[Finding]:
    """Return the fields that are missing, unknown, or of another type than the tap's columns."""
    counts: dict[str, Counter[str]] = {"missing": Counter(), "unknown": Counter(), "of another type": Counter()}
    for record in records:
        for what, path in set(_differences(record, schema, "")):
            counts[what][path] += 1
    meanings = {
        "missing": "the column is null",
        "unknown": "kept in `otherFields`, except inside lists",
        "of another type": "converted if nothing is lost, else null, with a warning",
    }
    return [
        Finding(
            f"fields that are {what}",
            ", ".join(f"{path} ({number})" for path, number in sorted(found.items())) or "none",
            meanings[what] if found else NOTHING,
        )
        for what, found in counts.items()
    ]


def _differences(value: Mapping[str, Any], schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    known: Mapping[str, Any] = schema["properties"]
    for name in value.keys() - known.keys():
        yield "unknown", f"{path}{shown(name)} [{kind(value[name])}]"
    for name, column in known.items():
        place = f"{path}{name}"
        if place in OURS:
            continue
        if name not in value:
            yield "missing", place
        elif value[name] is not None:
            yield from _inside(value[name], column, place)


def _inside(value: Any, column: Mapping[str, Any], place: str) -> Iterator[tuple[str, str]]:
    kinds = {"number" if each == "integer" else each for each in column["type"]}
    if kind(value) not in kinds or ("format" in column and timestamps.parse(value) is None):
        yield "of another type", f"{place} [{kind(value)}]"
    elif isinstance(value, dict):
        yield from _differences(value, column, f"{place}.")
    elif isinstance(value, list):
        for item in value:
            yield from _inside(item, column["items"], f"{place}[]") if item is not None else ()


def kind(value: object) -> str:
    """Return the JSON type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    names = ((str, "string"), (dict, "object"), (list, "array"))
    return next((name for each, name in names if isinstance(value, each)), "number")
