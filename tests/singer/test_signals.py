"""A tap that is killed, or whose target dies or sleeps: whole lines, the right exit status, and nothing lost."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tap_siro.sync.reader import DECODED_PAGES
from tests.sandbox import Sandbox
from tests.sandbox.data import plain
from tests.sandbox.expected import expected_rows
from tests.sandbox.recording_utterances import UTTERANCES
from tests.sandbox.streams import PATHS
from tests.support.in_process import asleep_after, loaded, sync
from tests.support.process import PLAIN, Run, config_for, selecting, start_tap, user_host

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.sandbox import Request
    from tests.support.fork_server import Forked

pytestmark = pytest.mark.thorough

DATA = plain(100, sections=1, extractions=1)
EXPECTED = expected_rows(DATA)
THREADS = 2
SMALL: dict[str, Any] = {"page_size": 5, "concurrency": THREADS}
REQUESTS = 32
"""About the number of requests of a whole run with these settings."""
SIGNALS = {signal.SIGTERM: 143, signal.SIGINT: 130}
BATCH = 8


@dataclass
class Tap:
    """A tap that writes to a file, so that nothing needs to read its output while it runs."""

    process: subprocess.Popen[str] | Forked
    directory: Path

    def kill(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, *statuses: int) -> Run:
        """Wait for the end; stdout must hold whole lines only."""
        with self.process as process:
            _, err = process.communicate(timeout=60)
        out = (self.directory / "stdout").read_text("utf-8")
        assert process.returncode in statuses, err
        assert not out or out.endswith("\n")
        return parsed(out, err, process.returncode)


def start(directory: Path, config: dict[str, Any], **options: Any) -> Tap:
    directory.mkdir(exist_ok=True)
    with (directory / "stdout").open("wb") as out:
        return Tap(start_tap(directory, config, stdout=out, **options), directory)


def parsed(out: str, err: str, status: int) -> Run:
    return Run([json.loads(line) for line in out.split("\n") if line], err, status)


class Executioner:
    """Kills taps by user agent, each shortly after a number of requests."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._due: dict[str, tuple[int, Callable[[], None]]] = {}
        self._made: dict[str, int] = {}
        self._timers: list[threading.Timer] = []
        sandbox.hook = self._request

    def at(self, agent: str, requests: int, act: Callable[[], None]) -> None:
        self._due[agent] = (requests, act)

    def _request(self, _: Sandbox, request: Request) -> None:
        agent = request.user_agent
        self._made[agent] = self._made.get(agent, 0) + 1
        requests, act = self._due[agent]
        if self._made[agent] == requests:
            act()

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, act)
        timer.start()
        self._timers.append(timer)

    def join(self) -> None:
        for timer in self._timers:
            timer.join()


def check_killed(run: Run, config: dict[str, Any], status: int) -> None:
    """Check that the run was stopped correctly, and that the next one delivers the missing rows."""
    assert "Traceback" not in run.stderr
    if run.status == 0:
        # The signal came after the end.
        assert loaded(run) == EXPECTED
    else:
        assert run.status == status
        assert sum("Stopped by a signal" in line for line in run.stderr.splitlines()) == 1
    # An unchanged state is not written again.
    assert run.states or not run.records
    second = sync(config, state=run.state)
    assert loaded(run, second) == EXPECTED


