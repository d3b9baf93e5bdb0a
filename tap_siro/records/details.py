"""The records of what is asked for recording by recording. Pure but for one warning per field and run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_siro.records.cleaning import FieldWarnings, RecordCleaner
from tap_siro.schemas import details

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_siro.records.recording import Record


class FollowupCleaner:
    """Makes the follow-ups of a single recording fit the columns of `followups`."""

    def __init__(self, field_warnings: FieldWarnings) -> None:
        """Clean, and warn of what does not fit through `field_warnings`."""
        self._clean = RecordCleaner(details.FOLLOWUPS, field_warnings, "followups")

    def __call__(self, recording: Record, items: Sequence[Any]) -> list[Record]:
        """The records of a cleaned recording. One that has no `followupId`, or was no object, has no key."""
        parent = {"recordingId": recording["id"], "recordingUpdatedAt": recording["updatedAt"]}
        return [self._clean({**(item if isinstance(item, dict) else {}), **parent}) for item in items]


class UtteranceCleaner:
    """Makes the utterances of a recording fit the columns of `recording_utterances`."""

    def __init__(self, field_warnings: FieldWarnings) -> None:
        """Clean, and warn of what does not fit through `field_warnings`."""
        self._field_warnings = field_warnings
        self._clean = RecordCleaner(details.UTTERANCES, field_warnings, "utterances")

    def __call__(self, recording: Record, items: Sequence[Any]) -> list[Record]:
        """The records of a cleaned recording. What is no object has none, so that the others keep their place."""
        parent = {"recordingId": recording["id"], "recordingUpdatedAt": recording["updatedAt"]}
        records = []
        for ordinal, item in enumerate(items):
            if isinstance(item, dict):
                records.append({**self._clean({**item, **parent}), "ordinal": ordinal})
            else:
                self._field_warnings.wrong_type("utterances", "objects", then="what it holds is left out")
        return records


def named(utterances: Sequence[Any], speakers: Mapping[str, Any]) -> list[Any]:
    """Utterances with the `speakerName` that `speakerMap` has for their speaker's tag."""
    return [
        {**item, "speakerName": speakers.get(str(item.get("speakerTag")), item.get("speakerName"))}
        if isinstance(item, dict)
        else item
        for item in utterances
    ]
