"""Write the generated parts of the project from the code, or check that they are up to date.

They are the tables of the documentation, the extractor's settings in `meltano.yml`, `.env.example`, `hub/` and `sql/`.
`select` in `meltano.yml` is written by hand, and only checked.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tools import hub, plugin_settings, tables, views

if TYPE_CHECKING:
    from collections.abc import Sequence


def files() -> dict[Path, str]:
    """Return the text of each file that is generated, wholly or in part."""
    return tables.files() | plugin_settings.files() | hub.files() | views.files()


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the generated files, or check them."""
    parser = argparse.ArgumentParser(prog="python -m tools", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if a file is out of date")
    parser.add_argument(
        "--schemas", type=Path, metavar="FOLDER", help="validate hub/ with the JSON schemas of a clone of Meltano Hub"
    )
    options = parser.parse_args(arguments)
    for path, text in files().items():
        if not options.check:
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            raise SystemExit(f"{path.relative_to(plugin_settings.ROOT)} is not up to date: run `python -m tools`.")
    if options.check:
        project = plugin_settings.ROOT / "meltano.yml"
        if faults := plugin_settings.check_select(project.read_text(encoding="utf-8")):
            raise SystemExit("\n".join(["`select` in meltano.yml:", *faults]))
    print("All generated files are up to date.")
    if options.schemas:
        hub.check_schemas(options.schemas, hub.definition())
        print("The definition matches the hub's schemas.")


if __name__ == "__main__":
    main()
