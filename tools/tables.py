"""The documentation's tables, made from the code."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_siro.directory_streams import DIRECTORY_STREAMS
from tap_siro.settings import ADVANCED, CONFIG, CREDENTIALS, ENRICHMENTS, ORDINARY
from tap_siro.streams import STREAMS
from tap_siro.sync.page_size import SCORED_PAGE, USUAL_PAGE
from tap_siro.tap import TapSiro
from tests.targets import kinds
from tools.marked import filled

if TYPE_CHECKING:
    from collections.abc import Sequence

README = Path(__file__).parent.parent / "README.md"
RECIPES = README.parent / "docs" / "recipes.md"
TARGETS = README.parent / "docs" / "targets.md"
COLUMNS = README.parent / "docs" / "streams.md"
TAP = TapSiro(config={"api_token": "tables"})


def settings() -> str:
    """The settings: the ordinary ones, then those that hardly anybody needs."""
    return "\n".join([_settings(ORDINARY), "", "Advanced:", "", _settings(ADVANCED)])


# Of streams with more than a few columns, those in the diagram.
SHOWN = {"id", "userId", "title", "result", "createdAt", "updatedAt", "deleted"} | {
    "followupId",
    "recordingId",
    "recordingUpdatedAt",
    "followupType",
    "followupAction",
    "status",
}
SHOWN |= {"firstName", "lastName", "name", "externalId", "disabled", "integrationPlatform", "amount", "disposition"}
SHOWN |= {"teamId", "role", "ordinal", "engagementId", "opportunityId", "recordingId", "startTime", "eventCode"}
RELATIONS = (
    'recording_entity_extractions ||--o{ recording_entity_mappings : "recordingId, extractionOrdinal"',
    'users ||--o{ recordings : "userId"',
    'users ||--o{ team_members : "userId"',
    'teams ||--o{ team_members : "teamId"',
    'integration_connections ||--o{ recording_crm_links : "integrationConnectionId"',
    'engagements ||--o{ recording_crm_links : "id"',
    'engagements ||--o{ engagement_users : "engagementId"',
    'opportunities ||--o{ recording_crm_links : "id"',
    'opportunities ||--o{ opportunity_users : "opportunityId"',
    'recordings ||--o{ mobile_events : "recordingId"',
)
FEW = 12


def _settings(names: Sequence[str]) -> str:
    lines = ["| setting | type | default | what it does |", "|---|---|---|---|"]
    for name in names:
        each = CONFIG["properties"][name]
        required = " **Required**, or the two below." if name in CREDENTIALS[0] else ""
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
    """The streams of the recordings' family, a line each."""
    needs = {each.block: f"`{each.setting}`" for each in ENRICHMENTS}
    made = [(TAP.streams[kind.name], kind) for kind in STREAMS]
    lines = ["| stream | holds | key | replication key | needs |", "|---|---|---|---|---|"]
    for stream, kind in made:
        key = ", ".join(f"`{column}`" for column in stream.primary_keys)
        what = (kind.__doc__ or "").splitlines()[0]
        needed = needs.get(kind.block or "", "")
        lines.append(f"| `{stream.name}` | {what} | {key} | `{stream.replication_key}` | {needed} |")
    return "\n".join(lines)


def directories() -> str:
    """The other streams, a line each."""
    lines = ["| stream | holds | key | selected by default |", "|---|---|---|---|"]
    for kind in DIRECTORY_STREAMS:
        key = ", ".join(f"`{column}`" for column in TAP.streams[kind.name].primary_keys)
        what = (kind.__doc__ or "").splitlines()[0]
        lines.append(f"| `{kind.name}` | {what} | {key} | {'yes' if kind.selected_by_default else 'no'} |")
    return "\n".join(lines)


def columns() -> str:
    """The columns of each stream."""
    lines = []
    for kind in (*STREAMS, *DIRECTORY_STREAMS):
        stream = TAP.streams[kind.name]
        lines += [f"## {stream.name}", "", "| column | type | what it is |", "|---|---|---|"]
        lines += [
            f"| `{name}` | {_kind(schema)} | {schema['description']} |"
            for name, schema in stream.schema["properties"].items()
        ]
        lines += [""]
    return "\n".join(lines[:-1])


def diagram() -> str:
    """How the streams belong together."""
    lines = ["```mermaid", "erDiagram"]
    lines += [
        f'    recordings ||--o{{ {stream.name} : "recordingId"' for stream in STREAMS if stream.parent_stream_type
    ]
    lines += [f"    {relation}" for relation in RELATIONS]
    for kind in (*STREAMS, *DIRECTORY_STREAMS):
        lines.append(f"    {kind.name} {{")
        for name, schema in kind.schema["properties"].items():
            if len(kind.schema["properties"]) <= FEW or name in SHOWN:
                key = " PK" if name in TAP.streams[kind.name].primary_keys else ""
                lines.append(f"        {_kind(schema).replace('-', '_')} {name}{key}")
        lines.append("    }")
    return "\n".join([*lines, "```"])


def _kind(schema: dict[str, Any]) -> str:
    (kind,) = [kind for kind in schema["type"] if kind != "null"]
    if kind == "array":
        return "list of objects" if "properties" in schema["items"] else "list of strings"
    return "date-time" if schema.get("format") == "date-time" else str(kind)


# Requests for a page, the slicing included.
COST = 1.25


def history() -> str:
    """How long a history takes with and without evaluation scores, with the default settings and more threads."""
    latencies = (0.15, 0.5, 2.0)
    lines = [
        "| recordings | scores | `concurrency` | " + " | ".join(f"{latency:g} s a page" for latency in latencies) + " |"
    ]
    lines += ["|--:|---|--:" + "|--:" * len(latencies) + "|"]
    for recordings in (100_000, 300_000, 1_000_000):
        for scores, size in (("yes", SCORED_PAGE), ("no", USUAL_PAGE)):
            for threads in (CONFIG["properties"]["concurrency"]["default"], 16):
                times = [_time(_history_seconds(recordings, size, latency, threads)) for latency in latencies]
                lines.append(f"| {recordings:,} | {scores} | {threads} | {' | '.join(times)} |")
    return "\n".join(lines)


def _history_seconds(recordings: int, page_size: int, latency: float, threads: int) -> float:
    per_minute = CONFIG["properties"]["requests_per_minute"]["default"]
    requests = COST * recordings / page_size
    pace = latency / threads
    minutes, rest = divmod(requests, per_minute)
    return float(max(requests * pace, minutes * 60 + rest * pace))


def _time(seconds: float) -> str:
    if seconds < 60:  # noqa: PLR2004
        return f"{math.ceil(seconds)} s"
    return f"{seconds / 60:.0f} min"


def files() -> dict[Path, str]:
    """The pages with their tables made anew."""
    pages = {
        README: {"streams": streams(), "settings": settings(), "targets": kinds.short_table()},
        TARGETS: {"targets": kinds.table()},
        COLUMNS: {"directories": directories(), "diagram": diagram(), "columns": columns()},
        RECIPES: {"history": history()},
    }
    return {
        page: filled(page, {name: f"\n{table}\n" for name, table in tables.items()}) for page, tables in pages.items()
    }
