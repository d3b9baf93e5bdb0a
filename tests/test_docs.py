"""What is written about the settings elsewhere agrees with the code."""

from __future__ import annotations

import re
from typing import Any

import yaml

from docs import tables
from tap_siro.settings import CONFIG
from tap_siro.tap import TapSiro
from tests.running import ROOT

OWN = {name: each for name, each in CONFIG["properties"].items() if name not in tables.SDK_SETTINGS}


def plugin() -> dict[str, Any]:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    found: dict[str, Any] = project["plugins"]["extractors"][0]
    return found


def test_the_readme_has_the_tables_of_the_code() -> None:
    readme = tables.README.read_text(encoding="utf-8")
    assert tables.written(readme) == readme


def test_meltano_yml_has_every_setting_with_its_default() -> None:
    settings = {each["name"]: each for each in plugin()["settings"]}
    own = {name: each for name, each in settings.items() if name.partition(".")[0] not in tables.SDK_SETTINGS}
    assert set(own) == set(OWN)
    for name, each in OWN.items():
        assert own[name].get("value") == each.get("default"), name
        assert own[name].get("sensitive", False) == each.get("secret", False), name
    assert set(plugin()["capabilities"]) == {each.value for each in TapSiro.capabilities}


def test_the_example_environment_has_every_setting() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^#? ?(TAP_SIRO_\w+)=", text, re.MULTILINE)) == {f"TAP_SIRO_{name.upper()}" for name in OWN}


def test_every_column_is_described_and_no_type_is_ambiguous() -> None:
    """Targets drop or garble columns whose type is open."""

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
