"""How packages are installed on a machine where nothing is known to work but pip."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_HERE = Path(__file__).resolve().parent
_REQUIREMENTS = _HERE / "requirements.txt"
_VENV = _HERE / ".venv"
_PYTHON = _VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
# Written when the environment is complete: what it was made from.
_MARK = _VENV / "made-from.txt"


def prepare() -> Path:
    """Make the environment that holds Meltano, unless it is there; return its Python."""
    made_from = f"{sys.version}\n{_VENV}\n{_REQUIREMENTS.read_text()}"
    if _PYTHON.exists() and _MARK.exists() and _MARK.read_text() == made_from:
        return _PYTHON
    with step("Installing Meltano"):
        subprocess.run([sys.executable, "-m", "venv", "--clear", _VENV], check=True)
        if not _install_with_uv():
            pip(_PYTHON, "-r", _REQUIREMENTS)
    _MARK.write_text(made_from)
    return _PYTHON


def meltano(python: Path) -> Path:
    """Meltano's executable, beside a Python that it is installed for."""
    return python.with_name("meltano.exe" if os.name == "nt" else "meltano")


def _install_with_uv() -> bool:
    """Install with uv, which takes a tenth of pip's time, if it gets at the packages the way pip does."""
    if must_use_pip(_PYTHON):
        return False
    pip(_PYTHON, "-c", _REQUIREMENTS, "uv")
    command = [str(_PYTHON), "-m", "uv", "pip", "install", "--quiet", "--python", str(_PYTHON)]
    command += ["-r", str(_REQUIREMENTS)]
    return subprocess.run(command, env=environment(), capture_output=True, check=False).returncode == 0


def environment() -> dict[str, str]:
    """The environment for uv: by itself it does not trust the system's certificates, as pip may be configured to."""
    return {"UV_SYSTEM_CERTS": "1", **os.environ}


def must_use_pip(python: str | Path) -> bool:
    """Whether pip is told where packages come from. uv does not read pip's configuration."""
    command = [python, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return ".index-url=" in listed or ".no-index=" in listed


def pip(python: str | Path, *arguments: str | Path) -> None:
    """Install with pip, which tells only errors."""
    command = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Print what is being done, and how long it took."""
    print(f"{text} ...", end="", flush=True)
    began = time.monotonic()
    try:
        yield
    except BaseException:
        print(flush=True)
        raise
    print(f" {time.monotonic() - began:.1f} s", flush=True)
