"""Meltano projects for the tests. Plugins are installed once, into a project that all others use."""

from __future__ import annotations

import fcntl
import json
import re
import shlex
import shutil
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import yaml

from demo import installing
from demo.meltano import Meltano
from tests.support.packages import uv
from tests.support.process import ROOT
from tests.targets.kinds import KINDS, Kind

if TYPE_CHECKING:
    import subprocess
    from collections import Counter
    from collections.abc import Iterator
    from pathlib import Path

    from tests.sandbox import Sandbox
    from tests.targets.destinations import Destination

# In a directory that git, and tools that look for Python files, ignore.
LENDER = ROOT.resolve() / ".meltano" / "tests"
MARK = LENDER / "made-from.txt"
CHECK_TAP = {
    "name": "singer-tools",
    "namespace": "singer_tools",
    "pip_url": "singer-tools==0.4.1",
    "executable": "singer-check-tap",
}


def repository() -> dict[str, Any]:
    """Return the project file of the repository."""
    project: dict[str, Any] = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    return project


def extractor() -> dict[str, Any]:
    """Return the tap as in that project file, with absolute paths."""
    tap: dict[str, Any] = repository()["plugins"]["extractors"][0]
    constraints = shlex.quote(str(ROOT / "constraints.txt"))
    return tap | {"pip_url": f"-e {shlex.quote(str(ROOT))} -c {constraints}"}


def loaders() -> dict[str, dict[str, Any]]:
    """Return the targets in that project file, by name."""
    return {each["name"]: each for each in repository()["plugins"]["loaders"]}


def loader(kind: Kind, config: dict[str, Any]) -> dict[str, Any]:
    """Return a target as in that project file, or with its default settings."""
    # Without a namespace, Meltano would look the plugin up on its hub.
    defined = loaders().get(kind.name, {"name": kind.name, "namespace": kind.name.replace("-", "_"), "settings": []})
    return defined | {
        "pip_url": kind.packages if kind.install is None else shlex.quote(str(ROOT / kind.install)),
        "executable": kind.executable or kind.name,
        "config": defined.get("config", {}) | config,
    }


def write(directory: Path, plugins: dict[str, list[dict[str, Any]]], **more: Any) -> None:
    """Write a project file."""
    project = {
        "project_id": "00000000-0000-4000-8000-000000000000",
        "send_anonymous_usage_stats": False,
        "plugins": plugins,
        **more,
    }
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "meltano.yml").write_text(yaml.safe_dump(project, sort_keys=False), encoding="utf-8")


def prepare() -> Path:
    """Install Meltano and all plugins unless they are installed; return Meltano's executable."""
    LENDER.mkdir(parents=True, exist_ok=True)
    with _alone(LENDER / "lock"):
        meltano = installing.meltano(installing.prepare())
        loaders = [loader(kind, {}) for kind in KINDS]
        write(LENDER, {"extractors": [extractor()], "loaders": loaders, "utilities": [CHECK_TAP]})
        stand_in = sorted((ROOT / "tests/targets/stand_in").rglob("*.*"))
        made_from = "\n".join(
            [sys.version, *(file.read_text() for file in (LENDER / "meltano.yml", *stand_in) if file.suffix != ".pyc")]
        )
        if not MARK.exists() or MARK.read_text() != made_from:
            Meltano(meltano, LENDER, LENDER, {}).install()
            MARK.write_text(made_from)
    return meltano


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Wait until no other process of the tests holds the lock."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def lend(directory: Path) -> None:
    """Let a project use the installed plugins."""
    (directory / ".meltano").mkdir()
    shutil.copy(LENDER / ".meltano" / "meltano.db", directory / ".meltano")  # making one takes seconds
    for plugins in ("extractors", "loaders"):
        (directory / ".meltano" / plugins).symlink_to(LENDER / ".meltano" / plugins)


def script(name: str) -> Path:
    """Return an executable that runs a script of `bigquery/` in an environment with its dependencies."""
    path, environment = ROOT / "tests/targets/bigquery" / f"{name}.py", LENDER / f"bigquery-{name}"
    with _alone(LENDER / "lock"):
        uv("venv", "--allow-existing", environment)
        uv("pip", "install", "--python", environment, "--requirements", path)
        executable = environment / "run"
        python = shlex.join([str(environment / "bin/python"), str(path)])
        executable.write_text(f'#!/bin/sh\nexec {python} "$@"\n', encoding="utf-8")
        executable.chmod(0o755)
    return executable


