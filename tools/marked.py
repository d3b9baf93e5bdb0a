"""The places in hand-written files that are written from the code: between two comments that name them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def filled(page: Path, made: Mapping[str, str]) -> str:
    """A file's text with its marked places made anew: a comment `name: …`, what is made, a comment `/name`."""
    text = page.read_text(encoding="utf-8")
    for name, content in made.items():
        place = re.compile(rf"^( *(?:<!-- |# ){name}: [^\n]*\n).*?^( *(?:<!-- |# )/{name}\b)", re.DOTALL | re.MULTILINE)
        parts = place.split(text)
        if len(parts) != 4:  # noqa: PLR2004 - before, the two comments, after
            raise SystemExit(f"{page.name} has no place for the {name}.")
        before, opening, closing, after = parts
        text = f"{before}{opening}{content}\n{closing}{after}"
    return text
