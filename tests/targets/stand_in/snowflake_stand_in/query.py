"""Snowflake's client, on fakesnow in place of Snowflake."""

from __future__ import annotations

import json
import os
import sys

import fakesnow
import snowflake.connector

from . import DIRECTORY


def main() -> None:
    """Run each of the statements on stdin, a JSON list, in a database and a schema; print the rows of each as JSON."""
    database, schema = sys.argv[1:]
    with fakesnow.patch(db_path=os.environ[DIRECTORY]):
        connection = snowflake.connector.connect(database=database, schema=schema)
        cursor = connection.cursor(snowflake.connector.DictCursor)
        json.dump([cursor.execute(statement).fetchall() for statement in json.load(sys.stdin)], sys.stdout, default=str)
