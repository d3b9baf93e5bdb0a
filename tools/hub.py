"""What Meltano Hub needs to list the tap: the files of `hub/`.

They are made from `tap-siro --about` and `pyproject.toml`. hub/README.md says how to open the pull request.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import yaml
from jsonschema import Draft7Validator
from referencing import Registry
from referencing.jsonschema import DRAFT7

from tap_siro.settings import CREDENTIALS
from tools.plugin_settings import ROOT, about, plugin_settings, select

if TYPE_CHECKING:
    from collections.abc import Mapping

    from referencing import Resource

HUB = ROOT / "hub"
DEFINITION = "tap-siro.yml"
SCHEMA = "plugin_definitions/extractors.schema.json"


def project() -> dict[str, Any]:
    """The package's metadata."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        found: dict[str, Any] = tomllib.load(file)["project"]
    return found


def organization(metadata: Mapping[str, Any]) -> str:
    """Whose repository it is on GitHub, which is also the variant's name on the hub."""
    path: str = urlsplit(metadata["urls"]["Repository"]).path
    return path.split("/")[1]


def definition() -> dict[str, Any]:
    """The hub's definition of the plugin."""
    metadata, told = project(), about()
    name = told["name"]
    return {
        "capabilities": sorted(told["capabilities"]),
        "description": "Recordings of sales conversations, with their CRM links, AI summaries and extracted values",
        "domain_url": "https://siro.ai/",
        "executable": next(iter(metadata["scripts"])),
        "keywords": ["api", "meltano_sdk"],
        "label": "Siro",
        "log_parser": "singer-sdk",
        "logo_url": "/assets/logos/extractors/siro.svg",
        "maintenance_status": "active",
        "name": name,
        "namespace": name.replace("-", "_"),
        "next_steps": "",
        "pip_url": metadata["name"],
        "quality": "silver",  # what the hub gives to a community's tap on the SDK until some projects use it
        "repo": metadata["urls"]["Repository"],
        "select": select(),
        "settings": sorted(plugin_settings(), key=lambda each: str(each["name"])),
        "settings_group_validation": [list(group) for group in CREDENTIALS],
        "settings_preamble": "",
        "supported_python_versions": told["supported_python_versions"],
        "usage": "",
        "variant": organization(metadata).lower(),
    }


def files() -> dict[Path, str]:
    """What is to stand in `hub/`."""
    defined = definition()
    variant = defined["variant"]
    maintainer = {
        "label": organization(project()),
        "name": variant,
        "url": defined["repo"].rpartition("/")[0],
    }
    return {
        HUB / DEFINITION: _yaml(defined),
        HUB / "default_variants.yml": _yaml({"extractors": {defined["name"]: variant}}),
        HUB / "maintainers.yml": _yaml({variant: maintainer}),
    }


def _yaml(value: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(value, sort_keys=True, allow_unicode=True, width=120)
    return text


def check_schemas(folder: Path, defined: Mapping[str, Any]) -> None:
    """Hold a definition against the hub's own schemas: in a checkout of the hub, or in a folder of its schemas."""
    schema = next((path for path in (folder / "schemas" / SCHEMA, folder / SCHEMA) if path.is_file()), None)
    if schema is None:
        raise SystemExit(f"{folder} holds no schemas/{SCHEMA}: it is no checkout of Meltano Hub.")
    registry: Registry[Any] = Registry(retrieve=_retrieve)  # type: ignore[call-arg]
    validator = Draft7Validator({"$ref": schema.resolve().as_uri()}, registry=registry)
    found = [
        f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
        for error in validator.iter_errors(defined or definition())
    ]
    if found:
        raise SystemExit("\n".join(["The hub's schemas refuse the definition:", *found]))


def _retrieve(uri: str) -> Resource[Any]:
    """A schema from its file: the schemas refer to one another as files do."""
    return DRAFT7.create_resource(json.loads(Path(url2pathname(urlsplit(uri).path)).read_text(encoding="utf-8")))
