"""Builds the package and installs it elsewhere, with uv."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from demo import installing
from tests.support.process import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def uv(*arguments: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """Run uv and return its stdout."""
    inherited = {name: value for name, value in installing.environment().items() if name != "VIRTUAL_ENV"}
    process = subprocess.run(
        [sys.executable, "-m", "uv", "--quiet", *arguments],
        cwd=cwd,
        env=inherited | {"UV_PYTHON": sys.executable, "UV_PYTHON_DOWNLOADS": "never"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def tool(name: str, *arguments: str | Path, pinned: str = "constraints.txt", **options: Path | str) -> str:
    """Run a command-line tool in a separate environment, in the version that a file of the project pins."""
    return uv("tool", "run", "--constraints", ROOT / pinned, name, *arguments, **options)  # type: ignore[arg-type]
