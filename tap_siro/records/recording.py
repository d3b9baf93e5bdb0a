"""Conversion of a recording to the columns of `recordings`. Pure, except for one warning per field and run."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tap_siro.records.cleaning import NESTING_RULE, FieldWarnings, RecordCleaner, encode, is_deep
from tap_siro.schemas.recordings import RECORDINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

Record = dict[str, Any]


def value_text(value: Any) -> tuple[str | None, str]:
    """Return an extracted value as text, and its JSON type.

    A string stays as it is and null stays null; anything else becomes JSON text with every digit it had, so that
    nothing is lost and every target can store it.
    """
    if isinstance(value, str):
        return value, "string"
    if value is None:
        return None, "null"
    return encode(value).decode(), _TYPES[type(value)]


_TYPES = {bool: "boolean", int: "number", float: "number", Decimal: "number", list: "array", dict: "object"}


class RecordingCleaner(RecordCleaner):
    """Converter of the API's recordings to the columns of `recordings`."""

    def __init__(self, field_warnings: FieldWarnings, *, keeps_others: bool = True) -> None:
        super().__init__(RECORDINGS, field_warnings, keeps_others=keeps_others)

    def __call__(self, recording: Mapping[str, Any]) -> Record:
        """Return the recording with all columns; missing ones are null."""
        extractions = recording.get("entityExtractions")
        if isinstance(extractions, list):
            recording = {**recording, "entityExtractions": [self._typed(item) for item in extractions]}
        return super().__call__(recording)

    def _typed(self, extraction: Any) -> Any:
        if not isinstance(extraction, dict):
            return extraction
        value = extraction.get("value")
        if value.__class__ is float and not math.isfinite(value):
            self._field_warnings.wrong_type("entityExtractions.value", "a finite number")
            value = None
        if value.__class__ is not str and is_deep(value):
            self._field_warnings.wrong_type("entityExtractions.value", NESTING_RULE)
            value = None
        text, value_type = value_text(value)
        mappings = extraction.get("mappings")
        return {"name": None, **extraction, "value": text, "valueType": value_type, "mappings": mappings}
