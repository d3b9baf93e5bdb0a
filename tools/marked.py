"""Generated parts of files that are otherwise written by hand, each between two comments with its name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def filled(page: Path, made: Mapping[str, str]) -> str:
    """Return a file's text with new content between each pair of comments `name: …` and `/name`."""
    text = page.read_text(encoding="utf-8")
    for name, content in made.items():
        place = re.compile(rf"^( *(?:<!-- |# ){name}: [^\n]*\n).*?^( *(?:<!-- |# )/{name}\b)", re.DOTALL | re.MULTILINE)
        parts = place.split(text)
        if len(parts) != 4:  # noqa: PLR2004 - before, the two comments, after
            raise SystemExit(f"{page.name} has no place for the {name}.")
        before, opening, closing, after = parts
        text = f"{before}{opening}{content}\n{closing}{after}"
    return text
