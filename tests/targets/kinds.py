"""The tested targets: their packages, and notes for their users."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A target."""

    name: str
    packages: str
    """Requirements for pip."""
    again: str
    """Handling of a row whose key is in the table: replaced or appended."""
    batch: str
    """Support for BATCH messages."""
    gone: str
    """Handling of a row of a list that was deleted at Siro."""
    notes: tuple[str, ...]
    """Sentences for the documentation."""
    executable: str | None = None
    """Executable, if it is not the name."""
    install: str | None = None
    """Requirements for the tests, if they are not the packages."""


DUCKDB = Kind(
    "target-duckdb",
    "target-duckdb==0.8.0 duckdb==1.2.2",
    "replaced",
    "no, it fails",
    "still there",
    (
        "Keep DuckDB below 1.3: with a newer one, this version of the target loses the first row of each batch.",
        "An empty text becomes NULL.",
        "Column names are in lower case, but DuckDB ignores case.",
    ),
)
POSTGRES = Kind(
    "target-postgres",
    "meltanolabs-target-postgres==0.8.1",
    "replaced",
    "yes",
    "marked in `_sdc_deleted_at`",
    (
        "Column names need double quotes.",
        "A nested object that is null is JSON's `null`, not NULL.",
        "Nested lists are arrays of `jsonb`.",
    ),
)
SNOWFLAKE = Kind(
    "target-snowflake",
    "meltanolabs-target-snowflake==0.20.4",
    "replaced",
    "yes, and removes the files",
    "marked in `_sdc_deleted_at`",
    (
        "Tested with [fakesnow](https://github.com/tekumara/fakesnow) 0.12.1, not with Snowflake itself.",
        "Names are in upper case: write them without quotes.",
        "Date-times are `TIMESTAMP_NTZ`.",
    ),
    executable="target-snowflake-stand-in",
    install="./tests/targets/stand_in",
)
BIGQUERY = Kind(
    "target-bigquery",
    "z3-target-bigquery==0.7.2 setuptools<81 protobuf>=6.33.5,<7",
    "replaced",
    "no",
    "still there",
    (
        "Tested on `bqemulator` 1.4.0. Real BigQuery has not been tried.",
        "Keep the settings of `meltano.yml`: by default, the target appends rows, each in one JSON column.",
        "It does not add columns to an existing table: add them before you select them, or the sync fails.",
        "Column names need backticks or nothing; in double quotes they are text.",
        "A list that is null becomes an empty one, and an object that is null or empty one of nulls.",
    ),
)
CSV = Kind(
    "target-csv",
    "meltanolabs-target-csv==0.5.0",
    "appended",
    "with `add_record_metadata: true`, else it fails",
    "not in later files",
    (
        'Set `file_naming_scheme: "{stream_name}-{timestamp}.csv"`.',
        "Otherwise each run overwrites the files of the last run, whatever `overwrite_behavior` says.",
        "Nested values are written as Python code.",
        "NULL and an empty text are the same.",
    ),
)
JSONL = Kind(
    "target-jsonl",
    "target-jsonl==0.1.4",
    "appended",
    "no, it fails",
    "not in later files",
    (
        "Each run writes new files.",
        "Logs `Unknown message type ACTIVATE_VERSION` once per list: ignore it.",
        "With flattening, the columns of a null object are left out.",
    ),
)
KINDS = (DUCKDB, POSTGRES, SNOWFLAKE, CSV, JSONL)
"""Targets that Meltano installs for the tests."""
DOCUMENTED = (DUCKDB, POSTGRES, SNOWFLAKE, BIGQUERY, CSV, JSONL)


def table() -> str:
    """Return the table of `docs/targets.md`."""
    lines = ["| target | tested with | duplicate key | deleted at Siro | BATCH | notes |"]
    lines.append("|---|---|---|---|---|---|")
    for kind in DOCUMENTED:
        packages = " ".join(f"`{package}`" for package in kind.packages.split())
        cells = (f"`{kind.name}`", packages, kind.again, kind.gone, kind.batch, " ".join(kind.notes))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def short_table() -> str:
    """Return the README's table."""
    lines = ["| target | duplicate key | deleted at Siro | BATCH |", "|---|---|---|---|"]
    lines += [f"| `{kind.name}` | {kind.again} | {kind.gone} | {kind.batch} |" for kind in DOCUMENTED]
    return "\n".join(lines)
