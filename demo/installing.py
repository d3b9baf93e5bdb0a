"""How packages are installed on a machine where nothing is known to work but pip."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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
