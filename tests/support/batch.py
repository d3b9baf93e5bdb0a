"""Reader of batch files, as a target reads them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.process import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

METADATA = {"_sdc_extracted_at", "_sdc_batched_at", "_sdc_sequence"}


def files(run: Run, stream: str | None = None) -> list[Path]:
    """Return the files that BATCH messages name, of one stream or of all."""
    return [
        Path(path.removeprefix("file://"))
        for message in run.messages
        if message["type"] == "BATCH" and stream in {None, message["stream"]}
        for path in message["manifest"]
    ]


def rows(file: Path) -> list[dict[str, Any]]:
    """Return the rows of a file; a truncated file is an error."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def unpacked(run: Run) -> Run:
    """Return the run with RECORD messages in place of its BATCH messages."""
    assert not run.records, "there are RECORD messages too"
    return Run(list(_unpacked(run)), run.stderr, run.status)


def _unpacked(run: Run) -> Iterator[dict[str, Any]]:
    for message in run.messages:
        if message["type"] != "BATCH":
            yield message
            continue
        assert message["encoding"] == {"format": "jsonl", "compression": "gzip"}
        (path,) = message["manifest"]
        for row in rows(Path(path.removeprefix("file://"))):
            assert row.keys() >= METADATA
            record = {name: value for name, value in row.items() if name not in METADATA}
            yield {"type": "RECORD", "stream": message["stream"], "record": record}
