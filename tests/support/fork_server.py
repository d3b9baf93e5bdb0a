"""Server that forks taps from a process with all imports done, which saves a second per tap.

They are ordinary processes, with a command line, an environment, signals, pipes and an exit status. Tests of how the
tap starts, dies or writes start it directly.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import IO, TYPE_CHECKING, Any, NoReturn, Self

from tap_siro.tap import TapSiro

if TYPE_CHECKING:
    from collections.abc import Mapping


def measured() -> dict[str, str]:
    """Return the environment variables with which `pytest --cov` measures a process; none without it."""
    return {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}


class Forked:
    """A forked tap, with the methods of `subprocess.Popen` that the tests use."""

    def __init__(self, keeper: socket.socket, out: int | None, err: int | None) -> None:
        """Take the socket that sends the process id and later the status."""
        self.returncode: int | None = None
        self.stdout, self.stderr = _reading(out), _reading(err)
        self._keeper = keeper
        self.pid = int(keeper.recv(32))

    def poll(self) -> int | None:
        """Return the exit status, if the tap has ended."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait at most a number of seconds for the exit status, and return it; it is negative after a signal."""
        if self.returncode is None:
            self._keeper.settimeout(timeout)
            try:
                self.returncode = os.waitstatus_to_exitcode(int(self._keeper.recv(32)))
            except (BlockingIOError, TimeoutError):
                raise subprocess.TimeoutExpired("tap-siro", timeout or 0) from None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it has not ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended, but its status has not arrived
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, if it has not ended."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Return the text on stdout and stderr, and wait for the end: at most a number of seconds each."""
        texts = ["", ""]

        def read(place: int, stream: IO[str] | None) -> None:
            texts[place] = stream.read() if stream else ""

        readers = [Thread(target=read, args=each, daemon=True) for each in enumerate((self.stdout, self.stderr))]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader in readers:
            reader.join(timeout)
        return texts[0], texts[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind:
            self.kill()  # a test has failed and reads no more
        self.wait()
        for stream in (self.stdout, self.stderr, self._keeper):
            if stream:
                stream.close()


def _reading(end: int | None) -> IO[str] | None:
    return None if end is None else os.fdopen(end, encoding="utf-8")


class ForkServer:
    """Process that taps are forked from. It ends when this one does."""

    def __init__(self) -> None:
        """Start it with an empty environment, so that a tap has only the variables it is given."""
        self._orders, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "tests.support.fork_server", str(theirs.fileno())]
            root = Path(__file__).parents[2]
            # A pipe, so that stdout is buffered like a tap's.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                cwd=root,
                env=measured(),
                pass_fds=[theirs.fileno()],
            )

    def close(self) -> None:
        """End it."""
        self._orders.close()
        self._process.communicate()

    def start(
        self, arguments: list[str], *, cwd: Path, env: Mapping[str, str], constants: Mapping[str, float], stdout: Any
    ) -> Forked:
        """Start a tap; `stdout` is as for `subprocess.Popen`, `constants` are set in its modules, by full name."""
        order = {"arguments": arguments, "cwd": str(cwd), "env": dict(env), "constants": dict(constants)}
        out = os.pipe() if stdout == subprocess.PIPE else None
        err = os.pipe()
        written = out[1] if out else stdout if isinstance(stdout, int) else stdout.fileno()
        keeper, theirs = socket.socketpair(type=socket.SOCK_DGRAM)
        with theirs:
            socket.send_fds(self._orders, [json.dumps(order).encode() + b"\n"], [theirs.fileno(), written, err[1]])
            for _, writing in filter(None, (out, err)):
                os.close(writing)
        return Forked(keeper, out and out[0], err[0])


def _serve(orders: socket.socket) -> None:
    gc.freeze()
    keepers: set[int] = set()
    while True:
        keepers -= {pid for pid in keepers if os.waitpid(pid, os.WNOHANG)[0]}
        text, fds = b"", list[int]()
        while not text.endswith(b"\n"):
            more, passed, *_ = socket.recv_fds(orders, 65536, 3)
            if not more:
                return
            text, fds = text + more, fds + passed
        if (keeper := os.fork()) == 0:
            orders.close()
            _keep(json.loads(text), *fds)
        keepers.add(keeper)
        for each in fds:
            os.close(each)


def _keep(order: dict[str, Any], keeper: int, stdout: int, stderr: int) -> NoReturn:
    """Fork the tap, send its process id, and its status when it has ended."""
    if (pid := os.fork()) == 0:
        os.close(keeper)
        _become_tap(order, stdout, stderr)
    os.close(stdout)
    os.close(stderr)
    os.write(keeper, str(pid).encode())
    os.write(keeper, str(os.waitpid(pid, 0)[1]).encode())
    os._exit(0)


def _become_tap(order: dict[str, Any], *outputs: int) -> NoReturn:
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    for number, end in enumerate(outputs, start=1):
        os.dup2(end, number)
        os.close(end)
    for name, value in order["constants"].items():
        module, _, constant = name.rpartition(".")
        setattr(importlib.import_module(module), constant, value)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background job
    sys.argv[:] = ["tap-siro", *order["arguments"]]
    try:
        TapSiro.cli()
    except SystemExit as end:
        # Like Python's exit, but without tearing down modules, which takes longer than most taps run.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(end.code if isinstance(end.code, int) else bool(end.code))
    raise AssertionError("the command line returned")


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        _serve(connection)
