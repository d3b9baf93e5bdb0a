"""Installation of packages with uv, or else with pip, the only installer that every machine has."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from demo import DemoError

if TYPE_CHECKING:
    from collections.abc import Iterator

# The version of DuckDB that the target needs has no wheels for newer Pythons.
OLDEST, NEWEST = (3, 11), (3, 13)
_HERE = Path(__file__).resolve().parent
_REQUIREMENTS = _HERE / "requirements.txt"
_VENV = _HERE / ".venv"
_EXECUTABLE = "Scripts/python.exe" if os.name == "nt" else "bin/python"
_PYTHON = _VENV / _EXECUTABLE
# Used only if the running Python is too old or too new: uv, and the Python that it downloads.
_UV = _HERE / ".venv-uv"
_FETCHED = _HERE / ".python"
# Written when the environment is complete. It contains the versions that the environment was made from.
_MARK = _VENV / "made-from.txt"


def prepare() -> Path:
    """Make the environment with Meltano, unless it exists; return its Python."""
    made_from = f"{sys.version}\n{_VENV}\n{_REQUIREMENTS.read_text()}"
    if _PYTHON.exists() and _MARK.exists() and _MARK.read_text() == made_from:
        return _PYTHON
    base = sys.executable if OLDEST <= sys.version_info[:2] <= NEWEST else _another_python()
    with step("Installing Meltano"):
        subprocess.run([base, "-m", "venv", "--clear", _VENV], check=True)
        if not _install_with_uv():
            pip(_PYTHON, "-r", _REQUIREMENTS)
    _MARK.write_text(made_from)
    return _PYTHON


def _another_python() -> str:
    """Return a Python that the demo runs on, which uv finds or downloads."""
    version, wanted = ".".join(map(str, sys.version_info[:2])), f">=3.{OLDEST[1]},<3.{NEWEST[1] + 1}"
    with step(f"Looking for Python 3.11 to 3.13, because this is {version}"):
        uv = _uv()
        # Ignore a virtual environment that is active or in this directory.
        find = [uv, "-m", "uv", "python", "find", "--no-project", "--system", wanted]
        fetch = [uv, "-m", "uv", "python", "install", "--quiet", "--no-bin", "3.13"]
        fetched = {"UV_PYTHON_INSTALL_DIR": str(_FETCHED)}
        if found := _output(find):
            return found
        if _output(fetch, **fetched) is not None and (found := _output(find, **fetched)):
            return found
    raise DemoError(
        f"The demo runs on Python 3.11 to 3.13. This is {version}, and uv could neither find nor download another "
        "version. Install one, and start the demo with it, for example: python3.13 -m demo"
    )


def _uv() -> str:
    """Install uv, and return the Python that it is installed for."""
    subprocess.run([sys.executable, "-m", "venv", "--clear", _UV], check=True)
    python = str(_UV / _EXECUTABLE)
    pip(python, "-c", _REQUIREMENTS, "uv")
    return python


def _output(command: list[str], **variables: str) -> str | None:
    """Return what a command prints, or None if it fails."""
    done = subprocess.run(command, env=environment() | variables, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def meltano(python: Path) -> Path:
    """Return the path of Meltano's executable, beside the Python that it is installed for."""
    return python.with_name("meltano.exe" if os.name == "nt" else "meltano")


def _install_with_uv() -> bool:
    """Install with uv, which takes a tenth of pip's time; return False if that is not possible."""
    if must_use_pip(_PYTHON):
        return False
    pip(_PYTHON, "-c", _REQUIREMENTS, "uv")
    command = [str(_PYTHON), "-m", "uv", "pip", "install", "--quiet", "--python", str(_PYTHON)]
    command += ["-r", str(_REQUIREMENTS)]
    return subprocess.run(command, env=environment(), capture_output=True, check=False).returncode == 0


def environment() -> dict[str, str]:
    """Return the environment for uv, which by default does not trust the system's certificates."""
    return {"UV_SYSTEM_CERTS": "1", **os.environ}


def must_use_pip(python: str | Path) -> bool:
    """Return True if pip is configured with another source of packages: uv does not read pip's configuration."""
    command = [python, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return ".index-url=" in listed or ".no-index=" in listed


def pip(python: str | Path, *arguments: str | Path) -> None:
    """Install with pip, which prints only errors."""
    command = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Print a step, and its duration when it ends."""
    print(f"{text} ...", end="", flush=True)
    began = time.monotonic()
    try:
        yield
    except BaseException:
        print(flush=True)
        raise
    print(f" {time.monotonic() - began:.1f} s", flush=True)
