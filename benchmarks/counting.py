"""Counts of the rows that a contestant produced, in any form: all must have done the same job.

It is a separate program, so that its memory is not counted as a contestant's (see processes.py).
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from benchmarks.api import ROOT
from benchmarks.contestants.task import LINKS

DLT_TABLES = {
    "recordings__crm__users": "recording_crm_links",
    "recordings__crm__contacts": "recording_crm_links",
    "recordings__summary": "recording_summary_sections",
    "recordings__entity_extractions": "recording_entity_extractions",
    "recordings__entity_extractions__mappings": "recording_entity_mappings",
    "recordings__followups": "recording_followups",
}
"""Tables that dlt made of the lists, but for values that are lists: those are a part of their row elsewhere."""
STREAMS = ("recordings", *dict.fromkeys(DLT_TABLES.values()))
"""Streams that every contestant produces."""


def singer(directory: Path) -> Counter[str]:
    """Return the number of distinct keys of each stream in Singer messages: a tap may repeat rows."""
    found: set[tuple[object, ...]] = set()
    with (directory / "out").open("rb") as lines:
        for line in lines:
            message = json.loads(line)
            if message["type"] == "RECORD":
                row = message["record"]
                keys = ("recordingId", "objectType", "extractionOrdinal", "ordinal")
                key = [row.get(name) for name in keys] if "recordingId" in row else [row["id"]]
                found.add((message["stream"], *key))
    return Counter(str(stream) for stream, *_ in found)


def dlt(directory: Path) -> Counter[str]:
    """Return the number of rows of each stream in dlt's tables. Single links are columns there, not rows."""
    rows: Counter[str] = Counter()
    for path in sorted((directory / "tables").glob("siro/recordings*/*")):
        table = path.parent.name
        open_file = gzip.open if path.suffix == ".gz" else open
        with open_file(path, "rb") as lines:
            for line in lines:
                if table == "recordings":
                    row = json.loads(line)
                    rows["recordings"] += 1
                    rows["recording_crm_links"] += sum(row.get(f"crm__{name}__id") is not None for name in LINKS)
                elif table in DLT_TABLES:
                    rows[DLT_TABLES[table]] += 1
    return rows


FORMS = {"singer": singer, "dlt": dlt}


def count(form: str, directory: Path) -> Counter[str]:
    """Return the counts, from another process."""
    command = [sys.executable, "-m", "benchmarks.counting", form, str(directory)]
    return Counter(json.loads(subprocess.check_output(command, cwd=ROOT)))


if __name__ == "__main__":
    print(json.dumps(FORMS[sys.argv[1]](Path(sys.argv[2]))))
