"""A catalog has only its intended effects, and rows and SCHEMA agree with any catalog."""

from __future__ import annotations

from typing import Any

import pytest

from tap_siro.tap import TapSiro
from tests.sandbox import Sandbox
from tests.sandbox.data import plain
from tests.support.in_process import Outcome, check_rows, sync
from tests.support.process import config_for

DATA = plain(5, sections=1, extractions=1)


def catalog() -> dict[str, Any]:
    made: dict[str, Any] = TapSiro(config={"api_token": "t"}).catalog_dict
    return made


def recordings(made: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(entry for entry in made["streams"] if entry["tap_stream_id"] == "recordings")
    return found


def only_recordings(made: dict[str, Any]) -> None:
    for entry in made["streams"]:
        if entry["tap_stream_id"] != "recordings":
            entry["metadata"] = [{"breadcrumb": [], "metadata": {"selected": False}}]


def schema(run: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = next(
        message["schema"]["properties"]
        for message in run.messages
        if message["type"] == "SCHEMA" and message["stream"] == "recordings"
    )
    return found


@pytest.mark.parametrize(
    ("deselected", "gone", "flag"), [("crm", "crm", "showCrmLinks"), ("web", "links", None)], ids=["crm", "links.web"]
)
def test_an_object_of_which_nothing_is_selected_is_not_selected(deselected: str, gone: str, flag: str | None) -> None:
    """`!recordings.crm.*`: targets refuse an object without properties, and the request would be useless."""
    made = catalog()
    only_recordings(made)
    for entry in recordings(made)["metadata"]:
        if deselected in entry["breadcrumb"][:-1]:
            entry["metadata"]["selected"] = False
    with Sandbox(DATA) as sandbox:
        run = sync(config_for(sandbox), catalog=made)
        assert all(flag not in request.params for request in sandbox.requests)
    check_rows(run)
    assert gone not in schema(run)
    assert all(gone not in row for row in run.records["recordings"])
    assert all(row["title"] for row in run.records["recordings"])


def test_a_catalog_changes_no_type_and_adds_no_column() -> None:
    """Meltano's `schema` extra: the target would create a text column for numbers, and one that stays empty."""
    made = catalog()
    only_recordings(made)
    columns = recordings(made)["schema"]["properties"]
    columns["latitude"] = {"type": ["string", "null"]}
    columns["title"] = {"type": ["null", "string"], "description": "the same type"}
    columns["added"] = {"type": ["string", "null"]}
    columns["crm"]["properties"]["lead"]["properties"]["id"] = {"type": ["integer", "null"]}
    columns["summary"]["items"]["properties"]["more"] = {"type": ["string", "null"]}
    del columns["longitude"], columns["id"]
    with Sandbox(DATA) as sandbox:
        run = sync(config_for(sandbox), catalog=made)
    check_rows(run)
    own = recordings(catalog())["schema"]["properties"]
    del own["longitude"]
    assert schema(run) == own
    (warning,) = run.warnings
    named = warning.partition("(")[2].partition(")")[0].split(", ")
    assert sorted(named) == ["added", "crm.lead.id", "latitude", "summary.more"]


def test_the_taps_own_catalog_is_taken_without_a_word() -> None:
    with Sandbox(DATA) as sandbox:
        assert sync(config_for(sandbox), catalog=catalog()).warnings == []
