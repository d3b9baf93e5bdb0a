"""The README's first command: two syncs into DuckDB, counted and compared."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from demo import DemoError, installing
from demo.comparing import as_loaded, difference
from tests.sandbox.data import recordings
from tests.sandbox.expected import expected_rows
from tests.sandbox.streams import KEYS

if TYPE_CHECKING:
    from tests.sandbox.oracle import Rows

PROJECT = Path(__file__).resolve().parent.parent
CLONED = (
    "demo",
    "sql",
    "tap_siro",
    "tests",
    "tools",
    "meltano.yml",
    "pyproject.toml",
    "constraints.txt",
    "README.md",
    "LICENSE",
)
ROW = re.compile(r"(\w+) +([\d,]+) +([\d,]+) +([\d,]+) +([\d,]+)")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Copy the files of a fresh clone into a directory with a space in its name."""
    clone = tmp_path / "a clone"
    clone.mkdir()
    for name in CLONED:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, clone / name, ignore=shutil.ignore_patterns(".venv", "__pycache__"))
        else:
            shutil.copy(source, clone)
    return clone


def run_demo(clone: Path, *python: str) -> str:
    process = subprocess.run([*python, "-m", "demo"], cwd=clone, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def too_old(directory: Path) -> str:
    """Return Python 3.10, or else this Python, changed to report version 3.10."""
    pyenv = map(str, Path.home().glob(".pyenv/versions/3.10.*/bin/python3.10"))
    candidates = [shutil.which("python3.10") or "", *pyenv]
    ask = "import sys; sys.exit(sys.version_info[:2] != (3, 10))"
    for candidate in filter(None, candidates):
        if subprocess.run([candidate, "-c", ask], capture_output=True, check=False).returncode == 0:
            return candidate
    stand_in = directory / "python3.10"
    stand_in.write_text(
        f"#!{sys.executable}\nimport runpy, sys\nsys.version_info = (3, 10, 13)\nsys.path.insert(0, '')\n"
        "sys.version = f'3.10.13 in place of {sys.version}'\nrunpy.run_module(sys.argv[2], run_name='__main__')\n"
    )
    stand_in.chmod(0o755)
    return str(stand_in)


@pytest.mark.targets
def test_the_demo_prints_what_it_loaded_and_starts_afresh_each_time(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many users have an old Python, with which the README's first command would fail."""
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")  # the search must find the Python that runs this test
    monkeypatch.setenv("PATH", f"{sys.base_prefix}/bin:{os.environ['PATH']}")
    # The user's configuration must be ignored.
    settings = "TAP_SIRO_API_URL=https://siro.invalid\nTAP_SIRO_START_DATE=2099-01-01\nMELTANO_ENVIRONMENT=prod\n"
    (clone / ".env").write_text(settings)
    # Leftovers of an earlier run must be ignored too.
    (clone / "output/demo").mkdir(parents=True)
    (clone / "output/demo/warehouse.duckdb").write_text("no database")
    printed = run_demo(clone, too_old(tmp_path))
    assert "Looking for Python" in printed
    numbers = {
        match[1]: [int(number.replace(",", "")) for number in match.groups()[1:]]
        for match in map(ROW.fullmatch, printed.splitlines())
        if match
    }
    assert list(numbers) == list(KEYS)
    assert numbers["recordings"][0] == 800
    assert numbers["recordings"][2] == 801
    for first, sent, second, live in numbers.values():
        assert 0 < sent < first <= second
        assert 0 < live < second
    assert re.search(r"^seconds +[\d.]+ +[\d.]+$", printed, re.MULTILINE)
    assert len(re.findall(r"^[A-Z]\w+ \w+ \d+ +(North|South|East|West) +\d+ +\d+\.\d$", printed, re.MULTILINE)) == 5
    assert len(re.findall(r"^\w[\w ]+ +\d+\.\d$", printed.partition("the weakest steps")[2], re.MULTILINE)) == 3
    assert len(re.findall(r"\b(Engagement|Opportunity|Account)\.\w+ +\w+-\d$", printed, re.MULTILINE)) == 3


def served_and_loaded() -> tuple[dict[str, Rows], dict[str, Rows]]:
    """Rows that were served, and the same rows as DuckDB returns them."""
    served = expected_rows(recordings(100))
    loaded = {
        stream: {key: {name: as_loaded(name, value) for name, value in row.items()} for key, row in rows.items()}
        for stream, rows in served.items()
    }
    return served, loaded


def test_the_same_rows_do_not_differ() -> None:
    served, loaded = served_and_loaded()
    assert [difference(served[stream], loaded[stream]) for stream in KEYS] == [None] * len(KEYS)


@pytest.mark.parametrize("stream", KEYS)
def test_a_missing_row_is_told(stream: str) -> None:
    served, loaded = served_and_loaded()
    key = next(iter(loaded[stream]))
    del loaded[stream][key]
    assert difference(served[stream], loaded[stream]) == (
        f"1 of {len(served[stream])} rows are missing, the first of them {key}"
    )


def test_a_row_too_many_is_told() -> None:
    served, loaded = served_and_loaded()
    loaded["recordings"]["zz",] = {}
    assert "1 unexpected rows" in str(difference(served["recordings"], loaded["recordings"]))


@pytest.mark.parametrize(
    ("column", "value"),
    [("title", "another"), ("updatedAt", None), ("latitude", 1e-9), ("crm", {}), ("deleted", None), ("summary", [{}])],
)
def test_a_column_that_differs_is_told(column: str, value: Any) -> None:
    served, loaded = served_and_loaded()
    key = next(key for key, row in served["recordings"].items() if row[column] is not None)
    loaded["recordings"][key][column] = value
    assert difference(served["recordings"], loaded["recordings"]) == (
        f"the row {key} differs from what was served in {column}"
    )


def test_empty_text_is_null_in_the_database_and_not_inside_json() -> None:
    key = ("a", 0)
    assert (
        difference({key: {"name": "", "nested": {"name": ""}}}, {key: {"name": None, "nested": {"name": ""}}}) is None
    )
    assert difference({key: {"name": None, "nested": {"name": ""}}}, {key: {"name": None, "nested": {"name": None}}})


@pytest.mark.parametrize("variable", ["PIP_INDEX_URL", "PIP_NO_INDEX"])
def test_where_pip_is_told_its_index_uv_is_not_used(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "1")
    assert installing.must_use_pip(sys.executable)


@pytest.mark.parametrize("version", [(3, 10), (3, 14)])
def test_where_there_is_no_suitable_python_the_demo_says_what_to_do(
    version: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uv searches, but may not download; a traceback would not name the supported versions."""
    for name in ("UV", "FETCHED", "VENV", "PYTHON"):
        monkeypatch.setattr(installing, f"_{name}", tmp_path / name)
    # uv is installed beside this Python, so it need not be installed again.
    monkeypatch.setattr(installing, "_uv", lambda: sys.executable)
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DemoError, match=r"^The demo runs on Python 3\.11 to 3\.13\. .* Install one"):
        installing.prepare()
