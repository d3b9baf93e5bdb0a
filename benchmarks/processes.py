"""Measurement of a whole process: CPU and wall seconds, peak memory, bytes of log, and CPU use by other programs."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.api import Api

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Measured:
    """One run of a program, or the medians of several."""

    cpu: float
    wall: float
    memory: float
    """Peak, in MB."""
    log: float
    """Bytes on stderr."""
    requests: float
    server_cpu: float
    others: float
    """CPU seconds of other programs during the run, per second."""


def measure(
    command: Sequence[str], *, directory: Path, environment: Mapping[str, str], api: Api | None = None
) -> Measured:
    """Run a program to its end. Its output goes to `out` and `log` in the directory.

    Peak memory is the kernel's figure, which starts with the memory of this process when it starts the other. So this
    process must stay small; an error says if it did not.
    """
    with (directory / "out").open("wb") as out, (directory / "log").open("wb") as log:
        mine, busy, started = time.process_time(), _busy(), time.monotonic()
        process = subprocess.Popen(command, cwd=directory, env=environment, stdout=out, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        busy, mine = _busy() - busy, time.process_time() - mine
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        tail = (directory / "log").read_text(errors="replace")[-2000:]
        raise SystemExit(f"{' '.join(command[:4])} ended with {process.returncode}:\n{tail}")
    if usage.ru_maxrss <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss:
        print("The figure for peak memory is this program's own.", file=sys.stderr)
    cpu = usage.ru_utime + usage.ru_stime
    served = api.served() if api else None
    server_cpu = served.cpu if served else 0.0
    return Measured(
        cpu=cpu,
        wall=wall,
        memory=usage.ru_maxrss / 1024,
        log=(directory / "log").stat().st_size,
        requests=served.requests if served else 0,
        server_cpu=server_cpu,
        others=max(0.0, busy - cpu - server_cpu - mine) / wall,
    )


def _busy() -> float:
    """Return the CPU seconds that the machine has spent, if the kernel reports them."""
    try:
        user, nice, system, _, _, *rest = (int(field) for field in _stat())
    except OSError:
        return 0.0
    return (user + nice + system + sum(rest[:2])) / TICKS


def _stat() -> list[str]:
    with Path("/proc/stat").open(encoding="ascii") as stat:
        return stat.readline().split()[1:]