def plugin(kind: str, name: str, executable: str) -> Path:
    """Return the executable of an installed plugin; `kind` is extractors, loaders or utilities."""
    return LENDER / ".meltano" / kind / name / "venv/bin" / executable


class Project:
    """A project with the tap, for one destination."""

    def __init__(self, directory: Path, meltano: Path, sandbox: Sandbox, destination: Destination) -> None:
        """Write the project file; `sync` does the rest."""
        self.directory = directory
        self._destination = destination
        self._runs = 0
        self.configure()
        lend(directory)
        settings = {
            "MELTANO_ENVIRONMENT": "dev",
            "MELTANO_STATE_BACKEND_URI": f"file://{directory / 'state'}",
            "TAP_SIRO_API_URL": sandbox.url,
            "TAP_SIRO_API_TOKEN": sandbox.token,
            **destination.environment,
        }
        self.meltano = Meltano(meltano, directory, directory, settings)

    def configure(self, *, executable: Path | None = None, select: list[str] | None = None, **config: Any) -> None:
        """Write the project file.

        Args:
            executable: Program to run in place of the target.
            select: The tap's selection rules.
            config: The tap's settings.
        """
        # The daily recheck's effect depends on today's date.
        tap = extractor() | {"config": {"daily_recheck_days": 0, **config}}
        # The tap is installed already. If the package is not editable, Meltano caches the catalog.
        tap["pip_url"] = tap["name"]
        if select:
            tap["select"] = select
        target = loader(self._destination.kind, self._destination.config)
        if executable or self._destination.executable:
            target["executable"] = str(executable or self._destination.executable)
        plugins = {"extractors": [tap], "loaders": [target]}
        write(self.directory, plugins, environments=[{"name": "dev"}, {"name": "prod"}])

    @property
    def pipeline(self) -> tuple[str, str]:
        """Return the names of the tap and the target."""
        return "tap-siro", self._destination.kind.name

    def sync(self, *options: str, **configuration: Any) -> Counter[str]:
        """Run `meltano run`, which must succeed; return the number of rows that the tap sent, by stream.

        Args:
            options: Options of `meltano run`.
            configuration: Arguments of `configure`.
        """
        self.configure(**configuration)
        self._runs += 1
        log = f"sync{self._runs}"
        self.meltano.sync(log, *options, *self.pipeline)
        return self.meltano.sent(log)

    def break_off(self, *options: str, apart: bool = False, **configuration: Any) -> subprocess.Popen[bytes]:
        """Start a `meltano run` that will fail; if `apart`, in a separate process group."""
        self.configure(**configuration)
        return self.meltano.start("broken", "run", "--no-install", *options, *self.pipeline, apart=apart)

    def states(self) -> list[str]:
        """Return the ids of the states that Meltano keeps."""
        return sorted(file.parent.name for file in (self.directory / "state").glob("*/state.json"))

    def positions(self) -> list[str]:
        """Return the position up to which each stream's pass has been confirmed, while a run goes on."""
        files = (self.directory / "state").glob("*/state.json")
        return [found for file in files for found in re.findall(r'"pass_position": "(.+?)"', file.read_text())]

    def completed(self) -> dict[str, dict[str, Any]]:
        """Return the bookmarks in the file, if all runs were complete and none a full refresh; faster than `state`."""
        (name,) = self.states()
        kept = json.loads((self.directory / "state" / name / "state.json").read_text())
        bookmarks: dict[str, dict[str, Any]] = kept["completed"]["singer_state"]["bookmarks"]
        return bookmarks

    def state(self) -> dict[str, dict[str, Any]]:
        """Return the bookmarks that the next run will get: Meltano merges them from several states."""
        (name,) = self.states()
        assert self.meltano.run("state", "--log-level=critical", "state", "get", name) == 0, self.meltano.tail("state")
        (line,) = [line for line in self.meltano.log("state").read_text().splitlines() if line.startswith("{")]
        bookmarks: dict[str, dict[str, Any]] = json.loads(line)["singer_state"]["bookmarks"]
        return bookmarks
