"""Runs the demo in its own virtual environment, made on first use. Needs only Python and pip."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from demo import DemoError, installing


def main() -> int:
    """Run the demo, print the total time, and return the exit status."""
    began = time.monotonic()
    try:
        python = installing.prepare()
        root = Path(__file__).resolve().parent.parent
        status = subprocess.run([python, "-m", "demo.run"], cwd=root, check=False).returncode
    except subprocess.CalledProcessError as error:
        print(f"This command failed, see above: {' '.join(map(str, error.cmd))}", file=sys.stderr)
        return 1
    except DemoError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if status == 0:
        print(f"\nDone in {time.monotonic() - began:.0f} seconds.")
    return status


if __name__ == "__main__":
    sys.exit(main())
