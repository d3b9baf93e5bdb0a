"""Snapshots of the catalog as it was last reviewed, one file per stream.

`python -m tests.support.snapshots` rewrites the files.
"""

from __future__ import annotations

import json
from typing import Any

from tests.support.process import ROOT, discover

SNAPSHOTS = ROOT / "tests" / "snapshots"
WIDTH = 120


def discovered() -> dict[str, str]:
    """Return each stream's entry of `tap-siro --discover`, as the text of its file."""
    catalog = json.loads(discover())
    return {f"{entry['tap_stream_id']}.json": f"{_lines(entry)}\n" for entry in catalog["streams"]}


def reviewed() -> dict[str, str]:
    """Return the text of each file."""
    return {path.name: path.read_text(encoding="utf-8") for path in SNAPSHOTS.iterdir()}


def _lines(value: Any, indent: str = "") -> str:
    """Return JSON in which values that fit are on one line, so that a column is one line of the diff."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(flat) <= WIDTH or not isinstance(value, (dict, list)):
        return flat
    inner = indent + "  "
    if isinstance(value, list):
        parts = [_lines(item, inner) for item in value]
    else:
        parts = [f"{json.dumps(name)}: {_lines(item, inner)}" for name, item in value.items()]
    opening, closing = "[]" if isinstance(value, list) else "{}"
    return f"{opening}\n" + ",\n".join(inner + part for part in parts) + f"\n{indent}{closing}"


def main() -> None:
    """Write the files."""
    texts = discovered()
    for name in reviewed().keys() - texts.keys():
        (SNAPSHOTS / name).unlink()
    for name, text in texts.items():
        (SNAPSHOTS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
