"""The package as it is published: its content, and the tap with the oldest versions of its dependencies.

`pytest -m package`
"""

from __future__ import annotations

import json
import re
import tarfile
import tomllib
import zipfile
from email.parser import BytesParser
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox import Sandbox
from tests.sandbox.data import recordings
from tests.sandbox.expected import expected_rows
from tests.sandbox.streams import DETAIL_KEYS, KEYS, LIST_KEYS
from tests.support.packages import tool, uv
from tests.support.process import ROOT, Run, Warehouse, config_for, run_tap, start_tap

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.package

# Hatchling adds the last two.
IN_SDIST = {
    ".env.example", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md",
    "constraints.txt", "meltano.yml", "pyproject.toml", "requirements-dev.txt",
    ".ci", ".github", "benchmarks", "demo", "docs", "hub", "sql", "tap_siro", "tests", "tools",
    ".gitignore", "PKG-INFO",
}  # fmt: skip
JUNK = re.compile(r"/(\.venv|\.meltano|__pycache__|\.\w+_cache|output|\.env)/|\.(pyc|so|db|duckdb|log)$")


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def readme_in(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        text = BytesParser().parsebytes(archive.read(name)).get_payload()
    assert isinstance(text, str)
    return text


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    found = (path.relative_to(ROOT).as_posix() for path in (ROOT / "tap_siro").rglob("*.py"))
    modules = {*found, "tap_siro/py.typed"}
    described = "-".join(wheel.name.split("-")[:2]) + ".dist-info"
    files = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    assert names == modules | {f"{described}/{name}" for name in files}


def test_the_source_distribution_holds_no_junk(sdist: Path) -> None:
    """Distributions build and test from it, and leftovers of a sync or demo may contain customers' calls."""
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert {name.partition("/")[0] for name in names} == IN_SDIST
    assert [name for name in names if JUNK.search(f"/{name}")] == []


@pytest.mark.parametrize(
    "command",
    [("twine", "check", "--strict"), ("check-wheel-contents",), ("validate-pyproject",)],
    ids=lambda each: each[0],
)
def test_what_an_index_or_an_installer_would_refuse_is_not_there(
    wheel: Path, sdist: Path, command: tuple[str, ...]
) -> None:
    files = {
        "twine": (wheel, sdist),
        "check-wheel-contents": (wheel,),
        "validate-pyproject": (ROOT / "pyproject.toml",),
    }
    tool(*command, *files[command[0]])


def test_the_readme_is_whole_on_the_index(wheel: Path) -> None:
    """On the package index, links into the repository are broken, and diagrams are not drawn."""
    shown = readme_in(wheel)
    links = re.findall(r"\]\(([^)]+)\)", shown)
    repository = project()["urls"]["Repository"]
    assert f"{repository}/blob/main/CHANGELOG.md" in links
    assert [link for link in links if not link.startswith(("https://", "#"))] == []
    assert "mermaid" not in shown


@pytest.fixture(scope="module", params=["lowest-direct", "highest"])
def installed(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and its dependencies, in the oldest or newest allowed versions."""
    path = tmp_path_factory.mktemp("installed")
    resolution = str(request.param)
    uv("venv", "--clear", path)
    # Only direct requirements are installed in their oldest version, so request the package's requirements too.
    uv("pip", "install", "--python", path, "--resolution", resolution, wheel, "-r", "pyproject.toml")
    listed = json.loads(uv("pip", "list", "--python", path, "--format", "json"))
    versions = {each["name"]: each["version"] for each in listed}
    lower_bounds = [requirement.split(",")[0].split(">=") for requirement in project()["dependencies"]]
    oldest = [f"{versions[name]}.".startswith(f"{bound}.") for name, bound in lower_bounds]
    assert all(oldest) == (resolution == "lowest-direct"), versions
    return path


def test_the_installed_wheel_works_with_the_oldest_and_newest_versions(installed: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"executable": (str(installed / "bin" / "tap-siro"),), "environment": {"PYTHONPATH": ""}}

    def printed(*arguments: str) -> str:
        with start_tap(tmp_path, {}, arguments=arguments, **options) as process:
            out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        return out

    version = printed("--version")
    assert re.match(r"tap-siro v\d+\.\d+\.\d+", version)
    assert json.loads(printed("--about", "--format", "json"))["name"] == project()["name"]
    assert {stream["tap_stream_id"] for stream in json.loads(printed("--discover"))["streams"]} == {
        *KEYS,
        *DETAIL_KEYS,
        *LIST_KEYS,
    }
    data = recordings(60)
    with Sandbox(data) as sandbox:
        run: Run = run_tap(tmp_path, config_for(sandbox, page_size=10), **options)
    warehouse = Warehouse()
    warehouse.load(run)
    assert warehouse.tables == expected_rows(data)
