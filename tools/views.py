"""The views in `sql/`, written for each warehouse from `views.sql` beside this module."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlglot import exp, parse_one

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).with_suffix(".sql")
FOLDER = SOURCE.parent.parent / "sql"
SCHEMA = "siro"
"""The schema that `meltano.yml` sets."""
DELETED = "_sdc_deleted_at"
WIDTH = 118
LIVE = """
CREATE OR REPLACE VIEW live_{stream} AS
SELECT child.*
FROM {stream} AS child
JOIN live_recordings AS recording
  ON recording."id" = child."recordingId" AND recording."updatedAt" IS NOT DISTINCT FROM child."recordingUpdatedAt"
"""


@dataclass(frozen=True)
class Warehouse:
    """A warehouse, and the parts of its SQL that differ from other warehouses."""

    title: str
    dialect: str
    command: str
    """Command that runs the script."""
    json_text: str
    """Expression that reads a text from a nested column: of `{column}` and a path, `{dots}` or `{commas}`."""
    first_text: str
    """Expression that reads a text from the first object of a list, in the same form."""
    marks: bool = True
    """True if the target sets `_sdc_deleted_at`."""
    notes: tuple[str, ...] = ()


WAREHOUSES = (
    Warehouse(
        "DuckDB",
        "duckdb",
        "duckdb output/warehouse.duckdb -cmd 'USE siro' < sql/duckdb.sql",
        "{column} ->> '$.{dots}'",
        "{column} ->> '$[0].{dots}'",
        marks=False,
        notes=("The target does not mark rows that are deleted at Siro.",),
    ),
    Warehouse(
        "PostgreSQL",
        "postgres",
        "PGOPTIONS='-c search_path=siro' psql -v ON_ERROR_STOP=1 -f sql/postgres.sql",
        "{column} #>> '{{{commas}}}'",
        "{column}[1] #>> '{{{commas}}}'",
        notes=("The target needs `add_record_metadata` for `_sdc_deleted_at`; that is its default.",),
    ),
    Warehouse(
        "Snowflake",
        "snowflake",
        "snow sql --schema siro --filename sql/snowflake.sql",
        "{column}:{dots}::VARCHAR",
        "{column}[0]:{dots}::VARCHAR",
        notes=("The target needs `add_record_metadata` for `_sdc_deleted_at`; that is its default.",),
    ),
    Warehouse(
        "BigQuery",
        "bigquery",
        "bq query --nouse_legacy_sql < sql/bigquery.sql",
        "{column}.{dots}",
        "{column}[SAFE_OFFSET(0)].{dots}",
        marks=False,
        notes=(
            "Views of BigQuery name the dataset of each table. If yours is not `siro`, replace `siro.` in the script.",
            "The target does not mark rows that are deleted at Siro.",
        ),
    ),
)
HEADER = """\
-- Views of the tables that tap-siro loads, for {title}. Written by `python -m tools`.
--
-- Run the script where the tables are:
--
--     {command}
--
-- The first section needs the streams that are selected by default. The other sections are commented out, and name the
-- streams that they need. To add a section, delete the line that opens its comment. To add all of them:
--
--     sed '/^\\/\\* /d' sql/{dialect}.sql
--
-- The statements of a section can also be run alone, after the first section. If one of its tables is not loaded, leave
-- out the views that read it.
--
-- Run the script again, with the same sections, after an upgrade of the tap and after another column is selected: until
-- then, a `live_` view may fail.
{notes}"""


def statements(script: str) -> list[str]:
    """Return the statements of a script, for clients that run one at a time."""
    script = re.sub(r"^/\*.*?\*/", "", script, flags=re.DOTALL | re.MULTILINE)
    lines = [line for line in script.splitlines() if not line.startswith("--")]
    return [text for each in "\n".join(lines).split(";\n") if (text := each.strip().removesuffix(";"))]


def enabled(script: str) -> str:
    """Return the script with its optional sections, enabled as its header says."""
    return re.sub(r"^/\* .*\n", "", script, flags=re.MULTILINE)


def written(statement: str, warehouse: Warehouse) -> str:
    """Write a statement in a warehouse's SQL.

    Args:
        statement: PostgreSQL's SQL, with names as in `views.sql`.
        warehouse: The warehouse.
    """
    tree = parse_one(statement, read="postgres")
    tree = tree.transform(_without_marks) if not warehouse.marks else tree
    for call in tree.find_all(exp.Anonymous):
        if form := {"JSON_TEXT": warehouse.json_text, "FIRST_TEXT": warehouse.first_text}.get(call.name.upper()):
            column, *path = call.expressions
            names = [part.name for part in path]
            text = form.format(
                column=_named(column, warehouse).sql(dialect=warehouse.dialect),
                dots=".".join(names),
                commas=",".join(names),
            )
            call.replace(parse_one(text, read=warehouse.dialect))
    return _named(tree, warehouse).sql(dialect=warehouse.dialect, pretty=True, max_text_width=WIDTH - 30)


def _named(tree: exp.Expr, warehouse: Warehouse) -> exp.Expr:
    """Change names to those that the warehouse's target writes."""
    if warehouse.dialect == "snowflake":  # in capitals, like a name without quotes
        for name in tree.find_all(exp.Identifier):
            name.set("quoted", None)
    if warehouse.dialect == "bigquery":
        for table in tree.find_all(exp.Table):
            table.set("db", exp.to_identifier(SCHEMA))
    return tree


def _without_marks(node: exp.Expr) -> exp.Expr:
    """Remove the condition on `_sdc_deleted_at` from a conjunction."""
    if isinstance(node, exp.And):
        sides = [side for side in (node.left, node.right) if not _is_mark(side)]
        if len(sides) == 1:
            return sides[0].transform(_without_marks)
    return node


def _is_mark(node: exp.Expr) -> bool:
    return isinstance(node, exp.Is) and node.this.name == DELETED


def script(warehouse: Warehouse) -> str:
    """Return a warehouse's script."""
    notes = "".join(f"--\n-- {note}\n" for note in warehouse.notes)
    made = [HEADER.format(title=warehouse.title, command=warehouse.command, dialect=warehouse.dialect, notes=notes)]
    _, *sections = re.split(r"^-- section: ", SOURCE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for section in sections:
        title, _, body = section.partition("\n")
        parts = [f"{comment}{written(sql, warehouse)};\n" for comment, sql in _parts(body)]
        if ", needs " in title:
            made.append("\n".join([f"/* {title.capitalize()}\n", *parts, "-- */\n"]))
        else:
            made.append("\n".join([f"-- {title.capitalize()}\n", *parts]))
    return "\n".join(made)


def _parts(body: str) -> Iterator[tuple[str, str]]:
    """Yield the statements of a section, each with the comment above it."""
    for part in body.strip().split("\n\n"):
        if part.startswith("-- live: "):
            for stream in part.replace("-- live: ", "").split():
                comment = f"-- Current rows of `{stream}`, of recordings that are not deleted.\n"
                yield comment, LIVE.format(stream=stream)
        else:
            lines = part.splitlines(keepends=True)
            comment = "".join(line for line in lines if line.startswith("--"))
            yield comment, "".join(line for line in lines if not line.startswith("--")).strip().removesuffix(";")


def files() -> dict[Path, str]:
    """Return the text of each script."""
    return {FOLDER / f"{warehouse.dialect}.sql": script(warehouse) for warehouse in WAREHOUSES}
