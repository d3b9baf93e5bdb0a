"""Recipes that need no database. For the others, see tests/targets/test_recipes.py."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.sandbox import Sandbox
from tests.sandbox.data import recordings
from tests.sandbox.expected import expected_rows
from tests.sandbox.streams import KEYS, Lists
from tests.support.documents import README, RECIPES, STREAMS, blocks
from tests.support.process import ROOT, Run, Warehouse, client_app, config_for, run_tap, selecting

pytestmark = pytest.mark.thorough

DATA = recordings(80)
TAP, TARGET = Path("venv/tap/bin"), Path("venv/target/bin")
FLAGS = {"showCrmLinks", "showSummary", "showEntityExtractions", "showEvaluationScore", "showFollowups"}


def test_hashing_leaves_no_text_in_clear(tmp_path: Path) -> None:
    """A text would be hashed in one column, and readable in another."""
    config = yaml.safe_load(blocks(RECIPES)["yaml: hash"])["config"]
    assert config["stream_map_config"]["salt"] == "$SIRO_SALT"
    config["stream_map_config"]["salt"] = "pepper"
    data = [{**each, "mood": f"{each['id']}: what Siro adds"} for each in recordings(80, odd=False)]
    unspoken = "Nobody must read what was said here."
    with Sandbox(data, lists=Lists(data)) as sandbox:
        for each in data:
            line = {"utterance": unspoken, "speakerTag": 1, "speakerName": unspoken, "note": unspoken}
            sandbox.details.transcripts[each["id"]] = {"utterances": [line], "speakerMap": {"1": unspoken}}
        catalog = selecting(*KEYS, "recording_utterances", "users")
        run = run_tap(tmp_path, config_for(sandbox, **config, **client_app(sandbox)), catalog=catalog)
        users = sandbox.lists.users

    def digest(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    expected = expected_rows(data)
    texts = {unspoken, *(each["mood"] for each in data)}
    texts |= {user[name] for user in users for name in ("firstName", "lastName", "email", "phoneNumber")}
    spoken = run.records["recording_utterances"]
    assert {row["speakerName"] for row in spoken} == {digest("pepper" + digest(unspoken))}
    assert len(run.records["users"]) == len(users)
    for stream, column in (
        ("recordings", "title"),
        ("recording_summary_sections", "content"),
        ("recording_entity_extractions", "value"),
        ("recording_entity_mappings", "value"),
    ):
        for row in expected[stream].values():
            texts.add(row[column])
            row[column] = digest("pepper" + digest(row[column])) if row[column] else None
    for row in expected["recordings"].values():
        for column in ("latitude", "longitude", "summary", "entityExtractions", "otherFields"):
            del row[column]
    warehouse = Warehouse()
    warehouse.load(run)
    assert warehouse.tables == expected
    written = json.dumps(run.messages, ensure_ascii=False)
    assert not [text for text in texts if text and len(text) > 6 and text in written]


def install(directory: Path, where: Path, name: str, script: str) -> None:
    """Make a command."""
    (directory / where).mkdir(parents=True)
    command = directory / where / name
    command.write_text(script)
    command.chmod(0o755)


def shell(directory: Path, script: str) -> str:
    """Run a script as a user would, with the tap installed; return its stdout."""
    if not (directory / TAP).exists():
        install(directory, TAP, "tap-siro", f'#!/bin/sh\nexec {sys.executable} -m tap_siro "$@"\n')
    own = {"PATH": f"{directory / TAP}:{os.environ['PATH']}", "HOME": str(directory), "NO_PROXY": "*"}
    process = subprocess.run(
        ["bash", "-ec", script],
        cwd=directory,
        env=own | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_what_the_catalog_leaves_out_is_not_asked_for(tmp_path: Path) -> None:
    """Users would pay for deselected data, and store data that they must not have."""
    with Sandbox(DATA) as sandbox:
        (tmp_path / "config.json").write_text(json.dumps(config_for(sandbox)))
        lines = shell(tmp_path, blocks(RECIPES)["sh: catalog"]).split("\n")
        sent = {frozenset(request.params.keys() & FLAGS) for request in sandbox.requests}
    assert sent == {frozenset(FLAGS - {"showFollowups", "showEvaluationScore"})}
    expected = expected_rows(DATA)
    expected["recording_followups"] = {}
    for row in expected["recordings"].values():
        del row["followups"], row["evaluationScore"]
    warehouse = Warehouse()
    warehouse.load(Run([json.loads(line) for line in lines if line], "", 0))
    assert warehouse.tables == expected


def test_plain_singer_keeps_the_state(tmp_path: Path) -> None:
    """Otherwise each run would read everything. The target is one that keeps a STATE until the next RECORD."""
    page = (ROOT / RECIPES).read_text(encoding="utf-8")
    (script,) = re.findall(r"```sh\n(set -o pipefail\n.*?)```", page, re.DOTALL)
    install(
        tmp_path,
        TARGET,
        "target-jsonl",
        f"#!{sys.executable}\nimport json, sys\n"
        "state = None\n"
        "for line in sys.stdin:\n"
        "    message = json.loads(line)\n"
        "    state = {'STATE': message.get('value'), 'RECORD': None}.get(message['type'], state)\n"
        "if state is not None: print(json.dumps(state))\n",
    )
    (tmp_path / "state.json").write_text("{}\n")
    with Sandbox(DATA) as sandbox:
        (tmp_path / "config.json").write_text(json.dumps(config_for(sandbox, page_size=20)))
        shell(tmp_path, script)
        assert "updatedAt:gte" not in sandbox.requests[0].params
        sandbox.clear()
        shell(tmp_path, script)
        (poll,) = sandbox.requests
        assert poll.params["updatedAt:gte"] > "2026-01"

        # A failed run is reported, and keeps the state of the last good one.
        before = (tmp_path / "state.json").read_text()
        sandbox.fault("status", on=None, status=401)
        with pytest.raises(AssertionError, match="401"):
            shell(tmp_path, script)
        assert json.loads((tmp_path / "state.json").read_text()) == json.loads(before)


def test_a_window_is_read_again_beside_the_scheduled_sync(tmp_path: Path) -> None:
    """The bookmark would go back, or the month would be incomplete."""
    (tmp_path / "state.json").write_text('{"bookmarks": {}}')
    install(tmp_path, TARGET, "target-jsonl", "#!/bin/sh\ncat > messages.jsonl\n")
    data = recordings(80, odd=False)
    with Sandbox(data) as sandbox:
        (tmp_path / "config.json").write_text(json.dumps(config_for(sandbox, page_size=20)))
        shell(tmp_path, blocks(RECIPES)["sh: window"])
    wanted = [each for each in data if "2025-05-01" <= each["updatedAt"] < "2025-06-01"]
    assert len(wanted) > 3
    lines = (tmp_path / "messages.jsonl").read_text().splitlines()
    warehouse = Warehouse()
    warehouse.load(Run([json.loads(line) for line in lines], "", 0))
    assert warehouse.tables == expected_rows(wanted)
    assert (tmp_path / "state.json").read_text() == '{"bookmarks": {}}'


def test_deletions_and_purges_come_with_the_next_poll(tmp_path: Path) -> None:
    """A deletion that needs a full refresh comes too late for legal deadlines."""
    with Sandbox(DATA) as sandbox:
        whole = [each for each in DATA if each.get("summary") and each.get("updatedAt")]
        deleted, purged = whole[0]["id"], whole[1]["id"]
        first = run_tap(tmp_path, config_for(sandbox))
        sandbox.clear()
        sandbox.update(deleted, deleted=True, deletedAt="2026-11-20T08:00:00.000Z")
        sandbox.update(purged, rootDataPurgedAt="2026-11-20T08:00:00.000Z", summary=[], entityExtractions=[])
        second = run_tap(tmp_path, config_for(sandbox, page_size=500), state=first.state)
        assert len(sandbox.requests) == 1
        expected = expected_rows([each for each in sandbox.recordings if each["id"] in {deleted, purged}])
    came: dict[str, dict[str, Any]] = {row["id"]: row for row in second.records["recordings"]}
    assert came[deleted] == expected["recordings"][(deleted,)]
    assert came[deleted]["deleted"] is True
    assert came[deleted]["deletedAt"] == "2026-11-20T08:00:00.000Z"
    assert came[purged]["rootDataPurgedAt"] == "2026-11-20T08:00:00.000Z"
    assert came[purged]["summary"] == []
    warehouse = Warehouse()
    warehouse.load(second)
    for stream, table in warehouse.tables.items():
        assert {key: row for key, row in table.items() if key[0] in {deleted, purged}} == expected[stream]


def test_every_query_and_configuration_has_a_name_to_be_tested_by() -> None:
    for page in (README, STREAMS, RECIPES):
        text = (ROOT / page).read_text(encoding="utf-8")
        named = [name.partition(":")[0] for name in blocks(page)]
        for kind in ("sql", "yaml"):
            assert text.count(f"```{kind}\n") == named.count(kind), (page, kind)
