# /// script
# requires-python = ">=3.11"
# dependencies = ["z3-target-bigquery==0.7.2", "setuptools<81", "protobuf>=6.33.5,<7"]
# ///
"""The real target-bigquery on the emulator, and a client of the emulator.

The target's code is untouched: its tables, its load jobs and its MERGE. The client does two things that the emulator
lacks: it uploads files uncompressed, and leaves out the table's name in UPDATE SET.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import sys
from io import BytesIO
from typing import IO, Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from target_bigquery import batch_job, core
from target_bigquery.target import TargetBigQuery


class Client(bigquery.Client):  # type: ignore[misc]
    """A client of the emulator whose address is in BIGQUERY_EMULATOR_HOST."""

    def load_table_from_file(self, file_obj: IO[bytes], *args: Any, **options: Any) -> Any:
        """Upload a file, uncompressed."""
        return super().load_table_from_file(BytesIO(gzip.decompress(file_obj.read())), *args, **options)

    def query(self, query: str, *args: Any, **options: Any) -> Any:
        """Run a statement, without the table's name in UPDATE SET."""
        head, update, tail = query.partition("UPDATE SET ")
        return super().query(head + update + re.sub(r"target\.(`\w+` = source)", r"\1", tail), *args, **options)


def connect(project: str) -> Client:
    """Connect to the emulator."""
    options = {"api_endpoint": os.environ["BIGQUERY_EMULATOR_HOST"]}
    return Client(project, AnonymousCredentials(), client_options=options)


def query(project: str, dataset: str) -> None:
    """Run each of the statements on stdin, a JSON list; print the rows of each as JSON."""
    client = connect(project)
    config = bigquery.QueryJobConfig(default_dataset=f"{project}.{dataset}")
    statements = json.load(sys.stdin)
    rows = [[dict(row.items()) for row in client.query(each, config).result()] for each in statements]
    json.dump(rows, sys.stdout, default=str)


def load() -> None:
    """Run the target."""
    core.bigquery_client_factory = batch_job.bigquery_client_factory = lambda given: connect(given.project)
    TargetBigQuery.cli()


if __name__ == "__main__":
    if sys.argv[1] == "--query":
        query(*sys.argv[2:])
    else:
        load()
