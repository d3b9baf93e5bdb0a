"""A recording made to fit the columns of `recordings`. Pure but for one warning per field and run."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from tap_siro.records import schemas
from tap_siro.records.cleaning import FieldWarnings, cleaner, fitting

if TYPE_CHECKING:
    from collections.abc import Mapping

Record = dict[str, Any]

_encode = msgspec.json.Encoder(decimal_format="number").encode


def value_text(value: Any) -> tuple[str | None, str]:
    """An extracted value as text, and its JSON type.

    A string stays as it is and null stays null; anything else becomes JSON text with every digit it had, so that
    nothing is lost and every target can store it.
    """
    if isinstance(value, str):
        return value, "string"
    if value is None:
        return None, "null"
    return _encode(value).decode(), _TYPES[type(value)]


_TYPES = {bool: "boolean", int: "number", float: "number", Decimal: "number", list: "array", dict: "object"}


class RecordingCleaner:
    """Makes a recording of the API fit the columns of `recordings`."""

    def __init__(self, field_warnings: FieldWarnings) -> None:
        """Clean, and warn of what does not fit through `field_warnings`."""
        columns = schemas.RECORDINGS["properties"]
        self._clean = cleaner(schemas.RECORDINGS, "", field_warnings)
        self._field_warnings = field_warnings
        self._fitting = fitting(schemas.RECORDINGS)
        self._timestamps = [
            (name, cleaner(column, name, field_warnings))
            for name, column in columns.items()
            if column.get("format") == "date-time"
        ]
        self._empty = dict.fromkeys(columns)

    def __call__(self, recording: Mapping[str, Any]) -> Record:
        """The recording with all columns; those that the API left out are null."""
        extractions = recording.get("entityExtractions")
        if isinstance(extractions, list):
            recording = {**recording, "entityExtractions": [self._typed(item) for item in extractions]}
        try:
            msgspec.convert(recording, self._fitting)
        except msgspec.ValidationError:
            return {**self._empty, **self._clean(recording)}
        # Nearly always, and several times faster.
        record = {**self._empty, **recording}
        for name, clean in self._timestamps:
            if record[name] is not None:
                record[name] = clean(record[name])
        return record

    def _typed(self, extraction: Any) -> Any:
        if not isinstance(extraction, dict):
            return extraction
        try:
            value, value_type = value_text(extraction.get("value"))
        except RecursionError:
            self._field_warnings.wrong_type("entityExtractions.value", "something that is nested less than 900 times")
            value, value_type = None, "null"
        mappings = extraction.get("mappings")
        return {"name": None, **extraction, "value": value, "valueType": value_type, "mappings": mappings}
