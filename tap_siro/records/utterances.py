"""Utterances with the names of their speakers. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def name_speakers(utterances: Sequence[Any], speakers: Mapping[str, Any]) -> list[Any]:
    """Return utterances with the `speakerName` that `speakerMap` has for their speaker's tag."""
    return [
        {**item, "speakerName": speakers.get(str(item.get("speakerTag")), item.get("speakerName"))}
        if isinstance(item, dict)
        else item
        for item in utterances
    ]
