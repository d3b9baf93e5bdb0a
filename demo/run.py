"""The demo itself: two runs of `meltano run tap-siro target-duckdb`, and a comparison of the database with the API."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from demo import DemoError, changing, installing
from demo.comparing import difference
from demo.meltano import Meltano
from demo.warehouse import SCHEMA, Warehouse
from tests.sandbox import Sandbox
from tests.sandbox.data import recordings
from tests.sandbox.expected import expected_rows
from tests.sandbox.streams import DEFAULT, KEYS, Lists, expected_details, expected_lists

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.sandbox.oracle import Rows

COUNT = 800
MOST = 5
WEAKEST = 3
SELECTED = (*KEYS, *DEFAULT, "scorecard_nodes", "recording_scorecards", "recording_scorecard_nodes")
ROOT = Path(__file__).resolve().parent.parent
OUTPUT = Path("output/demo")
DATABASE = OUTPUT / "warehouse.duckdb"
PIPELINE = ("tap-siro", "target-duckdb")


def main() -> int:
    """Run the demo; return 0 only if the database contains what the sandbox served."""
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
    executable = installing.meltano(Path(sys.executable))
    if not executable.exists():
        raise DemoError("Meltano is not installed for this Python. Start the demo with: python3 -m demo")
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    data = recordings(COUNT)
    lists = Lists(data)
    with Sandbox(data, lists=lists) as sandbox:
        runner = _meltano(executable, sandbox)
        seconds = {}
        with installing.step("Installing tap-siro and target-duckdb with Meltano"):
            runner.install(*PIPELINE)
        print(f"A sandbox with {COUNT} recordings stands in for Siro's API at {sandbox.url}")
        with installing.step("First sync: meltano run tap-siro target-duckdb"):
            seconds["first"] = runner.sync("first", *PIPELINE)
        first = expected_rows(sandbox.recordings)
        with Warehouse(DATABASE) as warehouse:
            _check(warehouse, first, "after the first sync")
        changed, linked = changing.change(sandbox)
        print(f"Changes: {changing.DESCRIPTION}")
        with installing.step("Second sync: meltano run tap-siro target-duckdb"):
            seconds["second"] = runner.sync("second", *PIPELINE)
        second = expected_rows(sandbox.recordings)
        evaluated = expected_details(sandbox)["recording_scorecard_nodes"]
    sent = runner.sent("second")
    with Warehouse(DATABASE) as warehouse:
        # The second sync replaces and adds rows, and deletes none.
        loaded = {stream: {**rows, **second[stream]} for stream, rows in first.items()}
        _check(warehouse, loaded, "after the second sync")
        kept = [each for each in sandbox.recordings if not (each.get("deleted") or each.get("deletedAt"))]
        live = expected_rows(kept)
        _check(warehouse, live, "among the current rows after the second sync", live=True)
        calls, steps = warehouse.calls(), warehouse.steps()
        joined = warehouse.write_back(linked)
    if not len(changed) <= sent["recordings"] < len(first["recordings"]):
        raise DemoError(
            f"The second sync sent {sent['recordings']} recordings, but {len(changed)} had changed: see {OUTPUT}."
        )
    names = Counter(map(_names(lists), (row["userId"] for row in live["recordings"].values())))
    if Counter({(rep, team): count for rep, team, count, _ in calls}) != names:
        raise DemoError(f"The view `calls` returned unexpected rows: {calls}")
    if {(team, step): round(points, 6) for team, step, points in steps} != _points(evaluated, live, lists):
        raise DemoError(f"The points of scorecard steps are not those of the sandbox: {steps}")
    if joined != sorted(changing.WRITTEN_BACK):
        raise DemoError(f"The view `values_for_crm` returned unexpected rows: {joined}")
    _print_rows(first, sent, loaded, live, seconds)
    print(f"\n{len(changed)} recordings had changed. The second sync also sent those without a date, and those updated")
    print("in the two days before the first sync, because the first sync of each day rechecks these. Rows that are")
    print("not current belong to deleted recordings, or to lists that became shorter.")
    print(f"\nEvery row and column in {DATABASE} equals what the sandbox served, after both syncs.")
    _print_reports(calls, steps, joined)


def _names(lists: Lists) -> Callable[[str | None], tuple[str | None, str | None]]:
    """Return a function from a user's id to the user's name and team."""
    teams = {team["id"]: team["name"] for team in lists.teams}
    users = {
        user["id"]: (f"{user['firstName']} {user['lastName']}", teams.get(user["memberTeamId"])) for user in lists.users
    }
    return lambda user_id: users.get(str(user_id), (None, None))


def _points(evaluated: Rows, live: Mapping[str, Rows], lists: Lists) -> dict[tuple[str, str], float]:
    """Return the average points of each step, by team. Some steps have their name only in the scorecard."""
    steps = expected_lists(lists)["scorecard_nodes"]
    names, points = _names(lists), defaultdict[tuple[str, str], list[float]](list)
    for row in evaluated.values():
        recording = live["recordings"].get((row["recordingId"],))
        team = names(recording["userId"])[1] if recording else None
        step = row["name"] or steps.get((row["scorecardId"], row["nodeId"]), {}).get("name")
        if team is not None and step is not None and row["nodeType"] == "METRIC" and row["pointsEarned"] is not None:
            points[team, step].append(float(row["pointsEarned"]))
    return {key: round(sum(values) / len(values), 6) for key, values in points.items()}


def _check(warehouse: Warehouse, expected: Mapping[str, Rows], when: str, *, live: bool = False) -> None:
    for stream, rows in expected.items():
        columns = next(iter(rows.values()))
        wrong = difference(rows, warehouse.table(stream, columns, live=live))
        if wrong:
            raise DemoError(f"{stream}, {when}: {wrong}. Meltano's log is in {OUTPUT}.")


def _print_rows(
    first: Mapping[str, Rows],
    sent: Mapping[str, int],
    loaded: Mapping[str, Rows],
    live: Mapping[str, Rows],
    seconds: Mapping[str, float],
) -> None:
    lines: list[tuple[str, ...]] = [("rows", "first sync", "sent by second", "second sync", "current")]
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


def _print_reports(
    calls: Sequence[tuple[str | None, str | None, int, float | None]],
    steps: Sequence[tuple[str, str, float]],
    joined: Sequence[tuple[str, ...]],
) -> None:
    print(f"\nFrom the view `calls`, calls per rep with team and average score ({MOST} of {len(calls)} reps):\n")
    print(f"{'rep':<24}  {'team':<8}  {'calls':>5}  {'score':>5}")
    for rep, team, count, score in [each for each in calls if each[0]][:MOST]:
        print(f"{rep:<24}  {team or '':<8}  {count:>5}  {score or 0:>5.1f}")
    team = steps[0][0]
    print(f"\nFrom the view `scorecard_steps`, the weakest steps in the team {team}, with average points:\n")
    for _, step, points in [each for each in steps if each[0] == team][:WEAKEST]:
        print(f"{step:<40}  {points:>5.1f}")
    print("\nFrom the view `values_for_crm`, extracted values and the CRM fields and records to write them to:\n")
    print(f"{'value':<24}  {'CRM field':<24}  external id")
    for _, value, model, field, external in joined:
        print(f"{value:<24}  {f'{model}.{field}':<24}  {external}")


def _meltano(executable: Path, sandbox: Sandbox) -> Meltano:
    """Return Meltano with this project's meltano.yml, and the demo's own state and settings."""
    settings = {
        "MELTANO_ENVIRONMENT": "demo",
        "MELTANO_DATABASE_URI": f"sqlite:///{(ROOT / OUTPUT / 'meltano.db').as_posix()}",
        "MELTANO_STATE_BACKEND_URI": "systemdb",
        "TAP_SIRO_API_URL": sandbox.url,
        "TAP_SIRO_API_TOKEN": sandbox.token,
        "TAP_SIRO_USER_API_URL": sandbox.user_api_url,
        "TAP_SIRO_OAUTH_CLIENT_ID": sandbox.oauth.app_id,
        "TAP_SIRO_OAUTH_CLIENT_SECRET": sandbox.oauth.app_secret,
        "TAP_SIRO_OAUTH_USER_ID": sandbox.oauth.user_id,
        # One request per scored recording would reach Siro's limit. The sandbox has none.
        "TAP_SIRO_REQUESTS_PER_MINUTE": "100000",
        "TAP_SIRO__SELECT": json.dumps([f"{stream}.*" for stream in SELECTED]),
        "TARGET_DUCKDB_FILEPATH": DATABASE.as_posix(),
        "TARGET_DUCKDB_DEFAULT_TARGET_SCHEMA": SCHEMA,
    }
    return Meltano(executable, ROOT, OUTPUT, settings)


if __name__ == "__main__":
    sys.exit(main())
