"""The real target-snowflake, on fakesnow in place of Snowflake.

The target's code is untouched: its DDL, its JSON files, its casts and its MERGE. fakesnow runs them on DuckDB,
except statements about the user stage (`@~`), which it does not support. This module implements those; any other
statement about the stage is an error.
"""

from __future__ import annotations

import os
import re
from typing import Any
from urllib.parse import unquote, urlparse

import fakesnow
from fakesnow.cursor import FakeSnowflakeCursor
from target_snowflake.target import TargetSnowflake

from . import DIRECTORY

_PUT = re.compile(r"put %\(file_uri\)s '@~/(?P<stage>[^']+)'")
_REMOVE = re.compile(r"remove '@~/(?P<stage>[^']+)/'")
_DROP_FORMAT = re.compile(r"drop file format if exists .+")
_MERGE = re.compile(
    r"merge into (?P<schema>\S+)\.(?P<table>\S+) d using "
    r"\(select (?P<casts>.+) from '@~/(?P<stage>[^']+)'\(file_format => [^)]+\) (?P<latest>QUALIFY .+)\) s "
    r"(?P<rest>on .+)",
    re.DOTALL,
)


class Stage:
    """The user stage: lists of files by path."""

    def __init__(self) -> None:
        """Start empty, in front of fakesnow's `execute`."""
        self._files: dict[str, list[str]] = {}
        self._execute = FakeSnowflakeCursor.execute

    def execute(self, cursor: FakeSnowflakeCursor, command: str, params: Any = None, *args: Any, **options: Any) -> Any:
        """Execute a statement."""
        text = command.strip()
        if match := _PUT.fullmatch(text):
            self._put(match["stage"], params["file_uri"])
        elif match := _REMOVE.fullmatch(text):
            del self._files[match["stage"]]
        elif match := _MERGE.fullmatch(text):
            return self._merge(cursor, match)
        elif not _DROP_FORMAT.fullmatch(text):
            if "@~" in text:
                raise NotImplementedError(f"the stand-in does not know this statement: {text}")
            return self._execute(cursor, command, params, *args, **options)
        return self._execute(cursor, "select 'done'")

    def _put(self, stage: str, uri: str) -> None:
        self._files.setdefault(stage, []).append(unquote(urlparse(uri).path))

    def _merge(self, cursor: FakeSnowflakeCursor, match: re.Match[str]) -> Any:
        """Merge from a table with the stage's lines, and their numbers in place of SEQ8()."""
        self._execute(cursor, f"use schema {match['schema']}")
        cursor._duck_conn.execute(  # only DuckDB reads files
            "create or replace temporary table staged_lines as "
            "select row_number() over () as seq, json as line from read_ndjson_objects(?)",
            [self._files[match["stage"]]],
        )
        casts = match["casts"].replace("$1:", "line:")
        latest = match["latest"].replace("SEQ8()", "seq")
        rows = f"select {casts} from staged_lines {latest}"  # noqa: S608  # the target's own SQL
        self._execute(cursor, f"create or replace temporary table staged_rows as {rows}")
        merge = f"merge into {match['schema']}.{match['table']} d using staged_rows s {match['rest']}"
        return self._execute(cursor, merge)


def main() -> None:
    """Run target-snowflake."""
    stage = Stage()

    def execute(cursor: FakeSnowflakeCursor, *args: Any, **options: Any) -> Any:
        return stage.execute(cursor, *args, **options)

    FakeSnowflakeCursor.execute = execute
    # One stream after another, because fakesnow does not support threads.
    TargetSnowflake.max_parallelism = 1
    with fakesnow.patch(db_path=os.environ[DIRECTORY]):
        TargetSnowflake.cli()
