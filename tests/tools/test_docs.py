"""The documentation, `meltano.yml` and `.env.example` agree with the code."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from dotenv import dotenv_values

from tap_siro.settings import ADVANCED, CONFIG, CREDENTIALS, ORDINARY
from tap_siro.tap import TapSiro
from tests.support.documents import RECIPES, blocks
from tests.support.process import ROOT
from tools import __main__ as generated
from tools import marked, plugin_settings

if TYPE_CHECKING:
    from pathlib import Path

MADE = generated.files()

BUILT_IN = {"TAP_SIRO_STREAM_MAPS", "TAP_SIRO_STREAM_MAP_CONFIG", "TAP_SIRO_LOGLEVEL"}
"""Settings of the SDK."""
SECRET = ["api_token", "client_id", "client_secret", "oauth_client_secret"]


@pytest.mark.parametrize("path", MADE, ids=lambda path: path.name)
def test_what_is_written_from_the_code_is_up_to_date(path: Path) -> None:
    """Users would set removed settings, and not find new ones."""
    assert path.read_text(encoding="utf-8") == MADE[path], "Run `python -m tools`."


def test_the_check_fails_when_the_code_says_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("old", encoding="utf-8")
    monkeypatch.setattr(plugin_settings, "ROOT", tmp_path)
    monkeypatch.setattr(generated, "files", lambda: {page: "new"})
    project = tmp_path / "meltano.yml"
    users = (ROOT / "meltano.yml").read_text(encoding="utf-8")
    project.write_text(users, encoding="utf-8")
    with pytest.raises(SystemExit, match=r"page\.md is not up to date: run `python -m tools`"):
        generated.main(["--check"])
    assert page.read_text(encoding="utf-8") == "old"
    generated.main([])
    assert page.read_text(encoding="utf-8") == "new"
    generated.main(["--check"])
    assert "up to date" in capsys.readouterr().out
    project.write_text(users.replace("- users.*", "- userz.*"), encoding="utf-8")
    with pytest.raises(SystemExit, match=r"(?s)userz\.\* matches no stream.*users is not mentioned"):
        generated.main(["--check"])


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        # Valid changes: load a stream that is off by default, leave out a column or a stream.
        (("# - engagements.*", "- engagements.*"), None),
        (("- users.*", "- users.*\n    - '!recordings.crm'\n    - '!users.contactSettings.suppress*'"), None),
        (("- recording_crm_links.*", "- '!recording_crm_links.*'"), None),
        (("- recording_crm_links.*", "- recording_*links.*"), None),
        # Mistakes that load less or more than intended.
        (("- users.*", "- users.*\n    - '!users.nmae'"), "users.nmae matches no stream and column."),
        (("# - engagements.*", "# - engagement.*"), "engagement matches no stream."),
        (("    # - recording_utterances.*\n", "    - '*.*'\n"), "recording_utterances is not mentioned"),
        (("    - teams.*\n", ""), "teams is not mentioned"),
    ],
)
def test_a_selection_is_checked_not_rewritten(change: tuple[str, str], fault: str | None) -> None:
    text = (ROOT / "meltano.yml").read_text(encoding="utf-8")
    assert not plugin_settings.check_select(text)
    faults = plugin_settings.check_select(text.replace(*change))
    assert any(each.startswith(fault) for each in faults) if fault else not faults


def test_meltano_yml_selects_what_is_selected_by_default() -> None:
    (plugin,) = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))["plugins"]["extractors"]
    streams = TapSiro(config={"api_token": "t"}).streams.values()
    assert sorted(plugin["select"]) == sorted(f"{each.name}.*" for each in streams if each.selected_by_default)


def test_the_example_environment_has_every_variable_that_is_used_elsewhere() -> None:
    """Variables are used in `meltano.yml`, and set by hand in examples and recipes."""
    example = set(re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    pages = [ROOT / "meltano.yml", *ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/examples/*")]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        used = set(re.findall(r"(?<!\w)((?:TAP_SIRO|TARGET_[A-Z]+|MELTANO_STATE)_[A-Z_]*[A-Z])\b", text))
        used |= set(re.findall(r"\$\{?(SIRO_\w+)", text))
        assert used <= example | BUILT_IN, page.name


def test_a_file_without_the_place_is_refused(tmp_path: Path) -> None:
    """The file would become outdated, unnoticed."""
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- b: made -->\nold\n<!-- /b -->\nc\n", encoding="utf-8")
    assert marked.filled(page, {"b": "new"}) == "a\n<!-- b: made -->\nnew\n<!-- /b -->\nc\n"
    with pytest.raises(SystemExit, match=r"page\.md has no place for the d"):
        marked.filled(page, {"d": "new"})


def test_the_readme_is_short() -> None:
    """Longer texts have their own page in `docs/`."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 250


def test_meltano_yml_still_has_what_is_not_made() -> None:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    (plugin,) = project["plugins"]["extractors"]
    assert {"name", "namespace", "pip_url", "executable"} < plugin.keys()
    assert {each["name"] for each in plugin["settings"]} >= {*ORDINARY, *ADVANCED, "stream_maps", "flattening_enabled"}
    assert [each["name"] for each in plugin["settings"] if each.get("sensitive")] == SECRET
    assert plugin["settings_group_validation"] == [["api_token"], ["client_id", "client_secret"]]


