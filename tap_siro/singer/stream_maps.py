"""Application of the SDK's stream maps and flattening to records."""

from __future__ import annotations

import contextlib
import logging
import threading
from fnmatch import filter as matching
from typing import TYPE_CHECKING, Any

from tap_siro.errors import StreamMapError, TapSiroError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from singer_sdk.mapper import CustomStreamMap, StreamMap

    from tap_siro.records.recording import Record

logger = logging.getLogger(__name__)

_evaluating = threading.Lock()
"""An expression's evaluator keeps the record in hand, and filters are asked in several threads."""


def transform_record(maps: Sequence[StreamMap], record: Record) -> Iterator[tuple[str, Record]]:
    """Yield the records that stream maps and flattening make of a record, each with its stream's name."""
    for stream_map in maps:
        with _explain_errors(stream_map):
            made = stream_map.transform(record)
        if made is not None:
            # The SDK leaves an object that is null where its flattened columns should be.
            columns = stream_map.transformed_schema["properties"]
            yield stream_map.stream_alias, {name: value for name, value in made.items() if name in columns}


def passes_filter(stream_map: CustomStreamMap, record: Record) -> bool:
    """Return True if a record passes the map's `__filter__`."""
    with _explain_errors(stream_map):
        return stream_map.get_filter_result(record)


def warn_of_unknown_streams(stream_maps: Mapping[str, Any], streams: Iterable[str]) -> None:
    """Warn of maps whose stream does not exist."""
    for name, each in stream_maps.items():
        source = each.get("__source__", name) if isinstance(each, dict) else name
        if name != "__else__" and not matching(streams, source):
            logger.warning(
                "`stream_maps` has an entry for '%s', which is not a stream of this tap. The entry is ignored. Check "
                "the spelling.",
                source,
            )


@contextlib.contextmanager
def explain_flattening(stream: str) -> Iterator[None]:
    """Turn the SDK's error about duplicate column names into one for the user."""
    try:
        yield
    except ValueError as error:
        if "Duplicate column name" not in str(error):
            raise
        raise TapSiroError(
            f"Flattening gives two columns of '{stream}' the same name. Increase `flattening_max_key_length`, or "
            "remove it."
        ) from None


@contextlib.contextmanager
def _explain_errors(stream_map: StreamMap) -> Iterator[None]:
    """Turn an error in a user's expression into one without its text, which may contain the record."""
    try:
        with _evaluating:
            yield
    except Exception as error:  # noqa: BLE001 - the expression is the user's, so anything can happen
        kind = type(error.__cause__ or error).__name__
        raise StreamMapError(
            f"The stream map of '{stream_map.stream_alias}' failed on a record ({kind}). Check the names in its "
            "expressions, and that no variable in `stream_map_config` is blank. Any column but the keys can be null, "
            "so write `md5(title) if title else None`."
        ) from None
