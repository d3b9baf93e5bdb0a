"""The SDK's stream maps and flattening work as users expect."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from tests.sandbox import Sandbox
from tests.sandbox.data import recordings
from tests.sandbox.expected import expected_rows
from tests.sandbox.routes import RECORDINGS
from tests.sandbox.streams import KEYS
from tests.sandbox.users import USERS
from tests.support.in_process import sync
from tests.support.process import Run, config_for, run_tap, selecting

if TYPE_CHECKING:
    from pathlib import Path

DATA = recordings(80)
CHILDREN = [stream for stream in KEYS if stream != "recordings"]


def run_with(tmp_path: Path, maps: dict[str, Any], **options: Any) -> Run:
    with Sandbox(DATA) as sandbox:
        # Without scores, there is only one page, so that no row comes twice.
        return run_tap(tmp_path, config_for(sandbox, show_evaluation_score=False, stream_maps=maps), **options)


def test_an_alias_renames_the_stream_everywhere(tmp_path: Path) -> None:
    run = run_with(tmp_path, {"recordings": {"__alias__": "calls"}})
    assert "calls" in run.schemas
    assert "recordings" not in run.schemas
    assert {row["id"] for row in run.records["calls"]} == {each["id"] for each in DATA}
    assert "recordings" in run.state["bookmarks"], "the state keeps the stream's own name"


def test_a_hashed_field_is_hashed(tmp_path: Path) -> None:
    run = run_with(tmp_path, {"recordings": {"title": "md5(title) if title else None"}})
    titles = {each["id"]: each.get("title") for each in DATA}
    for row in run.records["recordings"]:
        title = titles[row["id"]]
        assert row["title"] == (hashlib.md5(title.encode()).hexdigest() if title else None)  # noqa: S324
    assert len(run.records["recording_crm_links"]) == len(expected_rows(DATA)["recording_crm_links"])


def test_a_removed_field_is_in_neither_schema_nor_rows(tmp_path: Path) -> None:
    run = run_with(tmp_path, {"recordings": {"latitude": "__NULL__", "longitude": None}})
    assert not any({"latitude", "longitude"} & set(row) for row in run.records["recordings"])
    schema = next(m["schema"] for m in run.messages if m["type"] == "SCHEMA" and m["stream"] == "recordings")
    assert not {"latitude", "longitude"} & set(schema["properties"])


def test_a_filtered_recording_has_no_child_rows(tmp_path: Path) -> None:
    """If a user filters out a conversation, its summary must be left out too."""
    maps = {"recordings": {"__filter__": "result == 'WON'"}}
    won = {each["id"] for each in DATA if each.get("result") == "WON"}
    whole = run_with(tmp_path, maps)
    assert {row["id"] for row in whole.records["recordings"]} == won
    alone = run_with(tmp_path, maps, catalog=selecting(*CHILDREN))
    for run in (whole, alone):
        for stream, rows in expected_rows(DATA).items():
            if stream != "recordings":
                assert len(run.records[stream]) == sum(key[0] in won for key in rows)
    assert "recordings" not in alone.records


def test_child_rows_can_be_filtered_alone(tmp_path: Path) -> None:
    run = run_with(tmp_path, {"recording_entity_extractions": {"__filter__": "valueType != 'null'"}})
    assert {row["valueType"] for row in run.records["recording_entity_extractions"]} >= {"string", "number", "array"}
    assert "null" not in {row["valueType"] for row in run.records["recording_entity_extractions"]}
    assert len(run.records["recordings"]) == len(DATA)


def test_a_removed_recordings_stream_keeps_its_child_streams(tmp_path: Path) -> None:
    expected = expected_rows(DATA)["recording_followups"]
    run = run_with(tmp_path, {"recordings": "__NULL__"})
    assert "recordings" not in run.schemas
    assert len(run.records["recording_followups"]) == len(expected)
    only = run_with(tmp_path, {"recording_followups": {}, "__else__": "__NULL__"})
    assert only.schemas == ["recording_followups"]
    assert len(only.records["recording_followups"]) == len(expected)


def test_an_unknown_field_is_said_to_be_kept_only_where_it_is(tmp_path: Path) -> None:
    """The log sends users to `otherFields`, a column that would not exist."""

    def told(catalog: dict[str, Any] | None = None, **settings: Any) -> tuple[str, str]:
        with Sandbox(recordings(5)) as sandbox:
            for path in (RECORDINGS, USERS):
                sandbox.fault(
                    "edit",
                    path=path,
                    on=None,
                    edit=lambda page: page | {"data": [r | {"new": 1} for r in page["data"]]},
                )
            warnings = sync(
                config_for(sandbox, **settings), catalog=catalog or selecting("recordings", "users")
            ).warnings
        recording, user = sorted(warning for warning in warnings if "new`" in warning)
        return recording.split("from Siro ")[1].partition(".")[0], user.split("from Siro ")[1].partition(".")[0]

    kept, lost = "is kept in `otherFields`", "is left out, because the column `otherFields` is not selected"
    assert told() == (kept, kept)
    assert told(flattening_enabled=True, flattening_max_depth=3) == (kept, kept)
    assert told(stream_maps={"recordings": {"otherFields": None}}) == (lost, kept)
    assert told(stream_maps={"users": {"otherFields": "__NULL__"}}) == (kept, lost)
    assert told(selecting("recording_crm_links", "users")) == (lost, kept)
    catalog = selecting("recordings", "users")
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if entry["breadcrumb"] == ["properties", "otherFields"]:
                entry["metadata"]["selected"] = False
    assert told(catalog) == (lost, lost)


def test_flattening_makes_rows_that_fit_their_schema(tmp_path: Path) -> None:
    with Sandbox(DATA) as sandbox:
        config = config_for(sandbox, flattening_enabled=True, flattening_max_depth=3)
        run = run_tap(tmp_path, config)
    schema = next(m["schema"] for m in run.messages if m["type"] == "SCHEMA" and m["stream"] == "recordings")
    assert "crm__account__externalId" in schema["properties"]
    expected = expected_rows(DATA)["recordings"]
    for row in run.records["recordings"]:
        assert set(row) <= set(schema["properties"])
        whole = expected[(row["id"],)]
        account = (whole["crm"] or {}).get("account") or {}
        assert row.get("crm__account__externalId") == account.get("externalId")
        assert row.get("links__web__self") == ((whole["links"] or {}).get("web") or {}).get("self")
        assert json.loads(row["summary"] or "null") == whole["summary"]


def test_an_expression_that_fails_says_so_without_showing_the_row(tmp_path: Path) -> None:
    run = run_with(tmp_path, {"recordings": {"title": "float(title)"}}, status=1)
    assert "The stream map of 'recordings' failed on a record (ValueError)" in run.stderr
    assert "deselect" not in run.stderr, "no other selection would help"
    assert "Traceback" not in run.stderr
    assert not any(str(each["title"]) in run.stderr for each in DATA if each.get("title"))
