"""Comparison of the tap with other programs at the same job, each in a separate process, one after the other."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from benchmarks.api import ROOT, Api
from benchmarks.counting import STREAMS
from benchmarks.counting import count as count_rows
from benchmarks.processes import Measured, measure
from benchmarks.tables import show

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    class Command(Protocol):
        """Return a program's command, by address and by whether it requests evaluation scores."""

        def __call__(self, api: Api, directory: Path, *, scores: bool) -> list[str]: ...


@dataclass(frozen=True)
class Contestant:
    """Program that does the job."""

    what: str
    command: Command
    form: str = "singer"


def tap(concurrency: int, *, without: tuple[str, ...] = (), **settings: Any) -> Command:
    """Return the command of the tap as users run it, except for the rate limit and some columns of `recordings`."""

    def command(api: Api, directory: Path, *, scores: bool) -> list[str]:
        config = {
            **settings,
            "api_url": api.url,
            "api_token": api.token,
            "concurrency": concurrency,
            "requests_per_minute": 100_000,
            "show_evaluation_score": scores,
        }
        (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
        (directory / "catalog.json").write_text(catalog(without), encoding="utf-8")
        files = ["--config", str(directory / "config.json"), "--catalog", str(directory / "catalog.json")]
        return [sys.executable, "-m", "tap_siro", *files]

    return command


@functools.cache
def catalog(without: tuple[str, ...] = ()) -> str:
    """Return the tap's catalog with the streams that the others produce, without some columns of `recordings`."""
    printed = subprocess.check_output(
        [sys.executable, "-m", "tap_siro", "--discover"], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    found = json.loads(printed)
    for stream in found["streams"]:
        (whole,) = (entry for entry in stream["metadata"] if entry["breadcrumb"] == [])
        whole["metadata"]["selected"] = stream["tap_stream_id"] in STREAMS
        for entry in stream["metadata"]:
            if stream["tap_stream_id"] == "recordings" and entry["breadcrumb"][1:] in [[name] for name in without]:
                entry["metadata"]["selected"] = False
    return json.dumps(found)


def other(module: str, threads: int = 1) -> Command:
    """Return the command of one of the other programs."""

    def command(api: Api, directory: Path, *, scores: bool) -> list[str]:
        module_path = f"benchmarks.contestants.{module}"
        task = ["--url", api.url, "--token", api.token, "--threads", str(threads), "--directory", str(directory)]
        return [sys.executable, "-m", module_path, *task, *(["--scores"] if scores else [])]

    return command


CONTESTANTS = {
    "loop": Contestant("hand-written loop, one request at a time", other("loop")),
    "threads": Contestant("hand-written loop, 8 threads", other("loop", 8)),
    "tap": Contestant("tap-siro, concurrency 8", tap(8)),
    "tap-serial": Contestant("tap-siro, concurrency 1", tap(1)),
    "pattern": Contestant("SDK, documented parent/child pattern", other("sdk_pattern")),
    "dlt": Contestant("dlt, rest_api source to JSON lines, 8 resources", other("dlt_pipeline", 8), "dlt"),
}
BASE = "loop"


def run(names: Sequence[str], count: int, runs: int, latencies: Sequence[float], scores: Sequence[bool]) -> None:
    """Measure the contestants in turn, a number of times, with evaluation scores or without, at each latency."""
    with Api(count) as api:
        for asked, latency in itertools.product(scores, latencies):
            measured: dict[str, list[Measured]] = {name: [] for name in names}
            produced: dict[str, Counter[str]] = {}
            for number in range(runs):
                for name in names:
                    one, rows = _once(CONTESTANTS[name], api, latency, scores=asked)
                    measured[name].append(one)
                    produced[name] = rows
                    print(f"run {number + 1}, {name}: {one.cpu:.2f} s CPU", file=sys.stderr)
                    compare(produced)
            _report(measured, count, latency, next(iter(produced.values())), scores=asked)


def environment(directory: Path) -> dict[str, str]:
    """Return the same environment for all, without any setting of the user's."""
    return {
        "HOME": str(directory),
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": ROOT,
        "NO_PROXY": "*",
        "RUNTIME__DLTHUB_TELEMETRY": "false",
    }


def _once(contestant: Contestant, api: Api, latency: float, *, scores: bool) -> tuple[Measured, Counter[str]]:
    directory = Path(tempfile.mkdtemp(prefix="benchmark-"))
    try:
        api.reset(latency)
        command = contestant.command(api, directory, scores=scores)
        one = measure(command, directory=directory, environment=environment(directory), api=api)
        return one, count_rows(contestant.form, directory)
    finally:
        shutil.rmtree(directory)


def compare(produced: dict[str, Counter[str]]) -> None:
    (name, expected), *others = produced.items()
    for other_name, rows in others:
        if rows != expected:
            raise SystemExit(f"{name} and {other_name} did not produce the same: {expected}, {rows}")


def medians(measured: Sequence[Measured]) -> Measured:
    """Return the median of each figure."""
    names = [field.name for field in dataclasses.fields(Measured)]
    return Measured(**{name: statistics.median(getattr(one, name) for one in measured) for name in names})


def _report(
    measured: dict[str, list[Measured]], count: int, latency: float, rows: Counter[str], *, scores: bool
) -> None:
    middle = {name: medians(several) for name, several in measured.items()}
    base = middle.get(BASE) or next(iter(middle.values()))
    runs = len(next(iter(measured.values())))
    show(
        f"{count} recordings, {rows.total() - rows['recordings']} child rows, "
        f"{'with' if scores else 'without'} evaluation scores, {latency * 1000:.0f} ms a request; "
        f"median of {runs} runs",
        ("", "CPU s", "ratio", "least", "wall s", "ratio", "peak MB", "log KB", "requests", "server CPU ms/page"),
        [
            (
                CONTESTANTS[name].what,
                f"{one.cpu:.2f}",
                f"{one.cpu / base.cpu:.2f}",
                f"{min(each.cpu for each in measured[name]):.2f}",
                f"{one.wall:.2f}",
                f"{one.wall / base.wall:.2f}",
                f"{one.memory:.0f}",
                f"{one.log / 1000:.1f}",
                f"{one.requests:.0f}",
                f"{one.server_cpu / one.requests * 1000:.1f}",
            )
            for name, one in middle.items()
        ],
    )
    report_others(measured)


def report_others(measured: dict[str, list[Measured]]) -> None:
    """Print the CPU use of other programs."""
    others = [one.others for several in measured.values() for one in several]
    print(f"Everything else on the machine used {statistics.median(others):.2f} cores (at most {max(others):.2f}).\n")
