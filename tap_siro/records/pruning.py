"""Removal of deselected properties from records. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_siro.records.cleaning import Cleaner


def pruner(full: Mapping[str, Any], wanted: Mapping[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]] | None:
    """Return a function that keeps only the wanted properties of a record, at all depths; None if all are wanted.

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
