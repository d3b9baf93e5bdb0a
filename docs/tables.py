"""Writes the README's tables from the code, or checks that they are up to date (`--check`)."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from tap_siro.settings import ADVANCED, CONFIG, ENRICHMENTS
from tap_siro.streams import STREAMS
from tap_siro.tap import TapSiro

README = Path(__file__).parent.parent / "README.md"
TAP = TapSiro(config={"api_token": "none"})


def settings() -> str:
    """The settings: the ordinary ones, then those that hardly anybody needs."""
    ordinary = [name for name in CONFIG["properties"] if name not in ADVANCED and name not in SDK_SETTINGS]
    return "\n".join([_settings(ordinary), "", "Advanced:", "", _settings(ADVANCED)])


# Known to the tap once it has been asked about itself; their documentation is the SDK's.
SDK_SETTINGS = {
    "stream_maps", "stream_map_config", "faker_config",
    "flattening_enabled", "flattening_max_depth", "flattening_max_key_length", "flattening_separator",
}  # fmt: skip


# Of the many columns of `recordings`, those in the diagram.
SHOWN = {"id", "userId", "title", "result", "createdAt", "updatedAt", "deleted"}


def _settings(names: list[str] | tuple[str, ...]) -> str:
    lines = ["| setting | type | default | what it does |", "|---|---|---|---|"]
    for name in names:
        each = CONFIG["properties"][name]
        required = " **Required.**" if name in CONFIG["required"] else ""
        lines.append(f"| `{name}` | {_setting_type(each)} | {_default(each)} | {each['description']}{required} |")
    return "\n".join(lines)


def _setting_type(schema: dict[str, Any]) -> str:
    kind = _kind(schema)
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{kind}, {low} to {high}"
    return f"{kind}, secret" if schema.get("secret") else kind


def _default(schema: dict[str, Any]) -> str:
    if "default" not in schema:
        return ""
    default = schema["default"]
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def streams() -> str:
    """The streams, and the columns of each."""
    needs = {each.block: f"`{each.setting}`" for each in ENRICHMENTS}
    made = [(TAP.streams[kind.name], kind) for kind in STREAMS]
    lines = ["| stream | holds | key | replication key | needs |", "|---|---|---|---|---|"]
    for stream, kind in made:
        key = ", ".join(f"`{column}`" for column in stream.primary_keys)
        what = (kind.__doc__ or "").splitlines()[0]
        needed = needs.get(kind.block or "", "")
        lines.append(f"| `{stream.name}` | {what} | {key} | `{stream.replication_key}` | {needed} |")
    for stream, _ in made:
        lines += ["", "<details>", f"<summary>Columns of <code>{stream.name}</code></summary>", ""]
        lines += ["| column | type | what it is |", "|---|---|---|"]
        lines += [
            f"| `{name}` | {_kind(schema)} | {schema['description']} |"
            for name, schema in stream.schema["properties"].items()
        ]
        lines += ["", "</details>"]
    return "\n".join(lines)


def diagram() -> str:
    """How the streams belong together."""
    lines = ["```mermaid", "erDiagram"]
    lines += [f'    recordings ||--o{{ {stream.name} : "recordingId"' for stream in STREAMS if stream.block]
    lines += ['    recording_entity_extractions ||--o{ recording_entity_mappings : "recordingId, extractionOrdinal"']
    for kind in STREAMS:
        lines.append(f"    {kind.name} {{")
        for name, schema in kind.schema["properties"].items():
            if kind.block or name in SHOWN:
                key = " PK" if name in TAP.streams[kind.name].primary_keys else ""
                lines.append(f"        {_kind(schema).replace('-', '_')} {name}{key}")
        lines.append("    }")
    return "\n".join([*lines, "```"])


def _kind(schema: dict[str, Any]) -> str:
    (kind,) = [kind for kind in schema["type"] if kind != "null"]
    if kind == "array":
        return "list of objects"
    return "date-time" if schema.get("format") == "date-time" else str(kind)


def written(text: str) -> str:
    """The README with its tables made anew."""
    for name, table in (("diagram", diagram()), ("streams", streams()), ("settings", settings())):
        text, found = re.subn(
            rf"(<!-- {name}: .*? -->\n).*?(\n<!-- /{name} -->)",
            lambda match, table=table: f"{match[1]}\n{table}\n{match[2]}",  # type: ignore[misc]
            text,
            flags=re.DOTALL,
        )
        if found != 1:
            raise SystemExit(f"README.md has no place for the {name}.")
    return text


def main() -> None:
    """Write or check."""
    before = README.read_text(encoding="utf-8")
    after = written(before)
    if sys.argv[1:] == ["--check"]:
        if before != after:
            raise SystemExit("README.md is not what the code says: run `python -m docs.tables`.")
        print("README.md is what the code says.")
    else:
        README.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
