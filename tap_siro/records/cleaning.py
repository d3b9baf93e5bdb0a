"""Conversion of the API's values to the columns' types. Pure, except for one warning per field and run.

What another type holds without loss is taken as the column's type: a number as text, the text of a number as a number.
Any other value of the wrong type becomes null. A field that the schema does not know is kept in the column
`otherFields`, as JSON text. Both are warned of once, by the field's name, never with its value.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from tap_siro import timestamps
from tap_siro.schemas.columns import JSON_TEXT, OTHER_FIELDS

logger = logging.getLogger(__name__)

Cleaner = Callable[[Any], Any]

MAX_WARNINGS = 50
"""Different fields that are warned of in one run; names may be data too if the API uses them so."""
MAX_NAME_CHARACTERS = 100
"""Characters of a field's name that are shown."""
MAX_NESTING = 380
"""Levels of nesting that no value has: less than what decoding leaves of a body that is too deep."""
NESTING_RULE = f"nested less than {MAX_NESTING} times"
LARGEST_NUMBER = Decimal(repr(1.7976931348623157e308))
"""The largest number that a target's floating-point column holds."""


_ORDINARY = Annotated[float, msgspec.Meta(ge=-1e308, le=1e308)]
"""A number that surely fits, whichever way it is rounded."""


IN_LIST = "is left out, because it is inside a list"
KEPT = f"is kept in `{OTHER_FIELDS}`"
NOT_KEPT = f"is left out, because the column `{OTHER_FIELDS}` is not selected"
"""Places of unknown fields, in words."""


class FieldWarnings:
    """Warnings of invalid and unknown fields, one for each field and run."""

    def __init__(self) -> None:
        self._warned: set[tuple[str, str]] = set()

    def wrong_type(self, path: str, kind: str, *, then: str = "other values are written as null") -> None:
        """Warn of a field with a value of another type. `then` says what becomes of the value."""
        self._warn_once("wrong type", path, f"Siro's field `{path}` is not always {kind}; {then}.")

    def unknown(self, path: str, place: str) -> None:
        """Warn of a field that is not in the schema. `place` says where it goes."""
        is_printable = len(path) <= MAX_NAME_CHARACTERS and path.isprintable()
        shown = path if is_printable else f"{ascii(path)[:MAX_NAME_CHARACTERS]}…"
        message = f"Unknown field `{shown}` from Siro {place}. A newer version of tap-siro may have a column for it."
        self._warn_once("unknown", path, message)

    def _warn_once(self, what: str, path: str, message: str) -> None:
        if (what, path) not in self._warned and len(self._warned) < MAX_WARNINGS:
            self._warned.add((what, path))
            logger.warning("%s", message)