def test_the_nested_columns_are_left_out_by_removing_comment_signs() -> None:
    """The lines are in `meltano.yml`, as the recipe says, and in the page on BATCH messages."""
    wanted = yaml.safe_load(blocks(RECIPES)["yaml: each fact once"])
    for text in ((ROOT / "meltano.yml").read_text(encoding="utf-8"), blocks("docs/batch.md")["yaml: batch"]):
        lines = re.findall(r"^    # (- .!recordings\..*)$", text, re.MULTILINE)
        assert yaml.safe_load("\n".join(lines)) == wanted
    text = (ROOT / "meltano.yml").read_text(encoding="utf-8").replace("    # - '!recordings", "    - '!recordings")
    (plugin,) = yaml.safe_load(text)["plugins"]["extractors"]
    assert plugin["select"][-len(wanted) :] == wanted
    assert not plugin_settings.check_select(text)


def test_the_example_environment_sets_every_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all comment signs removed, a shell and the library that reads `.env` must agree."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8").replace("TOKEN=", "TOKEN=a-token")
    text = re.sub(r"^# (?=TAP_SIRO_\w+=)", "", text, flags=re.MULTILINE).replace("=your-", "=a-")
    path = tmp_path / ".env"
    path.write_text(text, encoding="utf-8")
    printed = subprocess.run(
        ["/bin/sh", "-ec", 'set -a; . "$0"; env', path], env={}, text=True, capture_output=True, check=True
    ).stdout
    shell = dict(line.split("=", 1) for line in printed.splitlines() if line.startswith("TAP_SIRO_"))
    assert shell == dotenv_values(path)
    assert set(shell) == {f"TAP_SIRO_{name.upper()}" for name in (*ORDINARY, *ADVANCED)}
    for group in CREDENTIALS:
        others = {name for names in CREDENTIALS for name in names} - set(group)
        for name in (*ORDINARY, *ADVANCED):
            # One kind of credentials at a time; a blank variable counts as not set.
            monkeypatch.setenv(f"TAP_SIRO_{name.upper()}", "" if name in others else shell[f"TAP_SIRO_{name.upper()}"])
        tap = TapSiro(parse_env_config=True)
        assert tap.settings is not None
        for name in {*ORDINARY, *ADVANCED} - others:
            schema = CONFIG["properties"][name]
            shown = schema.get("default", schema.get("examples", ["your-token"])[0])
            assert tap.config[name] == (shown.replace("your-", "a-") if name in group else shown), name


def test_the_example_workflow_uses_the_actions_of_the_projects_own() -> None:
    """Dependabot updates only the project's own workflows."""
    pins = re.compile(r"uses: (actions/[\w-]+)\S*@(\w+ # v\S+)")
    own = dict(pins.findall((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8")))
    example = dict(pins.findall((ROOT / "docs/examples/github-actions.yml").read_text(encoding="utf-8")))
    assert set(example) == {*own, "actions/cache"}
    assert {name: example[name] for name in own} == own


def test_every_column_is_described_and_no_type_is_ambiguous() -> None:
    """Targets drop or garble columns of ambiguous types."""

    def walk(schema: dict[str, Any], path: str, *, described: bool = True) -> None:
        assert not {"anyOf", "oneOf", "allOf"} & set(schema), path
        kinds = [kind for kind in schema["type"] if kind != "null"] if path else ["object"]
        assert len(kinds) == 1, path
        assert schema.get("format", "date-time") == "date-time", path
        assert schema.get("description") or not described, path
        if kinds == ["object"]:
            assert schema["properties"], path
            for name, each in schema["properties"].items():
                walk(each, f"{path}.{name}")
        if kinds == ["array"]:
            walk(schema["items"], f"{path}[]", described=False)

    for stream in TapSiro(config={"api_token": "t"}).streams.values():
        walk(stream.schema, "", described=False)
        keys = set(stream.primary_keys)
        for name, each in stream.schema["properties"].items():
            assert ("null" not in each["type"]) == (name in keys)
        assert set(stream.schema["required"]) == keys
        names = [name.lower() for name in stream.schema["properties"]]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("directory", ["tap_siro", "tools", "benchmarks", "demo", "docs", "tests"])
def test_docstrings_begin_with_a_verb_or_a_noun(directory: str) -> None:
    """A sentence that begins with a question word is a riddle until its end."""
    riddle = re.compile(r'^ *"""(What|When|Whether|Where|Which|Who(ever|se)?|Why|How)\b.*', re.MULTILINE)
    for path in (ROOT / directory).rglob("*.py"):
        found = None if ".venv" in path.parts else riddle.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{path.relative_to(ROOT)}: {found[0]}"


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Broken links lead to an error page. `../../` is for pages of GitHub that are not files."""
    for target in re.findall(r"\]\((?!https?:|\.\./\.\./)([^)]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.is_file() or (linked.is_dir() and not anchor), target
        assert not anchor or anchor in anchors(linked), target


def test_the_functions_that_contributors_are_sent_to_exist() -> None:
    """A new maintainer would look for a renamed function."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    places = re.findall(
        r"`(\w+)\.(?!py`)(\w+)`", page.partition("How a page flows")[2].partition("A new child stream")[0]
    )
    assert len(places) > 5
    code = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "tap_siro").rglob("*.py")}
    for owner, name in places:
        (module,) = [
            text for stem, text in code.items() if stem == owner or re.search(rf"^class {owner}\b", text, re.MULTILINE)
        ]
        assert f"def {name}(" in module, f"{owner}.{name}"
