"""Makes what the API sends fit the columns. Pure but for one warning per field and run.

A value of the wrong kind becomes null and a field that the schema does not know is dropped. Each is warned of once, by
the field's name, never with its value.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from tap_siro import timestamps

logger = logging.getLogger(__name__)

Cleaner = Callable[[Any], Any]

MOST_WARNINGS = 50
"""Different fields that are warned of in one run; names may be data too if the API uses them so."""
LONGEST_NAME = 100
"""Characters of a field's name that are shown."""
LARGEST = Decimal(repr(1.7976931348623157e308))
"""The largest number that a target's floating-point column holds."""


_ORDINARY = Annotated[float, msgspec.Meta(ge=-1e308, le=1e308)]
"""A number that surely fits, whichever way it is rounded."""


class FieldWarnings:
    """Warns of fields that are not as they should be, once for each and run."""

    def __init__(self) -> None:
        """Start with none."""
        self._warned: set[tuple[str, str]] = set()

    def wrong_type(self, path: str, kind: str) -> None:
        """A field did not hold what it should; it is written as null."""
        self._warn_once(
            "wrong type", path, f"Siro's field `{path}` does not always hold {kind}; where it does not, it is null."
        )

    def unknown(self, path: str) -> None:
        """A field is not in the schema; it is dropped."""
        shown = path if len(path) <= LONGEST_NAME and path.isprintable() else f"{ascii(path)[:LONGEST_NAME]}…"
        self._warn_once(
            "unknown", path, f"Siro sends a field `{shown}` that tap-siro does not know; it is left out. "
            "A newer version may know it."
        )  # fmt: skip

    def _warn_once(self, what: str, path: str, message: str) -> None:
        if (what, path) not in self._warned and len(self._warned) < MOST_WARNINGS:
            self._warned.add((what, path))
            logger.warning("%s", message)


def cleaner(schema: Mapping[str, Any], path: str, field_warnings: FieldWarnings) -> Cleaner:
    """A function that makes a value fit a schema of this package.

    Args:
        schema: A JSON schema with one type besides null.
        path: The field's name, with those of the objects around it.
        field_warnings: Warns of what does not fit.

    Returns:
        The function. It never raises, and returns null for null.
    """
    kinds = set(schema["type"]) if isinstance(schema["type"], list) else {schema["type"]}
    (kind,) = kinds - {"null"}
    if kind == "object":
        return _object(schema, path, field_warnings)
    if kind == "array":
        return _array(schema, path, field_warnings)
    if kind == "string" and schema.get("format") == "date-time":
        return _timestamp(path, field_warnings)
    return _scalar(kind, path, field_warnings)


def fitting(schema: Mapping[str, Any]) -> Any:
    """A type that takes nothing but values that `cleaner` would return as they are.

    `msgspec.convert` checks a value against it many times faster than a cleaner can look at it. Date-times are not
    looked at: they have a cleaner of their own.
    """
    (kind,) = set(schema["type"] if isinstance(schema["type"], list) else [schema["type"]]) - {"null"}
    if kind == "object":
        fields = [(name, fitting(field), None) for name, field in schema["properties"].items()]
        return msgspec.defstruct("Fitting", fields, forbid_unknown_fields=True, gc=False) | None
    if kind == "array":
        return list[fitting(schema["items"])] | None  # type: ignore[misc]
    if schema.get("format") == "date-time":
        return Any
    return {"string": str, "number": _ORDINARY, "boolean": bool}[kind] | None


def _scalar(kind: str, path: str, field_warnings: FieldWarnings) -> Cleaner:
    fits, should = _SCALARS[kind]

    def scalar(value: Any) -> Any:
        if fits(value):
            return value
        if value is not None:
            field_warnings.wrong_type(path, should)
        return None

    return scalar


def _is_number(value: Any) -> bool:
    # true and false are integers to Python; not to JSON, which has no NaN that could not be compared.
    return value.__class__ in {int, Decimal, float} and -LARGEST <= value <= LARGEST


_SCALARS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "string": (lambda value: value.__class__ is str, "text"),
    "number": (_is_number, "a number"),
    "boolean": (lambda value: value.__class__ is bool, "true or false"),
}


def _timestamp(path: str, field_warnings: FieldWarnings) -> Cleaner:
    def timestamp(value: Any) -> str | None:
        text = timestamps.utc_text(value) if isinstance(value, str) else None
        if text is None and value is not None:
            field_warnings.wrong_type(path, "a date and time")
        return text

    return timestamp


def _array(schema: Mapping[str, Any], path: str, field_warnings: FieldWarnings) -> Cleaner:
    clean = cleaner(schema["items"], path, field_warnings)

    def array(value: Any) -> list[Any] | None:
        if value.__class__ is list:
            return [clean(item) for item in value]
        if value is not None:
            field_warnings.wrong_type(path, "a list")
        return None

    return array


def _object(schema: Mapping[str, Any], path: str, field_warnings: FieldWarnings) -> Cleaner:
    prefix = f"{path}." if path else ""
    fields = {name: cleaner(field, prefix + name, field_warnings) for name, field in schema["properties"].items()}
    find = fields.get

    def record(value: Any) -> dict[str, Any] | None:
        if value.__class__ is not dict:
            if value is not None:
                field_warnings.wrong_type(path, "an object")
            return None
        cleaned = {}
        for name, field in value.items():
            clean = find(name)
            if clean is None:
                field_warnings.unknown(prefix + name)
            else:
                cleaned[name] = None if field is None else clean(field)
        return cleaned

    return record


def pruner(full: Mapping[str, Any], wanted: Mapping[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]] | None:
    """A function that leaves only the wanted properties of a record, at all depths; None if all are wanted.

    Args:
        full: The schema that the record fits.
        wanted: The schema of the catalog, without what is deselected. May be older than the full one.
    """
    mine, theirs = full.get("properties"), wanted.get("properties")
    if mine is None or theirs is None:
        return None
    keep = {name: _inner_pruner(mine[name], theirs[name]) for name in mine if name in theirs}
    if len(keep) == len(mine) and not any(keep.values()):
        return None
    plan = list(keep.items())

    def prune(record: dict[str, Any]) -> dict[str, Any]:
        return {
            name: value if inner is None or value is None else inner(value)
            for name, inner in plan
            if (value := record.get(name, _LEFT_OUT)) is not _LEFT_OUT
        }

    return prune


_LEFT_OUT = object()


def _inner_pruner(full: Mapping[str, Any], wanted: Mapping[str, Any]) -> Cleaner | None:
    if "items" in full and "items" in wanted:
        prune = pruner(full["items"], wanted["items"])
        return None if prune is None else lambda items: [item if item is None else prune(item) for item in items]
    return pruner(full, wanted)
