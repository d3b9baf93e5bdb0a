"""A word that must not be in any log, and is easy to find."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

CANARY = "KANARIENVOGEL"


def sing(value: Any, keep: Collection[str] = ()) -> Any:
    """Put the canary into every text, except in some fields."""
    if isinstance(value, str):
        return f"{CANARY} {value}"
    if isinstance(value, list):
        return [sing(item, keep) for item in value]
    if isinstance(value, dict):
        return {name: inner if name in keep else sing(inner, keep) for name, inner in value.items()}
    return value
