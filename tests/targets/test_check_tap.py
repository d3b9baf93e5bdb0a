"""Validation by Singer's own checker, which reads messages as other targets do."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox import Sandbox
from tests.sandbox.data import recordings
from tests.sandbox.streams import KEYS
from tests.support.process import config_for, run_tap, start_tap
from tests.targets import project

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.targets

DATA = recordings(120)


@pytest.mark.parametrize("settings", [{}, {"flattening_enabled": True, "flattening_max_depth": 3}])
@pytest.mark.usefixtures("meltano")
def test_singer_check_tap_accepts_the_output(tmp_path: Path, settings: dict[str, Any]) -> None:
    checker = project.plugin("utilities", "singer-tools", "singer-check-tap")
    with Sandbox(DATA) as sandbox:
        config = config_for(sandbox, **settings)
        state = run_tap(tmp_path, config).state
        for known in (None, state):
            written = tmp_path / "written.jsonl"
            with written.open("wb") as out, start_tap(tmp_path, config, state=known, stdout=out) as tap:
                assert tap.wait(timeout=60) == 0
            with written.open("rb") as messages:
                checked = subprocess.run(
                    [checker], stdin=messages, capture_output=True, text=True, timeout=60, check=False
                )
            assert checked.returncode == 0, checked.stderr
            assert "The output is valid." in checked.stdout
            assert all(stream in checked.stdout for stream in KEYS)
