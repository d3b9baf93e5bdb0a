"""Makes an environment of the demo's own, unless it is there, and runs the demo in it. Needs Python and pip only."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from demo import installing

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
VENV = HERE / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
# Written when the environment is complete: what it was made from.
MARK = VENV / "made-from.txt"
OLDEST, NEWEST = (3, 11), (3, 13)


def main() -> int:
    """Run the demo and tell how long everything took."""
    began = time.monotonic()
    # The DuckDB that the target needs has no wheels for newer Pythons.
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        version = ".".join(map(str, sys.version_info[:2]))
        print(f"The demo runs on Python 3.11 to 3.13, and this is {version}. Try: python3.13 -m demo", file=sys.stderr)
        return 1
    try:
        _prepare()
        status = subprocess.run([PYTHON, "-m", "demo.run"], cwd=HERE.parent, check=False).returncode
    except subprocess.CalledProcessError as error:
        print(f"This failed, see above: {' '.join(map(str, error.cmd))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if status == 0:
        print(f"\nDone in {time.monotonic() - began:.0f} seconds.")
    return status


def _prepare() -> None:
    made_from = f"{sys.version}\n{VENV}\n{REQUIREMENTS.read_text()}"
    if PYTHON.exists() and MARK.exists() and MARK.read_text() == made_from:
        return
    with installing.step("Installing Meltano"):
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
        if not _install_with_uv():
            installing.pip(PYTHON, "-r", REQUIREMENTS)
    MARK.write_text(made_from)


def _install_with_uv() -> bool:
    """Install with uv, which takes a tenth of pip's time, if it gets at the packages the way pip does."""
    if installing.must_use_pip(PYTHON):
        return False
    installing.pip(PYTHON, "-c", REQUIREMENTS, "uv")
    command = [str(PYTHON), "-m", "uv", "pip", "install", "--quiet", "--python", str(PYTHON), "-r", str(REQUIREMENTS)]
    return subprocess.run(command, env=installing.environment(), capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
