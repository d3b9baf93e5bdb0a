"""Each stream has its own bookmark and position, and its rows do not depend on other streams."""

from __future__ import annotations

from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox import Sandbox
from tests.sandbox.data import recordings
from tests.sandbox.expected import expected_rows
from tests.sandbox.streams import KEYS
from tests.support.process import Warehouse, config_for, run_tap, selecting

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox import Request

DATA = recordings(150)
FLAGS = {
    "recordings": {"showCrmLinks", "showSummary", "showEntityExtractions", "showEvaluationScore", "showFollowups"},
    "recording_crm_links": {"showCrmLinks"},
    "recording_summary_sections": {"showSummary"},
    "recording_entity_extractions": {"showEntityExtractions"},
    "recording_entity_mappings": {"showEntityExtractions"},
    "recording_followups": {"showFollowups"},
}


def flags_of(params: dict[str, str]) -> set[str]:
    return {name for name in params if name.startswith("show")}


def deselect(catalog: dict[str, Any], stream: str, *properties: str) -> None:
    entry = next(each for each in catalog["streams"] if each["tap_stream_id"] == stream)
    for metadata in entry["metadata"]:
        if metadata["breadcrumb"][1:2] and metadata["breadcrumb"][1] in properties and len(metadata["breadcrumb"]) == 2:
            metadata["metadata"]["selected"] = False


@pytest.mark.parametrize("stream", KEYS)
def test_each_stream_works_alone_and_asks_only_for_what_it_needs(tmp_path: Path, stream: str) -> None:
    """Deselected data is not requested, and a child stream does not need its parent."""
    with Sandbox(DATA) as sandbox:
        catalog = selecting(stream)
        first = run_tap(tmp_path, config_for(sandbox, page_size=40), catalog=catalog)
        assert all(flags_of(request.params) == FLAGS[stream] for request in sandbox.requests)
        sandbox.clear()
        second = run_tap(tmp_path, config_for(sandbox), catalog=catalog, state=first.state)
        assert len(sandbox.requests) == 1
        assert "updatedAt:gte" in sandbox.requests[0].params
    warehouse = Warehouse()
    warehouse.load(first)
    assert warehouse.tables[stream] == expected_rows(DATA)[stream]
    assert first.schemas == [stream]
    assert set(first.records) == {stream}
    assert list(first.state["bookmarks"]) == [stream]
    assert second.state == first.state


def test_a_property_that_is_deselected_is_neither_asked_for_nor_written(tmp_path: Path) -> None:
    with Sandbox(DATA) as sandbox:
        catalog = selecting("recordings", "recording_followups")
        deselect(catalog, "recordings", "crm", "summary", "latitude", "followups")
        run = run_tap(tmp_path, config_for(sandbox), catalog=catalog)
        asked = flags_of(sandbox.requests[0].params)
    assert asked == {"showEntityExtractions", "showEvaluationScore", "showFollowups"}
    schema = next(m["schema"] for m in run.messages if m["type"] == "SCHEMA" and m["stream"] == "recordings")
    expected = expected_rows(DATA)
    for row in run.records["recordings"]:
        assert set(row) == set(schema["properties"])
        whole = expected["recordings"][(row["id"],)]
        assert row == {name: whole[name] for name in row}
        assert not {"crm", "summary", "latitude", "followups"} & set(row)
    warehouse = Warehouse()
    warehouse.load(run)
    assert warehouse.tables["recording_followups"] == expected["recording_followups"]


def test_a_nested_property_that_is_deselected_is_not_written(tmp_path: Path) -> None:
    with Sandbox(DATA) as sandbox:
        catalog = selecting("recordings")
        entry = next(each for each in catalog["streams"] if each["tap_stream_id"] == "recordings")
        for metadata in entry["metadata"]:
            if metadata["breadcrumb"][1::2] == ["crm", "account"]:
                metadata["metadata"]["selected"] = False
        run = run_tap(tmp_path, config_for(sandbox), catalog=catalog)
    rows = [row for row in run.records["recordings"] if row["crm"]]
    assert rows
    assert not any("account" in row["crm"] for row in rows)
    assert any(row["crm"].get("engagement") for row in rows)


def test_a_flag_that_is_switched_off_is_not_sent_and_its_stream_waits(tmp_path: Path) -> None:
    with Sandbox(DATA) as sandbox:
        off = run_tap(tmp_path, config_for(sandbox, show_summary=False))
        assert not any("showSummary" in request.params for request in sandbox.requests)
        assert "recording_summary_sections" not in off.records
        assert "recording_summary_sections" in off.schemas
        assert "recording_summary_sections" not in off.state["bookmarks"]
        assert off.stderr.count("`show_summary` is off") == 1
        on = run_tap(tmp_path, config_for(sandbox), state=off.state)
        warehouse = Warehouse()
        warehouse.load(off)
        warehouse.load(on)
        tables = warehouse.tables
        assert tables["recording_summary_sections"] == expected_rows(DATA)["recording_summary_sections"]
        again = run_tap(tmp_path, config_for(sandbox, show_summary=False), state=on.state)
        kept = "recording_summary_sections"
        assert again.state["bookmarks"][kept] == on.state["bookmarks"][kept]


