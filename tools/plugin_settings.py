"""The settings as Meltano has them, in `meltano.yml` and on its hub, and `.env.example`."""

from __future__ import annotations

import functools
import json
import shlex
import subprocess
import sys
import textwrap
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
# Copy this file to .env, which Meltano reads. A value is the default, unless its comment says that it is an example.
# Written by `python -m tools`."""

# The SDK's stream maps are one setting there, whatever their schema says of what is in them.
WHOLE = {"stream_maps"}
# Meltano 4.4 makes false of a blank variable for a `boolean`, and fails with a traceback on a blank or a fraction for
# an `integer`. Text comes to the tap as it is: there, blank means not set, and a wrong word is refused in a sentence.
# (A blank variable for an `object` ends Meltano itself; as a `string`, it would drop the nulls in stream maps.)
KINDS = {"boolean": "string", "integer": "string", "number": "string"}
# Where the SDK leaves open what a setting is.
OPEN = {"faker_config.locale": "array", "faker_config.seed": "string"}


@functools.cache
def about() -> dict[str, Any]:
    """What the tap says of itself."""
    command = [sys.executable, "-m", "tap_siro", "--about", "--format", "json"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    found: dict[str, Any] = json.loads(printed)
    return found


def plugin_settings() -> list[dict[str, Any]]:
    """The settings as a plugin's definition has them."""
    return list(_flat(about()["settings"]["properties"]))


def _flat(properties: Mapping[str, Any], prefix: str = "") -> Iterator[dict[str, Any]]:
    """Settings with objects taken apart."""
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
        return "password"  # the hub's habit; to Meltano it is a `string` if it is `sensitive` too
    if schema.get("format") == "date-time":
        return "date_iso8601"
    if "type" not in schema:
        return OPEN[name]
    (kind,) = (str(each) for each in schema["type"] if each != "null")
    return KINDS.get(kind, kind)


def select() -> list[str]:
    """What is selected unless the user says otherwise: Meltano's own default is everything."""
    return [
        "*.*",
        *(f"!{stream.name}.*" for stream in STREAMS if not stream.selected_by_default),
    ]


def meltano() -> str:
    """What `meltano.yml` says of the extractor's abilities and settings."""
    told = about()
    # The tap does not install Faker, without which its settings do nothing.
    settings = [each for each in plugin_settings() if each["name"] not in OPEN]
    parts = [
        _yaml({"capabilities": sorted(told["capabilities"])}),
        "settings_group_validation:\n" + "".join(f"- [{', '.join(group)}]\n" for group in CREDENTIALS),
        _yaml({"settings": settings}),
        _yaml({"select": select()}),
    ]
    return textwrap.indent("".join(parts).rstrip("\n"), INDENT)


def _yaml(value: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=WIDTH - len(INDENT))
    return text


def environment() -> str:
    """`.env.example`: every setting of the tap's own, the required ones to be filled in."""
    parts = [HEADER, *map(_variable, ORDINARY), "# Advanced: hardly anybody needs these.", *map(_variable, ADVANCED)]
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    parts += filter(None, map(_credentials, project["plugins"]["loaders"]))
    return "\n\n".join(parts) + "\n"


def _credentials(loader: Mapping[str, Any]) -> str:
    """What a target needs to be told, if `meltano.yml` does not say it."""
    first, *others = loader["settings_group_validation"]
    prefix = f"{loader['name'].upper().replace('-', '_')}_"
    instead = [f"{prefix}{name.upper()}" for group in others for name in group if name not in first]
    lines = [f"# For `meltano run tap-siro {loader['name']}`:"]
    if instead:
        lines.append(f"# {' or '.join(instead)} can take the place of {prefix}{first[-1].upper()}.")
    names = [name for name in first if name not in loader["config"]]
    return "\n".join([*lines, *(f"# {prefix}{name.upper()}=" for name in names)]) if names else ""


def _variable(name: str) -> str:
    schema = CONFIG["properties"][name]
    sentences = [schema["description"]]
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        sentences.append(f"From {low} to {high}.")
    mark, value = "# ", schema.get("default")
    if name in CREDENTIALS[0]:
        sentences.append("Required, unless another way to authorize is set.")
        mark, value = "", ""
    elif value is None:
        if "examples" not in schema:
            raise SystemExit(f"`{name}` has neither a default nor an example, so .env.example has nothing to show.")
        sentences.append("For example:")
        (value,) = schema["examples"]
    text = value if isinstance(value, str) else json.dumps(value)
    comment = textwrap.wrap(" ".join(sentences), WIDTH, initial_indent="# ", subsequent_indent="# ")
    return "\n".join([*comment, f"{mark}{VARIABLE}{name.upper()}={shlex.quote(text) if text else text}"])


def files() -> dict[Path, str]:
    """The files that hold settings, as they are to be."""
    project = ROOT / "meltano.yml"
    return {project: filled(project, {"settings": meltano()}), ROOT / ".env.example": environment()}
