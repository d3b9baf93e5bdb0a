"""The tap's part of `meltano.yml` and of Meltano Hub's definition, and `.env.example`."""

from __future__ import annotations

import functools
import json
import re
import shlex
import subprocess
import sys
import textwrap
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tap_siro.settings import ADVANCED, CONFIG, CREDENTIALS, ORDINARY
from tap_siro.streams import STREAMS
from tools.marked import filled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parent.parent
WIDTH = 120
INDENT = "    "
VARIABLE = "TAP_SIRO_"
HEADER = """\
# Copy this file to .env, which Meltano and `tap-siro --config ENV` read. Remove the `#` before a variable to set it.
# The value shown is the default, unless the comment says that it is an example. Written by `python -m tools`."""
PROJECT = {
    "SIRO_ORGANIZATION=acme": "Name of the organization, if you load several. In the environment `prod`, `meltano.yml` "
    "adds it to the id of the state, so that each organization has a state of its own. For example:",
    "SIRO_SALT=": "Secret text that the stream maps of docs/recipes.md, Personal data, mix into their hashes. Required "
    "with them.",
    "MELTANO_STATE_BACKEND_URI=s3://your-bucket/meltano-state": "Bucket for the state, instead of the directory "
    "`state/`. Needs `pip install 'meltano[s3]'`. For example:",
}
"""Variables that are not settings of a plugin, and their descriptions."""
OPTIONAL = ("filepath", "role", "private_key_passphrase", "port", "ssl_enable", "default_target_schema")
"""Settings of targets that many users change."""

# Meltano takes stream maps as one setting.
WHOLE = {"stream_maps"}
# Meltano 4.4 turns a blank variable into false for a `boolean`, and fails with a traceback on a blank one or a fraction
# for an `integer`. A `string` reaches the tap unchanged, and the tap ignores a blank one and refuses an invalid one.
# (An `object` cannot be a `string`, because Meltano would drop the nulls in stream maps. A blank one ends Meltano.)
KINDS = {"boolean": "string", "integer": "string", "number": "string"}
# Settings that have no type in the SDK.
OPEN = {"faker_config.locale": "array", "faker_config.seed": "string"}


