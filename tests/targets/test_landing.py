"""Each target's tables after a sync, row by row and column by column.

Snowflake is a stand-in: the target's own code on fakesnow, which is DuckDB. It does not prove that Snowflake accepts
the target's SQL, nor how Snowflake treats quoted names, long texts, sessions, privileges or warehouses.
"""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from demo.changing import change
from tests.sandbox import Sandbox, timestamps
from tests.sandbox.data import recordings
from tests.sandbox.expected import expected_rows
from tests.sandbox.streams import KEYS
from tests.support.documents import STREAMS, blocks
from tests.support.process import config_for, run_tap
from tests.targets import project as projects
from tests.targets.destinations import CSV, Database, Destination, DuckDB, Files, JSONLines, PostgreSQL, Snowflake

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.sandbox.oracle import Row, Rows
    from tests.targets.project import Project

pytestmark = pytest.mark.targets

DATA = recordings(120)
SECTIONS = "recording_summary_sections"
CHILDREN = [stream for stream in KEYS if stream != "recordings"]
replacing = pytest.mark.parametrize("destination", [Snowflake], indirect=True)  # the others: test_recipes.py
appending = pytest.mark.parametrize("destination", [CSV, JSONLines], indirect=True)
mapped = pytest.mark.parametrize("destination", [DuckDB, Snowflake], indirect=True)  # PostgreSQL: test_batch.py


def sent_again(project: Project, sandbox: Sandbox) -> dict[str, Rows]:
    """Return the rows that the next poll has to send: none before the bookmark, less `lookback_seconds`."""
    bookmark = timestamps.parse(project.completed()["recordings"]["replication_key_value"])
    assert bookmark is not None
    return expected_rows(sandbox.recordings, since=timestamps.from_ms(bookmark - 7_200_000))


@replacing
def test_rows_are_replaced_and_the_live_ones_are_the_sources(
    destination: Database, start: Callable[[Sandbox], Project]
) -> None:
    """A warehouse would have duplicate rows, or outdated links and sections."""
    with Sandbox(DATA) as sandbox:
        project = start(sandbox)
        project.sync()
        first = expected_rows(DATA)
        assert not destination.differences(first, destination.tables())
        assert 0 < project.sync()["recordings"] < 10
        assert not destination.differences(first, destination.tables())
        # For example, a summary becomes shorter, a recording is linked to another appointment, and one is deleted.
        change(sandbox)
        project.sync()
        second = expected_rows(sandbox.recordings)
    assert not destination.differences(
        {stream: first[stream] | second[stream] for stream in KEYS}, destination.tables()
    )
    query = blocks(STREAMS)["sql: live rows"]
    if isinstance(destination, Snowflake):  # as the page says below the query
        query = query.replace('"', "")
    queries = [query.replace(SECTIONS, stream) for stream in CHILDREN]
    without_crm, *rows = destination.queries("SELECT id FROM recordings WHERE crm IS NULL", *queries)
    # PostgreSQL's target writes JSON's null, which is not NULL (see docs/targets.md).
    assert bool(without_crm) is not isinstance(destination, PostgreSQL)
    live = dict(zip(CHILDREN, rows, strict=True))
    assert not destination.differences(second, live)
    assert len(live[SECTIONS]) < len(first[SECTIONS] | second[SECTIONS]), "no summary became shorter"


ONE_PAGE: dict[str, Any] = {"page_size": 500, "show_evaluation_score": False}
"""One request: rows without a date come with each."""


def unscored(rows: dict[str, Rows]) -> dict[str, Rows]:
    return rows | {"recordings": {key: row | {"evaluationScore": None} for key, row in rows["recordings"].items()}}


@appending
def test_files_hold_what_each_sync_sent(destination: Files, start: Callable[[Sandbox], Project]) -> None:
    """A reader of the files takes the last row of each key; a row that is missing would leave an older one the last."""
    with Sandbox(DATA) as sandbox:
        project = start(sandbox)
        first = unscored(expected_rows(DATA))
        project.sync(**ONE_PAGE)
        change(sandbox)
        sent = [first, unscored(sent_again(project, sandbox))]
        project.sync(**ONE_PAGE)
        second = unscored(expected_rows(sandbox.recordings))
    for number, expected in enumerate(sent):
        written = {stream: destination.runs(stream)[number] for stream in KEYS if expected[stream]}
        assert not destination.differences(expected, written)
    # The last row of each key is the row that an upserting target would have.
    last = {
        stream: list({tuple(row[name] for name in KEYS[stream]): row for row in rows}.values())
        for stream, rows in destination.tables().items()
    }
    assert not destination.differences({stream: first[stream] | second[stream] for stream in KEYS}, last)


