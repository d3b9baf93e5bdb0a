"""Runs Meltano without the user's own configuration, and keeps its logs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

from demo import DemoError, installing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_OWN = ("MELTANO_", "TAP_SIRO_", "TARGET_")
_TAIL = 15
_WIDTH = 300


class Meltano:
    """Meltano in a project's directory, configured through the environment, which outranks meltano.yml."""

    def __init__(self, executable: Path, project: Path, logs: Path, settings: Mapping[str, str]) -> None:
        """Take Meltano's executable, the project, a directory for logs, and settings as environment variables."""
        self._executable = executable
        self._project = project
        self._logs = logs
        inherited = {name: value for name, value in installing.environment().items() if not name.startswith(_OWN)}
        # Without compiled modules, Meltano and its plugins would start slowly, many times.
        inherited.pop("PYTHONDONTWRITEBYTECODE", None)
        # The sandbox is on this machine, which a proxy cannot reach.
        direct = ",".join(filter(None, (inherited.get("no_proxy") or inherited.get("NO_PROXY"), "127.0.0.1")))
        self.environment = inherited | {
            "NO_PROXY": direct,
            "no_proxy": direct,
            "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
            # Lines of JSON contain the tap's counts.
            "MELTANO_CLI_LOG_FORMAT": "json",
            **settings,
        }

    def install(self, *plugins: str) -> None:
        """Install plugins, or all of them, with uv or else with pip."""
        backends = ("virtualenv",) if installing.must_use_pip(sys.executable) else ("uv", "virtualenv")
        for backend in backends:
            if self.run("install", "install", *plugins, MELTANO_VENV_BACKEND=backend) == 0:
                return
        raise DemoError(f"Meltano failed to install its plugins. {self.tail('install')}")

    def sync(self, log: str, *arguments: str) -> float:
        """Run `meltano run`, and return the seconds it took; raise `DemoError` if it fails."""
        began = time.monotonic()
        if self.run(log, "run", "--no-install", *arguments) != 0:
            raise DemoError(f"The {log} sync failed. {self.tail(log)}")
        return time.monotonic() - began

    def run(self, log: str, *arguments: str, **environment: str) -> int:
        """Run a command, and return its exit status."""
        return self.start(log, *arguments, apart=False, **environment).wait()

    def start(self, log: str, *arguments: str, apart: bool = False, **environment: str) -> subprocess.Popen[bytes]:
        """Start a command, in a separate process group if `apart`."""
        # Ignore `.env`, whose settings are those of a real account.
        command = [str(self._executable), "--env-file", os.devnull, *arguments]
        with self.log(log).open("wb") as out:
            return subprocess.Popen(
                command,
                cwd=self._project,
                env=self.environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=apart,
            )

    def sent(self, log: str) -> Counter[str]:
        """Return the number of rows per stream that the tap sent in a run, by its own count."""
        sent: Counter[str] = Counter()
        for line in self.log(log).read_text(encoding="utf-8").splitlines():
            metric = _parse(line).get("metric_info")
            if isinstance(metric, dict) and metric.get("metric") == "record_count":
                sent[metric["tags"]["stream"]] += metric["value"]
        return sent

    def tail(self, log: str) -> str:
        """Return the last lines that a command logged."""
        lines = self.log(log).read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:]
        told = [str(_parse(line).get("event", line))[:_WIDTH] for line in lines]
        return "\n".join((f"{self.log(log)} ends with:", "", *told))

    def log(self, name: str) -> Path:
        """Return the file that a command logs to."""
        return self._logs / f"{name}.log"


def _parse(line: str) -> dict[str, object]:
    try:
        parsed = json.loads(line)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