@functools.cache
def about() -> dict[str, Any]:
    """Return the tap's `--about`, parsed."""
    command = [sys.executable, "-m", "tap_siro", "--about", "--format", "json"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    found: dict[str, Any] = json.loads(printed)
    return found


def plugin_settings() -> list[dict[str, Any]]:
    """Return the settings in the form of a plugin's definition."""
    return list(_flat(about()["settings"]["properties"]))


def _flat(properties: Mapping[str, Any], prefix: str = "") -> Iterator[dict[str, Any]]:
    """Yield the settings, each property of an object as a separate setting."""
    for key, schema in properties.items():
        name = prefix + key
        if schema.get("properties") and name not in WHOLE:
            yield from _flat(schema["properties"], f"{name}.")
            continue
        setting: dict[str, Any] = {"name": name, "kind": _kind(name, schema)}
        if schema.get("secret"):
            setting["sensitive"] = True
        if "default" in schema:
            setting["value"] = schema["default"]
        yield setting | {"label": schema["title"], "description": schema["description"]}


def _kind(name: str, schema: Mapping[str, Any]) -> str:
    if schema.get("secret"):
        return "password"  # the hub's convention; Meltano treats it as a `string` that is `sensitive`
    if schema.get("format") == "date-time":
        return "date_iso8601"
    if "type" not in schema:
        return OPEN[name]
    (kind,) = (str(each) for each in schema["type"] if each != "null")
    return KINDS.get(kind, kind)


def select() -> list[str]:
    """Return the default selection for Meltano Hub. Without one, Meltano selects all streams."""
    return [
        "*.*",
        *(f"!{stream.name}.*" for stream in STREAMS if not stream.selected_by_default),
    ]


def check_select(text: str) -> list[str]:
    """Check `select` in `meltano.yml`, which is written by hand.

    Args:
        text: The whole file.

    Returns:
        A sentence for each fault: a rule that matches nothing, a stream that is neither selected nor mentioned, and a
        stream off by default that only a wildcard selects.
    """
    (plugin,) = yaml.safe_load(text)["plugins"]["extractors"]
    place = re.search(r"^ *select:\n((?: *(?:- |#).*\n?)*)", text, re.MULTILINE)
    commented = re.findall(r"^ *# *- ['\"]?!?(\w+)\.", place[1], re.MULTILINE) if place else []
    rules = [rule.removeprefix("!").split(".", 1) for rule in plugin["select"]]
    streams = {stream.name: stream for stream in STREAMS}
    faults = [
        f"{'.'.join(rule)} matches no stream and column."
        for rule in rules
        if not any(
            fnmatchcase(name, rule[0]) and any(fnmatchcase(path, rule[-1]) for path in _paths(stream.schema))
            for name, stream in streams.items()
        )
    ]
    faults += [f"{name} matches no stream." for name in commented if name not in streams]
    for name, stream in streams.items():
        named = name in (*commented, *(rule[0] for rule in rules))
        matched = any(fnmatchcase(name, rule[0]) for rule in rules)
        if not named and not (matched and stream.selected_by_default):
            faults.append(f"{name} is not mentioned: add a line for it, as a comment if it is off by default.")
    return faults


def _paths(schema: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the columns of a stream, and the properties of nested ones, as Meltano's rules name them."""
    for name, each in schema.get("properties", {}).items():
        yield f"{prefix}{name}"
        yield from _paths(each, f"{prefix}{name}.")


def meltano() -> str:
    """Return the extractor's capabilities and settings for `meltano.yml`."""
    told = about()
    # The settings of Faker do nothing, because the tap does not install it.
    settings = [each for each in plugin_settings() if each["name"] not in OPEN]
    parts = [
        _yaml({"capabilities": sorted(told["capabilities"])}),
        "settings_group_validation:\n" + "".join(f"- [{', '.join(group)}]\n" for group in CREDENTIALS),
        _yaml({"settings": settings}),
    ]
    return textwrap.indent("".join(parts).rstrip("\n"), INDENT)


def _yaml(value: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=WIDTH - len(INDENT))
    return text


def environment() -> str:
    """Return `.env.example`: the tap's settings, those of the project, and the targets' credentials."""
    parts = [HEADER, *map(_variable, ORDINARY), "# Advanced settings: most users need none.", *map(_variable, ADVANCED)]
    parts += ["# The Meltano project:"]
    parts += [f"{_comment(text)}\n# {variable}" for variable, text in PROJECT.items()]
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    parts += map(_credentials, project["plugins"]["loaders"])
    return "\n\n".join(parts) + "\n"


def _comment(text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent="# ", subsequent_indent="# ")


def _credentials(loader: Mapping[str, Any]) -> str:
    """Return a target's variables: those without a value in `meltano.yml`, and those that many users change."""
    first, *others = loader["settings_group_validation"]
    prefix = f"{loader['name'].upper().replace('-', '_')}_"
    either = [name for group in others for name in group if name not in first]
    required = [name for name in (*first, *either) if name not in loader["config"]]
    lines = [f"# For `meltano run tap-siro {loader['name']}`:"]
    if either:
        lines.append(_comment(f"Set one of {', '.join(f'{prefix}{name.upper()}' for name in (first[-1], *either))}."))
    values = {each["name"]: each.get("value", "") for each in loader["settings"]} | loader["config"]
    for name in (*required, *(each for each in OPTIONAL if each in values)):
        value = values[name]
        lines.append(f"# {prefix}{name.upper()}={value if isinstance(value, str) else json.dumps(value)}")
    return "\n".join(lines)


def _variable(name: str) -> str:
    schema = CONFIG["properties"][name]
    sentences = [schema["description"]]
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        sentences.append(f"From {low} to {high}.")
    mark, value = "# ", schema.get("default")
    if name in CREDENTIALS[0]:
        sentences.append("Required, unless client credentials are set.")
        mark, value = "", ""
    elif value is None:
        if "examples" not in schema:
            raise SystemExit(f"`{name}` has neither a default nor an example, so .env.example has nothing to show.")
        sentences.append("For example:")
        (value,) = schema["examples"]
    text = value if isinstance(value, str) else json.dumps(value)
    return f"{_comment(' '.join(sentences))}\n{mark}{VARIABLE}{name.upper()}={shlex.quote(text) if text else text}"


def files() -> dict[Path, str]:
    """Return the text of each file that holds settings."""
    project = ROOT / "meltano.yml"
    return {project: filled(project, {"settings": meltano()}), ROOT / ".env.example": environment()}
