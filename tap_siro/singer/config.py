"""Settings as they are given: brought into their JSON types, and what is wrong with them in a sentence."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jsonschema import ValidationError


def parse_config(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Settings in their JSON types: null means not set, and from the environment all are text."""
    typed = {}
    for name, value in config.items():
        kinds = schema["properties"].get(name, {}).get("type", [])
        if value is None:
            continue
        typed[name] = _from_text(value, kinds) if isinstance(value, str) and "string" not in kinds else value
        if isinstance(value, Decimal):  # the SDK reads fractions in files so
            typed[name] = float(value)
    return typed


def _from_text(text: str, kinds: Sequence[str]) -> Any:
    if "boolean" in kinds:
        return _BOOLEANS.get(text.strip().lower(), text)
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, (int, float, list, dict)) else text


_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def describe_error(error: ValidationError) -> str:
    """What is wrong with a setting, without its value."""
    rule: Any = error.validator_value
    given: Any = error.instance
    if error.validator == "required" and not error.absolute_path:
        missing = ", ".join(f"`{name}`" for name in rule if name not in given)
        return f"{missing} is not set, and nothing can be read without it."
    name = ".".join(str(part) for part in error.absolute_path)
    limits = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "more than"}
    if error.validator in limits:
        return f"`{name}` must be {limits[error.validator]} {rule}."
    if error.validator == "enum":
        return f"`{name}` must be {' or '.join(f'`{value}`' for value in rule if value is not None)}."
    if error.validator == "type":
        return f"`{name}` must be of type {' or '.join(kind for kind in rule if kind != 'null')}."
    return f"`{name}` is not as it should be; see the documentation of this setting."
