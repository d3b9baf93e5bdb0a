"""A long sync with many faults: `python -m tests.soak` reads many recordings while one response in fifty fails.

It ends with exit status 1 unless every row has arrived. It takes minutes, so pytest does not run it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.sandbox import Sandbox
from tests.sandbox.data import stream_plain
from tests.support.in_process import RETRIED
from tests.support.process import ROOT, config_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.sandbox import Request
    from tests.sandbox.store import Recording

# The child rows of a plain recording, by stream: their number, and the first of their positions among all its rows.
ROWS = {
    "recordings": 1,
    "recording_crm_links": 6,
    "recording_summary_sections": 5,
    "recording_entity_extractions": 8,
    "recording_entity_mappings": 8,
    "recording_followups": 2,
}
OFFSETS = {stream: sum(list(ROWS.values())[:place]) for place, stream in enumerate(ROWS)}
ALL = sum(ROWS.values())
LINKS = {"user": 0, "engagement": 2, "opportunity": 3, "contact": 4, "account": 5}
RECORD = re.compile(rb'\{"type":"RECORD","stream":"(\w+)","record":\{"(?:id|recordingId)":"([^"]+)"')
NUMBERS = {name: re.compile(rf'"{name}":"?(\w+)'.encode()) for name in ("objectType", "extractionOrdinal", "ordinal")}
SETTINGS: dict[str, Any] = {"request_timeout": 1}


class Tally:
    """Record of the rows that have arrived, one byte each, so that a million recordings fit into memory."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._arrived = bytearray()
        self.lines = self.bytes = self.states = 0

    def expecting(self, recordings: Iterator[Recording]) -> Iterator[Recording]:
        """Record the positions of recordings as they are generated."""
        for recording in recordings:
            self._numbers[recording["id"].encode()] = len(self._numbers)
            yield recording
        self._arrived = bytearray(len(self._numbers) * ALL)

    def line(self, line: bytes) -> None:
        """Record a line of stdout."""
        self.bytes += len(line)
        self.lines += 1
        found = RECORD.match(line)
        if found is None:
            self.states += line.startswith(b'{"type":"STATE"')
            json.loads(line)
            return
        stream, name = found[1].decode(), found[2]
        self._arrived[self._numbers[name] * ALL + OFFSETS[stream] + self._place(stream, line)] = 1

    @property
    def missing(self) -> int:
        """Number of rows that have not arrived."""
        return len(self._arrived) - self._arrived.count(1)

    @staticmethod
    def _place(stream: str, line: bytes) -> int:
        if stream == "recordings":
            return 0

        def value(name: str) -> bytes:
            found = NUMBERS[name].search(line)
            return found[1] if found else b""

        if stream == "recording_crm_links":
            return LINKS[value("objectType").decode()] + int(value("ordinal"))
        return int(value("extractionOrdinal" if stream == "recording_entity_mappings" else "ordinal"))


def bad_day(sandbox: Sandbox, share: float, seed: int) -> list[Any]:
    """Let a share of the requests fail, with each temporary fault."""
    rng = random.Random(seed)
    each = share / len(RETRIED)

    def chance(_: Request) -> bool:
        return rng.random() < each

    def fault(kind: str, when: Callable[[Request], bool]) -> Any:
        name, options = RETRIED[kind]
        return sandbox.fault(name, on=None, when=when, **options)

    return [fault(kind, chance) for kind in RETRIED]


def memory(pid: int) -> tuple[float, float]:
    """Return a process's current and peak memory, in megabytes."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024, int(fields["VmHWM"].split()[0]) / 1024


def main() -> int:
    """Run the soak and print its figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--recordings", type=int, default=100_000)
    parser.add_argument("--faults", type=float, default=0.02, help="share of the requests that fail")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    tally = Tally()
    data = tally.expecting(stream_plain(options.recordings))
    with Sandbox(data) as sandbox, tempfile.TemporaryDirectory() as directory:
        faults = bad_day(sandbox, options.faults, options.seed)
        config = Path(directory, "config.json")
        config.write_text(json.dumps(config_for(sandbox, **SETTINGS)))
        command = [sys.executable, "-m", "tap_siro", "--config", str(config)]
        log = Path(directory, "log")
        began = time.monotonic()
        samples: list[tuple[float, float]] = []
        with log.open("wb") as errors:
            tap = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, cwd=ROOT)
        assert tap.stdout is not None
        for line in tap.stdout:
            if tally.lines % max(1, options.recordings * ALL // 64) == 0:
                samples.append(memory(tap.pid))
            tally.line(line)
        _, status, used = os.wait4(tap.pid, 0)
        seconds = time.monotonic() - began
        tap.returncode = os.waitstatus_to_exitcode(status)
        tap.stdout.close()
        told = log.read_text()
        warnings, tail = told.count("Retrying in"), told[-1000:]
        requests, hits = len(sandbox.requests), sum(fault.hits for fault in faults)
    if tap.returncode or not samples:
        sys.exit(f"The tap ended with status {tap.returncode}:\n{tail}")
    lines = (
        f"recordings      {options.recordings:,}",
        f"rows missing    {tally.missing:,} of {options.recordings * ALL:,}",
        f"exit status     {tap.returncode}",
        f"requests        {requests:,}, of which {hits} failed; {warnings} warnings",
        f"lines           {tally.lines:,} ({tally.bytes / 2**20:,.0f} MB), {tally.states} states",
        f"seconds         {seconds:.1f} ({options.recordings / seconds:,.0f} recordings a second)",
        f"CPU seconds     {used.ru_utime + used.ru_stime:.1f} of the tap",
        f"peak memory     {max(peak for _, peak in samples):.0f} MB",
        f"memory          {', '.join(f'{now:.0f}' for now, _ in samples[::8])} MB at equal distances",
    )
    print(*lines, sep="\n")  # noqa: T201
    return int(bool(tally.missing or warnings != hits))


if __name__ == "__main__":
    sys.exit(main())