@pytest.mark.parametrize("number", SIGNALS)
def test_a_tap_killed_at_any_moment_loses_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """A stopped machine would leave half a line in the target, or missing rows."""
    rng = random.Random(f"{number}")
    with Sandbox(DATA, latency=0.01) as sandbox:
        executioner, taps = Executioner(sandbox), list[Tap]()
        for name in range(BATCH):
            config = config_for(sandbox, user_agent=f"tap/{name}", **SMALL)
            requests, wait = rng.randint(1, REQUESTS), rng.uniform(0, 0.02)
            started = threading.Event()

            def kill(started: threading.Event = started, wait: float = wait, place: int = name) -> None:
                def act() -> None:
                    started.wait(20)
                    taps[place].kill(number)

                executioner.later(wait, act)

            executioner.at(f"tap/{name}", requests, kill)
            taps.append(start(tmp_path / str(name), config))
            started.set()
        runs = [tap.end(SIGNALS[number], 0) for tap in taps]
        executioner.join()
        sandbox.hook, sandbox.latency = None, 0.0
        for run in runs:
            check_killed(run, config_for(sandbox, **SMALL), SIGNALS[number])
        # Most were stopped during the run.
        assert sum(run.status != 0 for run in runs) >= BATCH // 2


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (signal.SIGTERM, signal.SIGTERM),
        (signal.SIGTERM, signal.SIGINT),
        (signal.SIGINT, signal.SIGTERM),
    ],
)
def test_more_signals_are_harmless(tmp_path: Path, first: int, second: int) -> None:
    """Schedulers and users send several signals: the last lines would be torn."""
    rng = random.Random(f"{first} {second}")
    with Sandbox(DATA, latency=0.01) as sandbox:
        executioner, taps, moments = Executioner(sandbox), list[Tap](), list[threading.Event]()
        for name in range(3):
            moment = threading.Event()
            moments.append(moment)
            executioner.at(f"tap/{name}", rng.randint(2, REQUESTS - 10), moment.set)
            taps.append(
                start(tmp_path / str(name), config_for(sandbox, user_agent=f"tap/{name}", **SMALL))
            )  # fmt: skip
        for tap, moment in zip(taps, moments, strict=True):
            assert moment.wait(30)
            tap.kill(first)
            for _ in range(20):
                tap.kill(second)
                time.sleep(rng.uniform(0, 0.01))
        # One of them may have ended before.
        runs = [tap.end(143, 130, 0) for tap in taps]
        sandbox.hook, sandbox.latency = None, 0.0
        for run in runs:
            check_killed(run, config_for(sandbox, **SMALL), run.status)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(("fault", "executable"), [("slow", PLAIN), ("status", None)], ids=["slow", "status"])
def test_a_signal_ends_a_tap_that_waits(
    tmp_path: Path, number: signal.Signals, fault: str, executable: tuple[str, ...] | None
) -> None:
    """A tap that waits for a response or a retry would be killed without a last state."""
    options: dict[str, Any] = {"slow": {"seconds": 100}, "status": {"status": 429, "headers": {"Retry-After": "100"}}}
    with Sandbox(DATA) as sandbox:
        arrived = threading.Event()

        def is_late(request: Request) -> bool:
            if request.number < 7:
                return False
            arrived.set()
            return True

        hit = sandbox.fault(fault, on=None, when=is_late, **options[fault])
        # Forked taps do not wait for their threads; real processes might.
        tap = start(tmp_path, config_for(sandbox, request_timeout=200, **SMALL), executable=executable)
        assert arrived.wait(30)
        tap.kill(number)
        # `end` gives up long before the answer or the next try.
        run = tap.end(SIGNALS[number])
        hit.on = 0
        check_killed(run, config_for(sandbox, **SMALL), SIGNALS[number])


@pytest.mark.parametrize("path", [PATHS["users"], UTTERANCES])
def test_a_signal_does_not_wait_for_a_list_or_a_detail(tmp_path: Path, path: str) -> None:
    """Kubernetes kills after thirty seconds, so there would be no last state."""
    with Sandbox(DATA) as sandbox:
        arrived = threading.Event()
        sandbox.fault("slow", path=path, on=None, seconds=30)
        sandbox.watch = lambda _, request: arrived.set() if request.route == path else None
        config = config_for(sandbox, request_timeout=35, **user_host(sandbox), **SMALL)
        catalog = selecting("recordings", "users", "recording_utterances" if path == UTTERANCES else "teams")
        tap = start(tmp_path, config, catalog=catalog, executable=PLAIN)
        assert arrived.wait(30)
        began = time.monotonic()
        tap.kill(signal.SIGTERM)
        run = tap.end(143)
        assert time.monotonic() - began < 15, "it has waited for the answer"
    assert run.messages[-1]["type"] == "STATE"
    assert not run.records["users"]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_in_a_poll_leaves_the_bookmark(tmp_path: Path, number: signal.Signals) -> None:
    """Changes since the last run would be skipped for good."""
    with Sandbox(DATA) as sandbox:
        config = config_for(sandbox, **SMALL)
        first = sync(config)
        for row in DATA[::4]:
            sandbox.update(row["id"], title="changed")
        arrived = threading.Event()

        def is_third(request: Request) -> bool:
            if request.number < 3:
                return False
            arrived.set()
            return True

        sandbox.clear()
        hit = sandbox.fault("slow", on=None, when=is_third, seconds=100)
        tap = start(tmp_path, config, state=first.state)
        assert arrived.wait(30)
        tap.kill(number)
        killed = tap.end(SIGNALS[number])
        hit.on = 0

        def bookmarks(run: Run) -> list[Any]:
            return [entry["replication_key_value"] for entry in run.state["bookmarks"].values()]

        assert bookmarks(killed) == bookmarks(first)
        assert loaded(first, killed, sync(config, state=killed.state)) == expected_rows(sandbox.recordings)


