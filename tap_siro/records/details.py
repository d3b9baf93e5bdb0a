"""The records of what is asked for recording by recording. Pure but for one warning per field and run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_siro.records import detail_schemas
from tap_siro.records.cleaning import FieldWarnings, RecordCleaner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tap_siro.records.recording import Record


class FollowupCleaner:
    """Makes the follow-ups of a single recording fit the columns of `followups`."""

    def __init__(self, field_warnings: FieldWarnings) -> None:
        """Clean, and warn of what does not fit through `field_warnings`."""
        self._clean = RecordCleaner(detail_schemas.FOLLOWUPS, field_warnings, "followups")
        self._json_text = [tuple(path.split(".")) for path in detail_schemas.FOLLOWUPS_JSON_TEXT]

    def __call__(self, recording: Record, items: Sequence[Any]) -> list[Record]:
        """The records of a cleaned recording. One that has no `followupId`, or was no object, has no key."""
        return [self._record(recording, item if isinstance(item, dict) else {}) for item in items]

    def _record(self, recording: Record, item: Mapping[str, Any]) -> Record:
        for path in self._json_text:
            item = _replaced(item, path, self._clean.json_text)
        parent = {"recordingId": recording["id"], "recordingUpdatedAt": recording["updatedAt"]}
        return self._clean({**item, **parent})


class UtteranceCleaner:
    """Makes the utterances of a recording fit the columns of `recording_utterances`."""

    def __init__(self, field_warnings: FieldWarnings) -> None:
        """Clean, and warn of what does not fit through `field_warnings`."""
        self._field_warnings = field_warnings
        columns = {
            name: column for name, column in detail_schemas.UTTERANCES["properties"].items() if name != "ordinal"
        }
        self._clean = RecordCleaner({"properties": columns}, field_warnings, "utterances")

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


def _replaced(value: Any, path: tuple[str, ...], change: Callable[[Any, str], Any]) -> Any:
    """A copy of a value in which what is at a path is changed; lists on the way are looked into."""
    if isinstance(value, list):
        return [_replaced(item, path, change) for item in value]
    if not isinstance(value, dict) or path[0] not in value:
        return value
    name, *rest = path
    inner = _replaced(value[name], tuple(rest), change) if rest else change(value[name], name)
    return {**value, name: inner}
