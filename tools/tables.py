"""The generated tables of the documentation."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_siro.settings import ADVANCED, CONFIG, CREDENTIALS, ENRICHMENTS, ORDINARY
from tap_siro.streams import RECORDING_STREAMS, STREAMS
from tap_siro.sync.page_size import SCORED_PAGE, USUAL_PAGE
from tap_siro.tap import TapSiro
from tests.targets import kinds
from tools import hub
from tools.marked import filled

if TYPE_CHECKING:
    from collections.abc import Sequence

README = Path(__file__).parent.parent / "README.md"
RECIPES = README.parent / "docs" / "recipes.md"
TARGETS = README.parent / "docs" / "targets.md"
COLUMNS = README.parent / "docs" / "streams.md"
SETTINGS = README.parent / "docs" / "settings.md"
TAP = TapSiro(config={"api_token": "tables"})


MAIN = ("api_token", "client_id", "client_secret", "start_date", "end_date", "created_after", "created_before")
"""Settings that the README shows."""

# Columns in the diagram for streams with more than `FEW` columns.
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
    'recordings ||--o{ followups : "recordingId"',
    'recordings ||--o| recording_outcomes : "recordingId"',
    'scorecards ||--o{ scorecard_nodes : "scorecardId"',
    'scorecards ||--o{ recording_scorecards : "scorecardId"',
    'recording_scorecards ||--o{ recording_scorecard_nodes : "recordingId, scorecardId"',
)
FEW = 12


def clone() -> str:
    """Return the commands that install Meltano in a clone. The package's metadata has the address."""
    return textwrap.indent(
        f"""\
```sh
git clone {hub.project()["urls"]["Repository"]} && cd tap-siro
python3 -m venv venv/meltano && . venv/meltano/bin/activate
pip install -q meltano
cp .env.example .env
```""",
        "   ",
    )


def _settings(names: Sequence[str]) -> str:
    lines = ["| setting | type | default | description |", "|---|---|---|---|"]
    for name in names:
        each = CONFIG["properties"][name]
        required = " **Required**, or client credentials." if name in CREDENTIALS[0] else ""
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
    """Return all streams with a description of their rows, a line each."""
    lines = ["| stream | rows | loaded by default |", "|---|---|---|"]
    for kind in STREAMS:
        summary = (kind.__doc__ or "").splitlines()[0]
        lines.append(f"| `{kind.name}` | {summary} | {'yes' if kind.selected_by_default else 'no'} |")
    return "\n".join(lines)


def keys() -> str:
    """Return the keys, replication keys and required settings of all streams, a line each."""
    needs = {each.property_name: f"`{each.setting}`" for each in ENRICHMENTS}
    lines = ["| stream | key | replication key | needs |", "|---|---|---|---|"]
    for kind in STREAMS:
        stream = TAP.streams[kind.name]
        key = ", ".join(f"`{column}`" for column in stream.primary_keys)
        replication_key = f"`{stream.replication_key}`" if stream.replication_key else "none: read in full in each run"
        lines.append(f"| `{kind.name}` | {key} | {replication_key} | {needs.get(kind.property_name or '', '')} |")
    return "\n".join(lines)


def columns() -> str:
    """Return a table of the columns of each stream."""
    lines = []
    for kind in STREAMS:
        stream = TAP.streams[kind.name]
        lines += [f"## {stream.name}", "", "| column | type | description |", "|---|---|---|"]
        lines += [
            f"| `{name}` | {_kind(schema)} | {schema['description']} |"
            for name, schema in stream.schema["properties"].items()
        ]
        lines += [""]
    return "\n".join(lines[:-1])


def diagram() -> str:
    """Return a diagram of the streams and their joins."""
    lines = ["```mermaid", "erDiagram"]
    lines += [f'    recordings ||--o{{ {stream.name} : "recordingId"' for stream in RECORDING_STREAMS[1:]]
    lines += [f"    {relation}" for relation in RELATIONS]
    for kind in STREAMS:
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


COST = 1.25
"""Requests per page, with the overhead of slicing."""


def history() -> str:
    """Return the duration of a full sync with and without evaluation scores, with few threads and many."""
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
    """Return the text of each page with generated tables."""
    pages = {
        README: {
            "clone": clone(),
            "streams": streams(),
            "settings": _settings(MAIN),
            "targets": kinds.short_table(),
        },
        TARGETS: {"targets": kinds.table()},
        SETTINGS: {"settings": _settings(ORDINARY), "advanced": _settings(ADVANCED)},
        COLUMNS: {"keys": keys(), "diagram": diagram(), "columns": columns()},
        RECIPES: {"history": history()},
    }
    return {
        page: filled(page, {name: f"\n{table}\n" for name, table in tables.items()}) for page, tables in pages.items()
    }