def test_a_stream_selected_later_gets_its_history_and_the_others_do_not_repeat_theirs(tmp_path: Path) -> None:
    data = recordings(150, odd=False)
    with Sandbox(data) as sandbox:
        config = config_for(sandbox, page_size=20)
        warehouse = Warehouse()
        warehouse.load(run_tap(tmp_path, config, catalog=selecting("recordings")))
        both = selecting("recordings", "recording_crm_links")
        run = run_tap(tmp_path, config, catalog=both, state=warehouse.state)
        warehouse.load(run)
        expected = expected_rows(data)
        assert warehouse.tables["recording_crm_links"] == expected["recording_crm_links"]
        assert len(run.records["recordings"]) < 5, "the other stream repeated its history"
        sandbox.clear()
        run_tap(tmp_path, config, catalog=both, state=run.state)
        assert len(sandbox.requests) == 1, "streams at the same place are polled together"


def is_later(than: int, request: Request) -> bool:
    return request.number > than


def test_streams_at_different_positions_of_an_interrupted_history_each_go_on(tmp_path: Path) -> None:
    """Two streams at different positions, a third added, one switched off and on again."""
    data = recordings(200, odd=False)
    expected = expected_rows(data)
    two = ("recordings", "recording_followups")
    with Sandbox(data, latency=0.002) as sandbox:
        config = config_for(sandbox, page_size=4)
        warehouse = Warehouse()
        only = selecting("recordings")
        for requests, catalog in ((60, only), (14, selecting(*two))):
            fault = sandbox.fault("status", on=None, when=partial(is_later, requests), status=401)
            warehouse.load(run_tap(tmp_path, config, status=1, catalog=catalog, state=warehouse.state or None))
            fault.on = fault.hits
            sandbox.clear()
        bookmarks = warehouse.state["bookmarks"]
        positions = {name: bookmarks[name]["pass_position"] or "" for name in two}
        assert positions["recordings"] > positions["recording_followups"], "ended too early or too late for this test"
        three = selecting("recordings", "recording_summary_sections")
        before = deepcopy(bookmarks["recording_followups"])
        run = run_tap(tmp_path, config, catalog=three, state=warehouse.state)
        warehouse.load(run)
        repeated = [row for row in run.records["recordings"] if row["createdAt"] < positions["recordings"]]
        assert len(repeated) < 5, "rows before the stream's own position came again"
        assert run.state["bookmarks"]["recording_followups"] == before, "the state of a deselected stream was touched"
        assert warehouse.tables["recordings"] == expected["recordings"]
        assert warehouse.tables["recording_summary_sections"] == expected["recording_summary_sections"]
        warehouse.load(run_tap(tmp_path, config, catalog=selecting(*two), state=warehouse.state))
        assert warehouse.tables["recording_followups"] == expected["recording_followups"]
        assert {each.get("pass_query") for each in warehouse.state["bookmarks"].values()} == {None}


def test_a_catalog_older_than_the_schema_does_not_make_rows_wider_than_their_schema(tmp_path: Path) -> None:
    with Sandbox(DATA) as sandbox:
        catalog = selecting("recordings", "recording_crm_links")
        for entry in catalog["streams"]:
            entry["schema"]["properties"].pop("followups", None)
            entry["schema"]["properties"].pop("integrationConnectionId", None)
            if "crm" in entry["schema"]["properties"]:
                entry["schema"]["properties"]["crm"]["properties"]["users"]["items"]["properties"].pop("externalId")
        run = run_tap(tmp_path, config_for(sandbox), catalog=catalog)
        assert "showFollowups" not in sandbox.requests[0].params
    schemas = {m["stream"]: m["schema"]["properties"] for m in run.messages if m["type"] == "SCHEMA"}
    for stream, rows in run.records.items():
        assert all(set(row) == set(schemas[stream]) for row in rows)
    users = [user for row in run.records["recordings"] for user in (row["crm"] or {}).get("users") or []]
    assert users
    assert not any("externalId" in user for user in users)


def test_a_catalog_without_a_replication_key_does_not_lose_the_bookmark(tmp_path: Path) -> None:
    with Sandbox(DATA) as sandbox:
        catalog = selecting("recordings")
        for entry in catalog["streams"]:
            entry.pop("replication_key", None)
            entry.pop("replication_method")
            for metadata in entry["metadata"]:
                metadata["metadata"].pop("replication-key", None)
        run = run_tap(tmp_path, config_for(sandbox), catalog=catalog)
    assert run.state["bookmarks"]["recordings"]["replication_key_value"]


def test_with_nothing_selected_it_says_so(tmp_path: Path) -> None:
    with Sandbox(DATA) as sandbox:
        run = run_tap(tmp_path, config_for(sandbox), catalog=selecting("nothing"))
        assert not sandbox.requests
    assert "No stream is selected" in run.stderr
