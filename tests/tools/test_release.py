"""Files for releases and for the repository's pages: changelog, owners, issue forms."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.process import ROOT
from tools import changelog, hub, tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENTRY = """
# Changelog

## [Unreleased]

## [0.2.0] - 2026-12-01

### Added

- A stream, which
  is long.
- `a` setting.

Some text
goes on.

## [0.1.1]

- No date.

## [0.1.0] - 2026-11-01

### Added

[0.2.0]: https://example.com
"""
GITHUB = ROOT / ".github"
FORMS = [path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"]


def test_the_notes_of_a_release_are_the_changelogs() -> None:
    """One line for each paragraph: GitHub keeps the line breaks of release notes."""
    assert changelog.notes(ENTRY, "v0.2.0") == (
        "### Added\n\n- A stream, which is long.\n- `a` setting.\n\nSome text goes on."
    )


@pytest.mark.parametrize(
    ("tag", "fault"),
    [("v0.3.0", "no entry for 0.3.0"), ("v0.2", "no entry"), ("v0.1.1", "must have a date"), ("v0.1.0", "is empty")],
)
def test_a_release_without_notes_is_refused(tag: str, fault: str) -> None:
    with pytest.raises(changelog.NoEntryError, match=fault):
        changelog.notes(ENTRY, tag)


def test_the_release_stops_where_the_changelog_has_no_entry() -> None:
    command = [sys.executable, "-m", "tools.changelog", "v99.0.0"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert process.stdout == ""
    assert process.stderr.startswith("The changelog has no entry for 99.0.0: ")


def sources() -> Iterator[tuple[str, str]]:
    """Return the text files of a release, by name."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        included = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]["sdist"]["only-include"]
    for name in included:
        for path in (ROOT / name).rglob("*") if (ROOT / name).is_dir() else [ROOT / name]:
            relative = path.relative_to(ROOT)
            if path.is_file() and not {"__pycache__", ".venv", ".meltano"} & set(relative.parts):
                yield relative.as_posix(), path.read_text(encoding="utf-8", errors="replace")


def test_the_repositorys_owner_stands_in_one_place() -> None:
    """The owner is not decided: to change it, change `pyproject.toml`, and run `python -m tools`."""
    metadata = hub.project()
    owner, name = hub.organization(metadata), metadata["urls"]["Repository"].rpartition("/")[2]
    mention = re.compile(rf"github\.com[/:]{owner}\b|\b{owner}/{name}\b", re.IGNORECASE)
    made = {path.relative_to(ROOT).as_posix() for path in hub.files()}
    assert {file for file, text in sources() if mention.search(text.replace(tables.clone(), ""))} - made == {
        "pyproject.toml"
    }
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert set(re.findall(r"github\.com/([\w.-]+/[\w-]+)", text)) == {f"{owner}/{name}"}


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_issue_forms_ask_for_versions_and_warn_of_tokens(path: Path) -> None:
    form: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    first, *questions = form["body"]
    assert "Never paste an API token" in first["attributes"]["value"]
    required = {each["id"] for each in questions if each.get("validations", {}).get("required")}
    assert "version" in required
    for question in questions:
        attributes = question["attributes"]
        asked = f"{attributes['label']} {attributes.get('description', '')} {attributes.get('placeholder', '')}"
        assert not re.search(r"token|secret|password|config\.json|\.env", asked.replace("but for the token", ""))


def test_there_are_issue_forms() -> None:
    assert {path.stem for path in FORMS} == {"bug", "idea"}
    assert yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / "config.yml").read_text())["blank_issues_enabled"] is False


def workflow(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((GITHUB / "workflows" / f"{name}.yml").read_text(encoding="utf-8"))
    return found


def test_only_what_publishes_may_write_and_only_after_the_tests() -> None:
    release = workflow("release")
    jobs = release["jobs"]
    assert release["permissions"] == {}
    writes = {
        name: {scope for scope, level in job["permissions"].items() if level == "write"} for name, job in jobs.items()
    }
    assert writes == {
        "tests": set(),
        "build": set(),
        "attest": {"attestations", "id-token"},
        "publish": {"id-token"},
        "release": {"contents"},
    }
    assert (jobs["attest"]["needs"], jobs["publish"]["needs"], jobs["release"]["needs"]) == (
        ["tests", "build"], "attest", "publish",
    )  # fmt: skip
    assert any("tools.changelog" in step.get("run", "") for step in jobs["build"]["steps"])
    assert jobs["publish"]["environment"] == "release"
    assert workflow("test")["permissions"] == {"contents": "read"}
