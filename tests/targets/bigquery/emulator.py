# /// script
# requires-python = ">=3.11"
# dependencies = ["bqemulator==1.4.0", "duckdb==1.5.5", "duckdb-extension-spatial==1.5.5", "numpy", "pandas"]
# ///
"""An emulator of BigQuery: `emulator.py PORT`, with HOME in an empty directory."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import duckdb
import duckdb_extension_spatial


def main() -> None:
    """Serve, with the extension of DuckDB that the emulator would download otherwise."""
    (packed,) = (Path(duckdb_extension_spatial.__file__).parent / "extensions").glob("*/*.duckdb_extension")
    ((platform,),) = duckdb.execute("PRAGMA platform").fetchall()
    folder = Path.home() / ".duckdb" / "extensions" / packed.parent.name / platform
    folder.mkdir(parents=True)
    shutil.copy(packed, folder)
    executable = str(Path(sys.executable).with_name("bqemulator"))
    options = ["--rest-port", sys.argv[1], "--grpc-port", "0", "--log-level", "warning"]
    os.execv(executable, [executable, "start", *options])  # noqa: S606 - so that a signal reaches the emulator


if __name__ == "__main__":
    main()
