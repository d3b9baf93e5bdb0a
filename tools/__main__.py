"""Writes all that the project says of its settings and streams from the code, or checks that it is up to date.

That is: the tables of the documentation, the extractor's settings in `meltano.yml`, `.env.example`, `hub/` and `sql/`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tools import hub, plugin_settings, tables, views

if TYPE_CHECKING:
    from collections.abc import Sequence


def files() -> dict[Path, str]:
    """All files that are written from the code, wholly or in parts, as they are to be."""
    return tables.files() | plugin_settings.files() | hub.files() | views.files()


def main(arguments: Sequence[str] | None = None) -> None:
    """Write or check."""
    parser = argparse.ArgumentParser(prog="python -m tools", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if something would change")
    parser.add_argument(
        "--schemas", type=Path, metavar="FOLDER", help="hold hub/ against the JSON schemas in a checkout of Meltano Hub"
    )
    options = parser.parse_args(arguments)
    for path, text in files().items():
        if not options.check:
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            raise SystemExit(
                f"{path.relative_to(plugin_settings.ROOT)} is not what the code says: run `python -m tools`."
            )
    print("What is written from the code is up to date.")
    if options.schemas:
        hub.check_schemas(options.schemas, hub.definition())
        print("The hub's schemas accept the definition.")


if __name__ == "__main__":
    main()
