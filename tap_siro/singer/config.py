"""Conversion of settings to their JSON types, and descriptions of invalid ones."""

from __future__ import annotations

import json
import math
import os
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from dotenv import find_dotenv, load_dotenv

from tap_siro.errors import TapSiroError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jsonschema import ValidationError


def read_environment(prefix: str, names: Iterable[str]) -> dict[str, str]:
    """Return settings from the environment and from a `.env` in the working directory or above, as text.

    The environment wins. A blank variable counts as not set in both.
    """
    variables = {name: f"{prefix}{name.upper()}" for name in names}
    for variable in variables.values():
        if not os.environ.get(variable, "").strip():
            os.environ.pop(variable, None)
    try:
        load_dotenv(find_dotenv(usecwd=True), override=False, encoding="utf-8-sig")
    except ValueError:
        raise TapSiroError("The file `.env` is not UTF-8. Save it as UTF-8, or remove it.") from None
    return {name: value for name, variable in variables.items() if (value := os.environ.get(variable, "")).strip()}


def parse_config(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings in their JSON types. Null and blank mean not set; from the environment, all are text.

    A variable that is not set in a CI system is often there and blank; Meltano passes it on.
    """
    typed = {name: _typed(value, schema["properties"].get(name, {})) for name, value in config.items()}
    return {name: value for name, value in typed.items() if value is not None}


def _typed(value: Any, rule: Mapping[str, Any]) -> Any:
    """Return a setting in its JSON type; None if it is not set."""
    kinds = rule.get("type", [])
    if isinstance(value, str):
        if not value.strip():
            return None
        if kinds and "string" not in kinds:
            value = _from_text(value, kinds)
    if isinstance(value, Decimal):  # the SDK reads fractions in files so
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # Python reads NaN as a number; no limit would refuse it
    # Meltano has settings of their own for what is in an object, but not for stream maps, where null means something.
    if isinstance(value, dict) and rule.get("properties") and not isinstance(rule.get("additionalProperties"), dict):
        return parse_config(value, rule) or None
    return value


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
    """Describe an invalid setting, without its value."""
    rule: Any = error.validator_value
    given: Any = error.instance
    if error.validator == "required" and not error.absolute_path:
        missing = ", ".join(f"`{name}`" for name in rule if name not in given)
        return f"{missing} is not set. Set it: the tap reads nothing without it."
    name = ".".join(str(part) for part in error.absolute_path)
    limits = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "more than"}
    if error.validator in limits:
        return f"`{name}` must be {limits[error.validator]} {rule}."
    if error.validator == "enum":
        return f"`{name}` must be {' or '.join(f'`{value}`' for value in rule if value is not None)}."
    if error.validator == "type" and "boolean" in rule:
        return f"`{name}` must be true or false."
    if error.validator == "type":
        return f"`{name}` must be of type {' or '.join(kind for kind in rule if kind != 'null')}."
    return f"`{name}` is invalid. See the documentation of this setting."
