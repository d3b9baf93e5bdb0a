"""The demo itself: two runs of `meltano run tap-siro target-duckdb`, and what they left in the database."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from demo import DemoError, changing, installing
from demo.comparing import difference
from demo.warehouse import SCHEMA, Warehouse
from tests.sandbox import Sandbox
from tests.sandbox.data import recordings
from tests.sandbox.expected import expected_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.sandbox.expected import Rows

COUNT = 800
ROOT = Path(__file__).resolve().parent.parent
OUTPUT = Path("output/demo")
DATABASE = OUTPUT / "warehouse.duckdb"
_OWN = ("MELTANO_", "TAP_SIRO_", "TARGET_DUCKDB_")
_TAIL = 15
_WIDTH = 300


def main() -> int:
    """Run the demo; the exit status is 0 only if the database holds what the sandbox served."""
    os.chdir(ROOT)
    try:
        _run()
    except DemoError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _run() -> None:
    meltano = Path(sys.executable).with_name("meltano.exe" if os.name == "nt" else "meltano")
    if not meltano.exists():
        raise DemoError("Meltano is not installed beside this Python. Start the demo with: python3 -m demo")
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    with Sandbox(recordings(COUNT)) as sandbox:
        runner = Meltano(meltano, sandbox)
        with installing.step("Installing tap-siro and target-duckdb with Meltano"):
            runner.install()
        print(f"A sandbox with {COUNT} recordings stands in for Siro's API at {sandbox.url}")
        with installing.step("First sync: meltano run tap-siro target-duckdb"):
            runner.sync("first")
        first = expected_rows(sandbox.recordings)
        with Warehouse(DATABASE) as warehouse:
            _check(warehouse, first, "after the first sync")
        changed, linked = changing.change(sandbox)
        print(f"Changes: {changing.DESCRIPTION}")
        with installing.step("Second sync: meltano run tap-siro target-duckdb"):
            runner.sync("second")
        second = expected_rows(sandbox.recordings)
    sent = runner.sent("second")
    with Warehouse(DATABASE) as warehouse:
        # The second sync replaces rows and adds some; it deletes none.
        loaded = {stream: {**rows, **second[stream]} for stream, rows in first.items()}
        _check(warehouse, loaded, "after the second sync")
        _check(warehouse, second, "among the live rows after the second sync", live=True)
        joined = warehouse.write_back(linked)
    if not len(changed) <= sent["recordings"] < len(first["recordings"]):
        raise DemoError(
            f"The second sync sent {sent['recordings']} recordings although {len(changed)} had changed: see {OUTPUT}."
        )
    if joined != changing.WRITTEN_BACK:
        raise DemoError(f"The join of extracted values with CRM records gave other rows than expected: {joined}")
    _print_rows(first, sent, loaded, second, runner.seconds)
    print(f"\n{len(changed)} recordings had changed. The others that were sent have no date, or one in the two days")
    print("before the bookmark, which each day's first sync rechecks. Rows that are not live are of lists that")
    print("became shorter.")
    print(f"\nEvery row and every column in {DATABASE} is what the sandbox served, after both syncs.")
    print("\nExtracted values, the CRM fields they belong to, and the CRM's own ids to write them back:\n")
    print(f"{'value':<24}  {'CRM field':<24}  external id")
    for _, value, model, field, external in joined:
        print(f"{value:<24}  {f'{model}.{field}':<24}  {external}")


def _check(warehouse: Warehouse, expected: Mapping[str, Rows], when: str, *, live: bool = False) -> None:
    for stream, rows in expected.items():
        columns = next(iter(rows.values()))
        wrong = difference(rows, warehouse.table(stream, columns, live=live and stream != "recordings"))
        if wrong:
            raise DemoError(f"{stream}, {when}: {wrong}. Meltano's log is in {OUTPUT}.")


def _print_rows(
    first: Mapping[str, Rows],
    sent: Mapping[str, int],
    loaded: Mapping[str, Rows],
    live: Mapping[str, Rows],
    seconds: Mapping[str, float],
) -> None:
    lines: list[tuple[str, ...]] = [("rows", "first sync", "sent by second", "second sync", "live")]
    lines += [
        (stream, *(f"{number:,}" for number in (len(first[stream]), sent[stream], len(rows), len(live[stream]))))
        for stream, rows in loaded.items()
    ]
    lines.append(("seconds", f"{seconds['first']:.1f}", "", f"{seconds['second']:.1f}", ""))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    print()
    for name, *cells in lines:
        numbers = "  ".join(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        print(f"{name.ljust(widths[0])}  {numbers}".rstrip())


class Meltano:
    """Meltano with this project's meltano.yml, and with state and settings that are the demo's alone."""

    def __init__(self, executable: Path, sandbox: Sandbox) -> None:
        """Configure the tap and the target through the environment, which outranks meltano.yml."""
        self.seconds: dict[str, float] = {}
        self._executable = executable
        inherited = {name: value for name, value in installing.environment().items() if not name.startswith(_OWN)}
        # A proxy is of no use to reach this machine.
        direct = ",".join(filter(None, (inherited.get("no_proxy") or inherited.get("NO_PROXY"), "127.0.0.1")))
        self._environment = inherited | {
            "NO_PROXY": direct,
            "no_proxy": direct,
            "MELTANO_ENVIRONMENT": "demo",
            "MELTANO_DATABASE_URI": f"sqlite:///{(ROOT / OUTPUT / 'meltano.db').as_posix()}",
            "MELTANO_STATE_BACKEND_URI": "systemdb",
            "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
            "TAP_SIRO_API_URL": sandbox.url,
            "TAP_SIRO_API_TOKEN": sandbox.token,
            "TARGET_DUCKDB_FILEPATH": DATABASE.as_posix(),
            "TARGET_DUCKDB_DEFAULT_TARGET_SCHEMA": SCHEMA,
        }

    def install(self) -> None:
        """Install the plugins, with uv or else with pip."""
        backends = ("virtualenv",) if installing.must_use_pip(sys.executable) else ("uv", "virtualenv")
        for backend in backends:
            if self._succeeds("install", "install", MELTANO_VENV_BACKEND=backend):
                return
        raise DemoError(f"Meltano could not install its plugins. {self._tail('install')}")

    def sync(self, name: str) -> None:
        """Run the pipeline."""
        began = time.monotonic()
        # Lines of JSON hold what the tap counted.
        arguments = ("run", "--no-install", "tap-siro", "target-duckdb")
        if not self._succeeds(name, *arguments, MELTANO_CLI_LOG_FORMAT="json"):
            raise DemoError(f"The {name} sync failed. {self._tail(name)}")
        self.seconds[name] = time.monotonic() - began

    def sent(self, name: str) -> Counter[str]:
        """How many rows of each stream the tap sent in a run, as it counted them."""
        sent: Counter[str] = Counter()
        for line in _log(name).read_text(encoding="utf-8").splitlines():
            metric = _parse(line).get("metric_info")
            if isinstance(metric, dict) and metric.get("metric") == "record_count":
                sent[metric["tags"]["stream"]] += metric["value"]
        return sent

    def _succeeds(self, log: str, *arguments: str, **environment: str) -> bool:
        # The settings in a .env file are for real use.
        command = [str(self._executable), "--env-file", os.devnull, *arguments]
        with _log(log).open("wb") as out:
            process = subprocess.run(
                command,
                env=self._environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                check=False,
            )
        return process.returncode == 0

    def _tail(self, name: str) -> str:
        lines = _log(name).read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:]
        told = [str(_parse(line).get("event", line))[:_WIDTH] for line in lines]
        return "\n".join((f"{_log(name)} ends with:", "", *told))


def _log(name: str) -> Path:
    return OUTPUT / f"{name}.log"


def _parse(line: str) -> dict[str, object]:
    try:
        parsed = json.loads(line)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


if __name__ == "__main__":
    sys.exit(main())
