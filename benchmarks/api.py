"""The sandbox in a separate process, so that its CPU time does not count as the contestants'."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from types import TracebackType

ROOT = __file__.rpartition("/benchmarks/")[0]


class Served(NamedTuple):
    """Work of the server since the last reset."""

    requests: int
    cpu: float


class Api:
    """The server process. It has the same recordings for all contestants."""

    def __init__(self, count: int) -> None:
        """Start the process with a number of recordings."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.server", str(count)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        about = self._answer()
        self.url: str = about["url"]
        self.token: str = about["token"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(10)

    def reset(self, latency: float) -> None:
        """Set the latency of a request in seconds, and reset the counters."""
        self._ask({"latency": latency})

    def served(self) -> Served:
        """Return the server's work since the last reset."""
        answer = self._ask({})
        return Served(answer["requests"], answer["cpu"])

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer
