"""Declarations of columns, for all schemas. Only key columns are required, and all have a description."""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th

Schema = dict[str, Any]
JSON_TEXT = "x-json-text"
"""Marks a column that holds JSON text. For this package alone: see `published`."""
Column = th.Property[Any]


def text(name: str, description: str, *, key: bool = False) -> Column:
    """Return a text column."""
    return th.Property(name, th.StringType(), required=key, description=description)


def json_text(name: str, description: str) -> Column:
    """Return a column of JSON text, for values whose form changes or is undocumented."""
    mark: dict[str, Any] = {JSON_TEXT: True}
    return th.Property(name, th.StringType(), description=description, **mark)


def number(name: str, description: str) -> Column:
    """Return a number column, for whole and other numbers."""
    return th.Property(name, th.NumberType(), description=description)


def whole(name: str, description: str, *, key: bool = True) -> Column:
    """Return a column of whole numbers, usually part of a key."""
    return th.Property(name, th.IntegerType(), required=key, description=description)


def flag(name: str, description: str) -> Column:
    """Return a Boolean column."""
    return th.Property(name, th.BooleanType(), description=description)


def timestamp(name: str, description: str) -> Column:
    """Return a date-time column."""
    return th.Property(name, th.DateTimeType(), description=description)


def nested(name: str, description: str, *columns: Column) -> Column:
    """Return an object column."""
    return th.Property(name, th.ObjectType(*columns), description=description)


def objects(name: str, description: str, *columns: Column) -> Column:
    """Return a column of lists of objects. Other items become null, so that the objects keep their place."""
    return th.Property(name, th.ArrayType(th.ObjectType(*columns, nullable=True)), description=description)


def texts(name: str, description: str) -> Column:
    """Return a column of lists of texts. Other items become null."""
    return th.Property(name, th.ArrayType(th.StringType(nullable=True)), description=description)


OTHER_FIELDS = "otherFields"
"""The column of what the API sends and the schema does not know."""


def other_fields() -> Column:
    """Return the column `otherFields`, the last one of each stream that is read from the API."""
    return text(OTHER_FIELDS, "Fields that tap-siro has no column for yet, as JSON text; null if there are none.")


def schema(*columns: Column) -> Schema:
    """Return a stream's schema."""
    return th.PropertiesList(*columns).to_dict()


def published(schema: Schema) -> Schema:
    """Return a schema without this package's own marks, as catalogs and SCHEMA messages have it."""
    return {
        name: published(value) if isinstance(value, dict) else value
        for name, value in schema.items()
        if name != JSON_TEXT
    }
