"""Checks of the files on the command line, before the SDK reads them: config, state and catalog."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from tap_siro.errors import TapSiroError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def read_object(option: str, read: Callable[[], str]) -> str:
    """Return the text of a file from the command line, which must be a JSON object."""
    with contextlib.suppress(ValueError, RecursionError):  # also for what is not UTF-8
        text = read().removeprefix("\ufeff")  # a byte-order mark
        if isinstance(json.loads(text), dict):
            return text
    # Without the text: it may hold the token.
    begin = " To start without a state, omit the option." if option == "state" else ""
    raise TapSiroError(
        f"The file given with `--{option}` is not a JSON object in UTF-8. Check that it is complete and the right "
        f"file.{begin}"
    )


def check_state(state: Mapping[str, Any]) -> None:
    """Raise a `TapSiroError` unless a state is empty or has the form of the SDK's."""

    def is_entry(entry: Any) -> bool:
        return isinstance(entry, dict) and isinstance(entry.get("progress_markers", {}), dict)

    bookmarks = state.get("bookmarks", None if state else {})
    is_state = isinstance(bookmarks, dict) and all(
        is_entry(entry) and isinstance(parts := entry.get("partitions", []), list) and all(map(is_entry, parts))
        for entry in bookmarks.values()
    )
    if not is_state:
        raise TapSiroError(
            "Invalid state: `bookmarks` must have an object for each stream. Restore the state, or omit it to read "
            "everything again."
        )
