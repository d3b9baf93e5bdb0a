"""The files in `hub/`, which list the tap on Meltano Hub.

They are generated from `tap-siro --about` and `pyproject.toml`. hub/README.md explains the pull request.
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
    """Return the metadata of the package."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        found: dict[str, Any] = tomllib.load(file)["project"]
    return found


def organization(metadata: Mapping[str, Any]) -> str:
    """Return the owner of the repository on GitHub, which is also the name of the variant on the hub."""
    path: str = urlsplit(metadata["urls"]["Repository"]).path
    return path.split("/")[1]


def definition() -> dict[str, Any]:
    """Return the definition of the plugin for the hub."""
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
        "quality": "silver",  # the hub's level for a community's tap on the SDK with few users
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
    """Return the text of each file in `hub/`."""
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
    """Validate a definition with the hub's schemas, in a clone of the hub or a folder of its schemas."""
    schema = next((path for path in (folder / "schemas" / SCHEMA, folder / SCHEMA) if path.is_file()), None)
    if schema is None:
        raise SystemExit(f"{folder} has no schemas/{SCHEMA}: it is no clone of Meltano Hub.")
    registry: Registry[Any] = Registry(retrieve=_retrieve)  # type: ignore[call-arg]
    validator = Draft7Validator({"$ref": schema.resolve().as_uri()}, registry=registry)
    found = [
        f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
        for error in validator.iter_errors(defined or definition())
    ]
    if found:
        raise SystemExit("\n".join(["The definition does not match the hub's schemas:", *found]))


def _retrieve(uri: str) -> Resource[Any]:
    """Return a schema from its file. The schemas refer to one another by relative paths."""
    return DRAFT7.create_resource(json.loads(Path(url2pathname(urlsplit(uri).path)).read_text(encoding="utf-8")))