class RecordCleaner:
    """Converter of an endpoint's records to a stream's columns, including `otherFields`."""

    def __init__(
        self,
        schema: Mapping[str, Any],
        field_warnings: FieldWarnings,
        path: str = "",
        *,
        left_out: Collection[str] = (),
        keeps_others: bool = True,
    ) -> None:
        """Prepare to clean.

        Args:
            schema: The stream's schema.
            field_warnings: Warns of invalid and unknown fields.
            path: Prefix of a field's name in warnings.
            left_out: Fields to ignore, without a trace in `otherFields`.
            keeps_others: The column `otherFields` is written.
        """
        columns = {
            name: column
            for name, column in schema["properties"].items()
            if name != OTHER_FIELDS and "integer" not in column["type"]  # an ordinal is the tap's own
        }
        self._split = _splitter(columns, path, field_warnings, KEPT if keeps_others else NOT_KEPT)
        self._clean = cleaner({"type": "object", "properties": columns}, path, field_warnings)
        converted = [
            name for name, column in columns.items() if column.get("format") == "date-time" or JSON_TEXT in column
        ]
        self._converted = [(name, cleaner(columns[name], _joined(path, name), field_warnings)) for name in converted]
        self._valid_type = msgspec_type({"type": "object", "properties": columns}, ignored=converted)
        self._empty = dict.fromkeys(schema["properties"])
        self._other_fields = _json_text(_joined(path, OTHER_FIELDS), field_warnings)
        self._left_out = left_out
        self._field_warnings = field_warnings

    def __call__(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return the record with all columns; missing ones are null."""
        others, converted = None, self._converted
        if self._left_out:
            record = {name: value for name, value in record.items() if name not in self._left_out}
        if not self._fits(record):
            record, others = self._split(record)
            if not self._fits(record):
                record, converted = self._clean(record), []
        cleaned = {**self._empty, **record}
        for name, convert in converted:
            if cleaned[name] is not None:
                cleaned[name] = convert(cleaned[name])
        if others:
            cleaned[OTHER_FIELDS] = self._other_fields(others)
        return cleaned

    def _fits(self, record: Mapping[str, Any]) -> bool:
        """Return True if only dates need cleaning: nearly always, and several times faster to check than to clean."""
        try:
            msgspec.convert(record, self._valid_type)
        except msgspec.ValidationError:
            return False
        return True


encode = msgspec.json.Encoder(decimal_format="number").encode
"""Makes JSON with every digit of a number; NaN and infinities become null."""


def is_deep(value: Any) -> bool:
    """Return True if a value is nested so deep that Python may fail on it, or that decoding cut it."""
    level = [value]
    for _ in range(MAX_NESTING):
        level = [each for each in level if each.__class__ is list or each.__class__ is dict]
        if not level:
            return False
        level = [inner for each in level for inner in (each.values() if each.__class__ is dict else each)]
    return True


def cleaner(schema: Mapping[str, Any], path: str, field_warnings: FieldWarnings) -> Cleaner:
    """Return a function that converts a value to a schema of this package.

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
    if schema.get("format") == "date-time":
        return _timestamp(path, field_warnings)
    if JSON_TEXT in schema:
        return _json_text(path, field_warnings)
    return _scalar(kind, path, field_warnings)


def msgspec_type(schema: Mapping[str, Any], ignored: Sequence[str] = ()) -> Any:
    """Return a type that accepts only values that `cleaner` would return unchanged.

    `msgspec.convert` checks a value against it many times faster than a cleaner can look at it.

    Args:
        schema: A JSON schema with one type besides null.
        ignored: Properties that are not looked at.
    """
    (kind,) = set(schema["type"] if isinstance(schema["type"], list) else [schema["type"]]) - {"null"}
    if kind == "object":
        types = {name: Any if name in ignored else msgspec_type(field) for name, field in schema["properties"].items()}
        fields = [(name, each, None) for name, each in types.items()]
        return msgspec.defstruct("Fitting", fields, forbid_unknown_fields=True, gc=False) | None
    if kind == "array":
        return list[msgspec_type(schema["items"])] | None  # type: ignore[misc]
    if schema.get("format") == "date-time" or JSON_TEXT in schema:
        return None  # only null needs no further look
    return {"string": str, "number": _ORDINARY, "boolean": bool}[kind] | None


def _scalar(kind: str, path: str, field_warnings: FieldWarnings) -> Cleaner:
    convert, should = _SCALARS[kind]

    def scalar(value: Any) -> Any:
        converted = convert(value)
        if converted is None and value is not None:
            field_warnings.wrong_type(path, should)
        return converted

    return scalar


def _is_finite(value: Any) -> bool:
    """Return True for a finite number. JSON has neither NaN nor infinities, though some APIs write them."""
    kind = value.__class__  # true and false are integers to Python
    return kind is int or (kind is Decimal and value.is_finite()) or (kind is float and math.isfinite(value))


def _text(value: Any) -> str | None:
    if value.__class__ is str:
        return value
    if value.__class__ is bool:
        return "true" if value else "false"
    # An exponent is written as JavaScript does (`1e+21`): how it came is not known any more.
    return str(value).lower() if _is_finite(value) else None


_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


def _number(value: Any) -> int | float | Decimal | None:
    if value.__class__ is str and _NUMBER.fullmatch(value):
        try:
            value = Decimal(value)
        except ArithmeticError:  # an exponent beyond all measure
            return None
    return value if _is_finite(value) and -LARGEST_NUMBER <= value <= LARGEST_NUMBER else None


def _boolean(value: Any) -> bool | None:
    if value.__class__ is str:
        return {"true": True, "false": False}.get(value)
    return value if value.__class__ is bool else None


_SCALARS: dict[str, tuple[Cleaner, str]] = {
    "string": (_text, "text"),
    "number": (_number, "a number"),
    "boolean": (_boolean, "true or false"),
}


def _timestamp(path: str, field_warnings: FieldWarnings) -> Cleaner:
    def timestamp(value: Any) -> str | None:
        text = timestamps.utc_text(value) if isinstance(value, str) else None
        if text is None and value is not None:
            field_warnings.wrong_type(path, "a date and time")
        return text

    return timestamp


def _json_text(path: str, field_warnings: FieldWarnings) -> Cleaner:
    """Return a function that turns a value into JSON text with all its digits; null stays null."""

    def json_text(value: Any) -> str | None:
        if is_deep(value):
            field_warnings.wrong_type(path, NESTING_RULE)
            return None
        return None if value is None else encode(value).decode()

    return json_text


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
    fields = {name: cleaner(field, _joined(path, name), field_warnings) for name, field in schema["properties"].items()}
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
                field_warnings.unknown(_joined(path, name), IN_LIST)
            else:
                cleaned[name] = None if field is None else clean(field)
        return cleaned

    return record


def _splitter(
    columns: Mapping[str, Any], path: str, field_warnings: FieldWarnings, place: str
) -> Callable[[Mapping[str, Any]], tuple[dict[str, Any], dict[str, Any]]]:
    """Return a function that divides an object into known and unknown fields, both with the object's nesting.

    Lists are not looked into: what is not known in their items would have no place.
    """
    nested = {
        name: _splitter(column["properties"], _joined(path, name), field_warnings, place)
        for name, column in columns.items()
        if "properties" in column
    }

    def split(value: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        known, others = dict(value), {}
        for name, field in value.items():
            if name not in columns:
                field_warnings.unknown(_joined(path, name), place)
                others[name] = known.pop(name)
            elif name in nested and field.__class__ is dict:
                known[name], inner = nested[name](field)
                if inner:
                    others[name] = inner
        return known, others

    return split


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
