"""Code blocks of the documentation, named by a comment above them, for tests that run them."""

from __future__ import annotations

import re

from tests.support.process import ROOT

README = "README.md"
RECIPES = "docs/recipes.md"
STREAMS = "docs/streams.md"
_BLOCK = re.compile(r"<!-- (\w+: [\w ]+) -->\n\n```\w+\n(.*?)```", re.DOTALL)


def blocks(page: str) -> dict[str, str]:
    """Return the named code blocks of a page: their text by their names."""
    found = _BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    assert len({name for name, _ in found}) == len(found)
    return dict(found)
