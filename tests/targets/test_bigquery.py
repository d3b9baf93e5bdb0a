"""Tables of BigQuery after a sync: the target's own code, its settings in `meltano.yml`, and an emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo import DemoError
from tests.sandbox import Sandbox
from tests.sandbox.data import recordings
from tests.sandbox.expected import expected_rows
from tests.sandbox.streams import KEYS
from tests.targets import project as projects
from tests.targets import test_landing as landing
from tests.targets.changes import change
from tests.targets.destinations import SCHEMA, BigQuery

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.targets.project import Project

pytestmark = [pytest.mark.bigquery, pytest.mark.parametrize("destination", [BigQuery], indirect=True)]


def test_rows_are_replaced_and_columns_come_later(destination: BigQuery, start: Callable[[Sandbox], Project]) -> None:
    """The table would have rows twice, or the MERGE would fail: a sync sends some keys more than once."""
    with Sandbox(recordings(60)) as sandbox:
        project = start(sandbox)
        without = [f"!{stream}.{column}" for stream, column in landing.LATER.items()]
        sent = project.sync(select=[*projects.extractor()["select"], *without])
        first = expected_rows(sandbox.recordings)
        assert sent["recordings"] > len(first["recordings"])
        for stream, column in landing.LATER.items():
            assert column not in destination.query(f"SELECT * FROM {stream}")[0]  # noqa: S608
        gone = sandbox.lists.teams.pop(1)
        change(sandbox)
        again = landing.sent_again(project, sandbox)
        # The documentation says so: the target does not add columns.
        with pytest.raises(DemoError, match=r"userId|externalId"):
            project.sync()
        for stream, column in landing.LATER.items():
            destination.execute(f"ALTER TABLE {SCHEMA}.{stream} ADD COLUMN {column} STRING;\n")
        project.sync()
    for stream, column in landing.LATER.items():
        first[stream] = {key: row | {column: None} for key, row in first[stream].items()}
    expected = {stream: first[stream] | again[stream] for stream in KEYS}
    assert destination.differences(expected, destination.tables()) == {}
    # The target ignores ACTIVATE_VERSION.
    teams = {row["id"]: row["_sdc_deleted_at"] for row in destination.query("SELECT * FROM teams")}
    assert teams[gone["id"]] is None
