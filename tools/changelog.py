"""Print the changelog's entry for a version, as the notes of its release: `python -m tools.changelog v0.1.0`.

Without an entry it fails, which stops the release. Needs only Python.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).parent.parent / "CHANGELOG.md"


class NoEntryError(Exception):
    """Missing or invalid entry, described in a sentence."""


def notes(changelog: str, tag: str) -> str:
    """Return the entry of a version, with one line per paragraph: GitHub keeps the line breaks of notes."""
    version = tag.removeprefix("v")
    for section in re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        if not heading.startswith(f"[{version}]"):
            continue
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", heading.removeprefix(f"[{version}] - ")):
            raise NoEntryError(f'The changelog\'s heading must have a date: "## [{version}] - 2026-01-31".')
        entry = re.sub(r"^\[[^\]]+\]: .*$", "", body, flags=re.MULTILINE).strip()  # link definitions at the end
        if not re.search(r"^- ", entry, re.MULTILINE):
            raise NoEntryError(f"The changelog's entry for {version} is empty.")
        return re.sub(r"(?<=\S)\n *(?=[^\s#-])", " ", entry)
    raise NoEntryError(
        f'The changelog has no entry for {version}: move the entries below "Unreleased" to a heading such as '
        f'"## [{version}] - 2026-01-31".'
    )


def main() -> None:
    """Print the notes of the version in the arguments."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the command and the version
        raise SystemExit("Usage: python -m tools.changelog v0.1.0")
    try:
        print(notes(CHANGELOG.read_text(encoding="utf-8"), sys.argv[1]))
    except NoEntryError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
