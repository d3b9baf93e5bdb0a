"""The files of the command line: config, state and catalog, checked before the SDK reads them."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from tap_siro.errors import TapSiroError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def read_object(option: str, read: Callable[[], str]) -> str:
    """The text of a file from the command line, if it holds a JSON object."""
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
    """Fail unless a state has the form of one that a tap of the SDK has written, or is empty."""

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