@pytest.mark.usefixtures("meltano")
def test_csv_files_are_overwritten_unless_their_names_have_the_time(tmp_path: Path) -> None:
    """The documentation says so: users who do not know it keep only the rows of the last sync."""
    target = projects.plugin("loaders", "target-csv", "target-csv")
    config = tmp_path / "target.json"
    config.write_text(json.dumps({"output_path": str(tmp_path), "overwrite_behavior": "append_records"}))
    with Sandbox(DATA) as sandbox:
        first = run_tap(tmp_path, config_for(sandbox))
        second = run_tap(tmp_path, config_for(sandbox), state=first.state)
    for run in (first, second):
        messages = "\n".join(json.dumps(message) for message in run.messages)
        subprocess.run([target, "--config", config], input=messages.encode(), capture_output=True, check=True)
        with (tmp_path / "recordings.csv").open(encoding="utf-8", newline="") as lines:
            assert len(list(csv.DictReader(lines))) == len(run.records["recordings"])


def flattened(row: Row) -> Row:
    """Return a recording's row with a column for each leaf of its objects."""
    flat = {name: value for name, value in row.items() if name not in {"links", "crm"}}
    flat["links__web__self"] = ((row["links"] or {}).get("web") or {}).get("self")
    crm = row["crm"] or {}
    for name in ("integrationConnectionId", "users", "contacts"):
        flat[f"crm__{name}"] = crm.get(name)
    for kind in ("engagement", "opportunity", "account", "lead"):
        for name in ("id", "externalId"):
            flat[f"crm__{kind}__{name}"] = (crm.get(kind) or {}).get(name)
    return flat


def with_maps(expected: dict[str, Rows], *, later: bool) -> dict[str, Rows]:
    """Return the rows after flattening and MAPS; rows from before the columns of LATER have null there."""
    made = expected | {"recordings": {key: flattened(row) for key, row in expected["recordings"].items()}}
    for row in made["recordings"].values():
        row["title"] = hashlib.md5(row["title"].encode()).hexdigest() if row["title"] else None  # noqa: S324
    if not later:
        for stream, column in LATER.items():
            made[stream] = {key: row | {column: None} for key, row in made[stream].items()}
    return made


MAPS: dict[str, Any] = {
    "flattening_enabled": True,
    "flattening_max_depth": 3,
    "stream_maps": {"recordings": {"title": "md5(title) if title else None"}},
}
LATER = {"recordings": "userId", "recording_crm_links": "externalId"}


@mapped
def test_flattened_with_a_hashed_title_and_with_columns_that_come_later(
    destination: Destination, start: Callable[[Sandbox], Project]
) -> None:
    """A user who lets a column through later has it from then on, and the rows from before keep what they had."""
    with Sandbox(DATA) as sandbox:
        project = start(sandbox)
        without = [f"!{stream}.{column}" for stream, column in LATER.items()]
        project.sync(select=[*projects.extractor()["select"], *without], **ONE_PAGE, **MAPS)
        tables = destination.tables()
        assert len(tables["recordings"]) == len(DATA)
        for stream, column in LATER.items():
            assert destination.stored(column) not in tables[stream][0]
        change(sandbox)
        sent = with_maps(unscored(sent_again(project, sandbox)), later=True)
        project.sync(**ONE_PAGE, **MAPS)
    if isinstance(destination, Files):
        written = {stream: destination.runs(stream)[-1] for stream in KEYS}
        assert not destination.differences(sent, written)
    else:
        before = with_maps(unscored(expected_rows(DATA)), later=False)
        assert not destination.differences(
            {stream: before[stream] | sent[stream] for stream in KEYS}, destination.tables()
        )
