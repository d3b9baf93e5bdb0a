"""Makes an environment of the demo's own, unless it is there, and runs the demo in it. Needs Python and pip only."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from demo import installing

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
        python = installing.prepare()
        root = Path(__file__).resolve().parent.parent
        status = subprocess.run([python, "-m", "demo.run"], cwd=root, check=False).returncode
    except subprocess.CalledProcessError as error:
        print(f"This failed, see above: {' '.join(map(str, error.cmd))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if status == 0:
        print(f"\nDone in {time.monotonic() - began:.0f} seconds.")
    return status


if __name__ == "__main__":
    sys.exit(main())
