"""Records of a directory made to fit their columns. Pure but for one warning per field and run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_siro.records.cleaning import FieldWarnings, RecordCleaner

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tap_siro.records.recording import Record


class DirectoryCleaner(RecordCleaner):
    """Makes a record of a directory fit the stream's columns."""

    def __init__(
        self,
        schema: Mapping[str, Any],
        field_warnings: FieldWarnings,
        path: str,
        *,
        json_text: Collection[str],
        left_out: Collection[str],
    ) -> None:
        """Prepare to clean.

        Args:
            schema: As for `RecordCleaner`.
            field_warnings: As for `RecordCleaner`.
            path: As for `RecordCleaner`.
            json_text: Columns that hold whatever the API sends as JSON text.
            left_out: Fields that are not wanted, not even in `otherFields`.
        """
        super().__init__(schema, field_warnings, path)
        self._json_text = json_text
        self._left_out = left_out

    def __call__(self, record: Mapping[str, Any]) -> Record:
        """The record with all columns; those that the API left out are null."""
        record = {name: value for name, value in record.items() if name not in self._left_out}
        for name in self._json_text:
            record[name] = self.json_text(record.get(name), name)
        return super().__call__(record)
