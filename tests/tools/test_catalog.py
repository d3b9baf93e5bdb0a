"""Changes of columns are reviewed: users' tables follow the catalog, and a target may refuse or drop changes."""

from __future__ import annotations

import difflib
import json

import pytest

from tests.sandbox.streams import DETAIL_KEYS, KEYS, LIST_KEYS
from tests.support import snapshots

FILES = [f"{stream}.json" for stream in (*KEYS, *DETAIL_KEYS, *LIST_KEYS)]


@pytest.fixture(scope="module")
def discovered() -> dict[str, str]:
    return snapshots.discovered()


@pytest.mark.parametrize("name", FILES)
def test_a_stream_is_as_it_was_reviewed(discovered: dict[str, str], name: str) -> None:
    before, after = snapshots.reviewed().get(name, "{}"), discovered.get(name, "{}")
    if json.loads(before) != json.loads(after):  # the order of keys differs between versions of the SDK
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "reviewed", "discovered", lineterm="")
        pytest.fail(
            f"The catalog entry in {name} has changed. If it should have, run `python -m tests.support.snapshots`, and "
            "have the diff of tests/snapshots/ reviewed.\n" + "\n".join(lines),
            pytrace=False,
        )


def test_every_stream_has_a_file_and_every_file_a_stream(discovered: dict[str, str]) -> None:
    assert set(discovered) == set(snapshots.reviewed()) == set(FILES)
