"""stdout gets complete lines, or the run fails with a message, whatever happens to the process and the pipe."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox import Sandbox
from tests.sandbox.data import plain
from tests.sandbox.expected import expected_rows
from tests.support.in_process import loaded
from tests.support.process import PLAIN, ROOT, Run, config_for, start_tap

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.thorough

DATA = plain(200, sections=2, extractions=2)
SMALLEST = 4096
"""Size of the smallest pipe, in bytes."""


def small_pipe() -> tuple[int, int]:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, SMALLEST)
    return reading, writing


def slowly(reading: int, interrupt: Any) -> str:
    """Read everything in small parts, and do something to the writer between the first ones."""
    parts = []
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        while part := pipe.read(SMALLEST):
            parts.append(part)
            if len(parts) < 100:
                interrupt()
    return b"".join(parts).decode()


@pytest.mark.parametrize(
    ("kind", "unbuffered"), [("stopped and continued", "1"), ("non-blocking", "1"), ("non-blocking", "")]
)
def test_everything_arrives_through_a_slow_pipe(tmp_path: Path, kind: str, unbuffered: str) -> None:
    """A partial write would lose recordings, with broken lines and status 0."""
    reading, writing = small_pipe()
    os.set_blocking(writing, kind != "non-blocking")
    environment = {"PYTHONUNBUFFERED": unbuffered}
    with (
        Sandbox(DATA) as sandbox,
        start_tap(tmp_path, config_for(sandbox), executable=PLAIN, stdout=writing, environment=environment) as tap,
    ):
        os.close(writing)

        def interrupt() -> None:
            if kind != "non-blocking":
                tap.send_signal(signal.SIGSTOP)
                tap.send_signal(signal.SIGCONT)

        errors: list[str] = []
        assert tap.stderr
        reader = threading.Thread(target=lambda: errors.append(tap.stderr.read()))  # type: ignore[union-attr]
        reader.start()
        out = slowly(reading, interrupt)
        reader.join()
        assert tap.wait(60) == 0, errors
    run = Run([json.loads(line) for line in out.splitlines()], errors[0], 0)
    assert loaded(run) == expected_rows(DATA)
    assert len(run.schemas) == len(set(run.schemas))
    assert run.state["bookmarks"]["recordings"]["replication_key_value"]


def test_a_signal_in_the_middle_of_a_line_cuts_nothing(tmp_path: Path) -> None:
    """The last line would be half a record, and the target would fail on it."""
    reading, writing = small_pipe()
    with (
        Sandbox(DATA) as sandbox,
        start_tap(
            tmp_path,
            config_for(sandbox),
            executable=PLAIN,
            stdout=writing,
            environment={"PYTHONUNBUFFERED": "1"},
        ) as tap,
    ):
        os.close(writing)
        done = []

        def interrupt() -> None:
            done.append(1)
            if len(done) > 60:  # the first records are written
                tap.send_signal(signal.SIGTERM)
                time.sleep(0.001)

        out = slowly(reading, interrupt)
        assert tap.wait(60) == 128 + signal.SIGTERM
    assert out.endswith("\n")
    assert {json.loads(line)["type"] for line in out.splitlines()} == {"SCHEMA", "RECORD", "STATE"}


FULL = "Failed to read or write a file: [Errno 28] No space left on device"
CLOSED = "stdout is closed, so nothing can be written"


@pytest.mark.parametrize(
    ("stdout", "sentence", "arguments"),
    [
        *(("> /dev/full", FULL, arguments) for arguments in ((), ("--discover",), ("--about",), ("--test=schema",))),
        *((">&-", CLOSED, arguments) for arguments in ((), ("--discover",))),
    ],
)
def test_a_stdout_that_takes_nothing_is_one_sentence(
    tmp_path: Path, stdout: str, sentence: str, arguments: tuple[str, ...]
) -> None:
    """A traceback would hide that the disk is full, and an empty catalog would look like a valid one."""
    with Sandbox(DATA[:1]) as sandbox:
        run = shell(tmp_path, config_for(sandbox), arguments, stdout)
        assert not sandbox.requests or not arguments
    assert run.returncode == 1
    assert sum(sentence in line for line in run.stderr.splitlines()) == 1
    assert not [word for word in ("Traceback", "Exception ignored", "lost sys.stderr") if word in run.stderr]


@pytest.mark.parametrize("stderr", ["2>&-", "2> /dev/full"])
def test_a_log_that_cannot_be_written_costs_no_row(tmp_path: Path, stderr: str) -> None:
    """A full disk for logs must not end a sync, and log lines must not come between messages."""
    with Sandbox(DATA[:3]) as sandbox:
        run = shell(tmp_path, config_for(sandbox), (), stderr)
    assert run.returncode == 0
    messages = [json.loads(line) for line in run.stdout.splitlines()]
    assert loaded(Run(messages, "", 0)) == expected_rows(DATA[:3])


def shell(
    directory: Path, config: dict[str, Any], arguments: tuple[str, ...], redirection: str
) -> subprocess.CompletedProcess[str]:
    (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
    command = " ".join([*PLAIN, "--config", "config.json", *arguments, redirection])
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "NO_PROXY": "*"}
    return subprocess.run(
        ["sh", "-c", command], cwd=directory, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
