"""Peak memory by size of the sync, and start-up time."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.api import Api
from benchmarks.processes import measure
from benchmarks.speed import environment, medians, tap
from benchmarks.tables import show

SMALL = 1_000


def memory(large: int, runs: int) -> None:
    """Print the tap's peak memory for few recordings and for many."""
    peaks = {}
    for count in (SMALL, large):
        with Api(count) as api, tempfile.TemporaryDirectory(prefix="benchmark-") as name:
            directory = Path(name)
            several = []
            for _ in range(runs):
                api.reset(0)
                command = tap(8)(api, directory, scores=False)
                several.append(measure(command, directory=directory, environment=environment(directory), api=api))
            peaks[count] = medians(several)
    base = peaks[SMALL].memory
    show(
        f"Peak memory of the tap, concurrency 8; median of {runs} runs",
        ("recordings", "peak MB", "ratio", "wall s", "recordings/s", "requests", "log KB"),
        [
            (
                str(count),
                f"{one.memory:.1f}",
                f"{one.memory / base:.2f}",
                f"{one.wall:.1f}",
                f"{count / one.wall:.0f}",
                f"{one.requests:.0f}",
                f"{one.log / 1000:.1f}",
            )
            for count, one in peaks.items()
        ],
    )


def startup(runs: int) -> None:
    """Print the tap's start-up time beside that of importing the SDK."""
    programs = {
        "import singer_sdk": ("-c", "import singer_sdk"),
        "import requests, orjson": ("-c", "import requests, orjson"),
        "tap-siro --version": ("-m", "tap_siro", "--version"),
    }
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        directory = Path(name)
        several = {
            what: [
                measure((sys.executable, *arguments), directory=directory, environment=environment(directory))
                for _ in range(4 * runs + 1)
            ]
            for what, arguments in programs.items()
        }
    middle = {what: medians(all_runs) for what, all_runs in several.items()}
    base = next(iter(middle.values()))
    show(
        f"Start-up; median of {4 * runs + 1} runs",
        ("", "CPU s", "ratio", "wall s", "ratio", "peak MB"),
        [
            (
                what,
                f"{one.cpu:.3f}",
                f"{one.cpu / base.cpu:.2f}",
                f"{one.wall:.3f}",
                f"{one.wall / base.wall:.2f}",
                f"{one.memory:.0f}",
            )
            for what, one in middle.items()
        ],
    )
