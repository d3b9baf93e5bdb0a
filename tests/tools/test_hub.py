"""The definition for Meltano Hub agrees with the tap, has the hub's style, and works with Meltano."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tap_siro.settings import CONFIG
from tap_siro.tap import TapSiro
from tests.sandbox import Sandbox
from tests.sandbox.data import recordings
from tests.sandbox.expected import expected_rows
from tests.support.packages import tool
from tests.support.process import ROOT, Run, Warehouse, config_for
from tools import hub

if TYPE_CHECKING:
    from pathlib import Path

DEFINITION = ROOT / "hub" / "tap-siro.yml"


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def by_name(plugin: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {setting["name"]: setting for setting in plugin["settings"]}


@pytest.fixture(scope="module")
def defined() -> dict[str, Any]:
    return read(DEFINITION)


SECRET = {"api_token", "client_id", "client_secret", "oauth_client_secret"}


def test_the_definition_has_the_settings_of_the_code(defined: dict[str, Any]) -> None:
    own = {name: setting for name, setting in by_name(defined).items() if name in CONFIG["properties"]}
    assert own.keys() == CONFIG["properties"].keys() - {"faker_config", "batch_config"}
    # As text, because Meltano turns a blank variable into false for a boolean.
    kinds = {"object": "object"}
    for name, schema in CONFIG["properties"].items():
        if name in own:
            kind = "date_iso8601" if schema.get("format") else kinds.get(schema["type"][0], "string")
            assert own[name]["kind"] == ("password" if name in SECRET else kind), name
            assert own[name].get("value") == schema.get("default"), name
            assert own[name].get("sensitive", False) == (name in SECRET), name
    assert defined["settings_group_validation"] == [["api_token"], ["client_id", "client_secret"]]
    assert set(defined["capabilities"]) == {each.value for each in TapSiro.capabilities}


def test_the_files_are_in_the_hubs_style(defined: dict[str, Any]) -> None:
    """The hub's linter refuses unsorted keys; the rest is the hub's custom."""

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            assert list(value) == sorted(value)
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(defined)
    names = [setting["name"] for setting in defined["settings"]]
    assert names == sorted(names)
    assert defined["capabilities"] == sorted(defined["capabilities"])
    assert (ROOT / "hub" / defined["logo_url"].rpartition("/")[2]).is_file()


def test_the_hub_gets_an_own_logo_that_it_can_show() -> None:
    """The logo has no text, external parts or background, because it is shown on white and on dark pages."""
    logo = (ROOT / "hub" / "siro.svg").read_text(encoding="utf-8")
    assert set(re.findall(r"<(\w+)", logo)) == {"svg", "path"}
    assert not re.search(r"href|url\(|style|script", logo)
    assert len(logo) < 1_000


SCHEMAS = {
    "plugin_definitions/extractors.schema.json": {
        "$id": "extractors.schema.json",
        "allOf": [{"$ref": "../common/common.schema.json"}],
        "required": ["quality"],
    },
    "common/common.schema.json": {
        "$id": "common/common.schema.json",
        "properties": {"settings": {"items": {"$ref": "../common/setting.schema.json"}}},
    },
    "common/setting.schema.json": {
        "$id": "common/setting.schema.json",
        "properties": {"kind": {"enum": ["password", "string", "integer"]}},
    },
}


@pytest.mark.parametrize("parent", ["", "schemas"])
def test_the_hubs_schemas_find_what_is_wrong(tmp_path: Path, parent: str, defined: dict[str, Any]) -> None:
    """The schemas are in a clone of the hub, or in one folder; these imitate them, with their odd references."""
    for name, schema in SCHEMAS.items():
        path = tmp_path / parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(schema), encoding="utf-8")
    settings = [{"name": "a", "kind": "password"}, {"name": "b", "kind": "integer"}]
    hub.check_schemas(tmp_path, defined | {"settings": settings})
    with pytest.raises(SystemExit, match=r"settings\.1\.kind: 'number' is not one of"):
        hub.check_schemas(tmp_path, defined | {"settings": [settings[0], {"name": "b", "kind": "number"}]})
    with pytest.raises(SystemExit, match="'quality' is a required property"):
        hub.check_schemas(tmp_path, {"settings": settings})


def test_a_folder_without_schemas_is_told(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no clone of Meltano Hub"):
        hub.check_schemas(tmp_path, {})


@pytest.mark.package
def test_meltano_adds_the_plugin_from_the_definition_and_runs_it(tmp_path: Path, wheel: Path) -> None:
    """A new project installs the tap from the repository, because it is not on the index yet."""
    defined = read(DEFINITION) | {"pip_url": str(wheel)}
    reference = tmp_path / "tap-siro.yml"
    reference.write_text(yaml.safe_dump(defined), encoding="utf-8")
    directory = tmp_path / "a project"
    directory.mkdir()
    project = directory / "meltano.yml"
    empty = "send_anonymous_usage_stats: false\nproject_id: tests\n"
    project.write_text(empty, encoding="utf-8")

    def meltano(*arguments: str | Path, **environment: str) -> str:
        options = {"NO_PROXY": "*", "MELTANO_CLI_LOG_LEVEL": "warning", **environment}
        return tool("meltano", *arguments, pinned="demo/requirements.txt", cwd=directory, **options)

    meltano("add", "--no-install", "--plugin-type", "extractor", "--from-ref", reference, "tap-siro")
    (added,) = yaml.safe_load(project.read_text(encoding="utf-8"))["plugins"]["extractors"]
    assert [each["name"] for each in added["settings"]] == [each["name"] for each in defined["settings"]]
    # A plugin that is added like this is custom, and lacks the definition's `select`. From the hub, it has a lock file.
    variant = defined["variant"]
    plugin = {"name": "tap-siro", "variant": variant}
    project.write_text(empty + yaml.safe_dump({"plugins": {"extractors": [plugin]}}), encoding="utf-8")
    lock = directory / "plugins" / "extractors" / f"tap-siro--{variant}.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps({"plugin_type": "extractors", **defined}), encoding="utf-8")
    meltano("install")
    about = json.loads(meltano("invoke", "tap-siro", "--about", "--format", "json"))
    assert about["name"] == "tap-siro"
    # Settings of each kind, from the environment: Meltano fails on kinds that it cannot read there.
    texts = {name: str(setting["value"]) for name, setting in by_name(read(DEFINITION)).items() if "value" in setting}
    others = {
        "start_date": "2000-01-01",
        "created_before": "2999-01-01T00:00:00+01:00",
        "stream_map_config": '{"a": 1}',
    }
    data = recordings(60)
    with Sandbox(data) as sandbox:
        settings = texts | others | {name: str(value) for name, value in config_for(sandbox).items()}
        out = meltano("invoke", "tap-siro", **{f"TAP_SIRO_{name.upper()}": text for name, text in settings.items()})
    warehouse = Warehouse()
    warehouse.load(Run([json.loads(line) for line in out.split("\n") if line], "", 0))
    assert warehouse.tables == expected_rows(data)