def test_head_gets_its_line_and_the_tap_says_one_thing(tmp_path: Path) -> None:
    """A target that dies would be hidden behind a page of the tap's traceback."""
    with Sandbox(DATA) as sandbox, start_tap(tmp_path, config_for(sandbox, **SMALL), executable=PLAIN) as tap:
        head = subprocess.run(["head", "-1"], stdin=tap.stdout, capture_output=True, text=True, check=True)
        assert tap.stdout is not None
        tap.stdout.close()
        assert tap.stderr is not None
        err = tap.stderr.read()
        assert tap.wait(60) == 1
    assert head.stdout.startswith('{"type":"SCHEMA"')
    assert head.stdout.endswith("\n")
    loud = [line for line in err.splitlines() if "WARNING" in line or "ERROR" in line or "Traceback" in line]
    loud = [line for line in loud if "py.warnings" not in line]  # older SDKs warn of older Pythons
    assert len(loud) == 1
    assert "target" in loud[0]
    assert "BrokenPipe" not in err
    assert "Exception ignored" not in err


def test_a_target_that_is_gone_before_the_first_line(tmp_path: Path) -> None:
    """The target may also die at the very beginning."""
    reading, writing = os.pipe()
    os.close(reading)
    with (
        Sandbox(DATA) as sandbox,
        start_tap(tmp_path, config_for(sandbox, **SMALL), executable=PLAIN, stdout=writing) as tap,
    ):
        os.close(writing)
        assert tap.stderr is not None
        err = tap.stderr.read()
        assert tap.wait(60) == 1
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    assert sum("ERROR" in line for line in err.splitlines()) == 1


BIG = plain(400, sections=3, extractions=4)
ASLEEP: dict[str, Any] = {"page_size": 10}


@pytest.mark.parametrize("threads", [1, 4])
def test_a_target_that_sleeps_is_waited_for(tmp_path: Path, threads: int) -> None:
    """While a warehouse resumes, the tap would read everything into memory until it is killed."""
    with Sandbox(BIG) as sandbox:
        with start_tap(tmp_path, config_for(sandbox, concurrency=threads, **ASLEEP), executable=PLAIN) as tap:
            try:
                asleep = asleep_after(sandbox)
                out, err = tap.communicate(timeout=60)
            finally:
                tap.kill()
        assert tap.returncode == 0, err
        # A page is some 100 kB of lines, much more than the pipe's and the reader's buffers.
        assert 1 <= asleep <= DECODED_PAGES + threads + 2
        assert len(sandbox.requests) > 4 * asleep
    run = parsed(out, err, tap.returncode)
    assert loaded(run) == expected_rows(BIG)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_the_target_sleeps_tears_no_line(tmp_path: Path, number: signal.Signals) -> None:
    """A job that is cancelled because the target hangs would leave half a line in it."""
    with Sandbox(BIG) as sandbox:
        config = config_for(sandbox, **ASLEEP)
        with start_tap(tmp_path, config, executable=PLAIN) as tap:
            try:
                asleep_after(sandbox)
                for _ in range(3):
                    with contextlib.suppress(ProcessLookupError):
                        tap.send_signal(number)
                out, err = tap.communicate(timeout=60)
            finally:
                tap.kill()
        assert tap.returncode == SIGNALS[number]
        assert out.endswith("\n")
        assert "Traceback" not in err
        run = parsed(out, err, tap.returncode)
        assert loaded(run, sync(config, state=run.state)) == expected_rows(BIG)
