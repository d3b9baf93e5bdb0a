"""The scripts in `sql/`, without a database; tests/targets/test_views.py runs them."""

from __future__ import annotations

import subprocess

import pytest
from sqlglot import exp, parse_one

from tap_siro.tap import TapSiro
from tools import views

TAP = TapSiro(config={"api_token": "t"})


@pytest.mark.parametrize("warehouse", views.WAREHOUSES, ids=lambda warehouse: warehouse.title)
def test_a_script_has_all_sections_and_reads_what_the_tap_writes(warehouse: views.Warehouse) -> None:
    """A section could remain commented out, or a view could use a missing column."""
    script = views.script(warehouse)
    (command,) = [line.removeprefix("--     ") for line in script.splitlines() if line.startswith("--     sed ")]
    enabled = subprocess.run(
        ["sh", "-ec", command], cwd=views.FOLDER.parent, capture_output=True, text=True, check=True
    )
    assert enabled.stdout == views.enabled(script)
    every = views.statements(views.enabled(script))
    assert 10 < len(views.statements(script)) < len(every)
    assert ("_sdc_deleted_at" in script.partition("\n\n")[2]) == warehouse.marks

    views_and_tables = {name: set(stream.schema["properties"]) for name, stream in TAP.streams.items()}
    for statement in every:
        tree = parse_one(statement, read=warehouse.dialect)
        for select in tree.find_all(exp.Select):
            sources = [select.args["from_"].this, *(join.this for join in select.args.get("joins", []))]
            tables = {source.alias_or_name: source.name for source in sources if isinstance(source, exp.Table)}
            for column in select.find_all(exp.Column):
                known = views_and_tables.get(tables.get(column.table, ""))
                assert known is None or column.name in known | {"*", "_sdc_deleted_at"}, f"{column.sql()}: {statement}"


def test_every_child_stream_has_a_live_view() -> None:
    """Users would read outdated rows."""
    streams = {name for name, stream in TAP.streams.items() if "recordingUpdatedAt" in stream.schema["properties"]}
    text = (views.FOLDER / "duckdb.sql").read_text(encoding="utf-8")
    assert {name for name in streams if f"VIEW live_{name} AS" not in text} == set()
