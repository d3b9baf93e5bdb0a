"""Changes that a catalog may make to a schema: fewer columns, but no other types."""

from __future__ import annotations

import logging
from typing import Any

Schema = dict[str, Any]

logger = logging.getLogger(__name__)


def narrow_schema(mine: Schema, theirs: Schema) -> Schema:
    """Return the stream's own schema, with the keys and those properties that the catalog has too, at all depths.

    A catalog from before a column came, or edited by hand, makes no row wider than its SCHEMA.
    """
    made = dict(mine)
    if "properties" in mine and "properties" in theirs:
        kept = {*mine.get("required", ()), *theirs["properties"]}
        made["properties"] = {
            name: narrow_schema(own, theirs["properties"].get(name, {}))
            for name, own in mine["properties"].items()
            if name in kept
        }
    if "items" in mine and "items" in theirs:
        made["items"] = narrow_schema(mine["items"], theirs["items"])
    return made


def warn_of_differences(stream: str, mine: Schema, theirs: Schema) -> None:
    """Warn of columns that are not written as the catalog declares them."""
    if names := differences(mine, theirs):
        logger.warning(
            "The catalog has columns of '%s' that the tap lacks or declares differently (%s). The tap ignores the "
            "catalog's declarations. Remove Meltano's `schema` extra; cast types in the target.",
            stream, ", ".join(names),
        )  # fmt: skip


def differences(mine: Schema, theirs: Schema, path: str = "") -> list[str]:
    """Return the properties that only the catalog has, or that it declares with another type."""
    found = []
    for name, declared in theirs.get("properties", {}).items():
        inner = f"{path}.{name}" if path else name
        own = mine.get("properties", {}).get(name)
        if own is None or _kind(own) != _kind(declared):
            found.append(inner)
        else:
            found += differences(own.get("items", own), declared.get("items", declared), inner)
    return found


def _kind(schema: Schema) -> tuple[frozenset[str], Any]:
    kinds = schema.get("type", [])
    return frozenset([kinds] if isinstance(kinds, str) else kinds) - {"null"}, schema.get("format")


def drop_empty_objects(schema: Schema) -> bool:
    """Deselect objects all of whose properties are deselected: targets refuse an object without any.

    Returns:
        Whether the schema is such an object itself.
    """
    properties = schema.get("properties")
    if properties is None:
        return False
    for name in [name for name, inner in properties.items() if drop_empty_objects(inner)]:
        del properties[name]
    return not properties
