"""The lower bound: the least code that turns pages into the same Singer messages, without handling any fault.

No retries, no rate limit, no state, no selection, no check of what the API sends. With more than one thread it also
knows the range of dates beforehand, and that the recordings are spread evenly.
"""

from __future__ import annotations

import queue
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson  # type: ignore[import-not-found, unused-ignore]
import requests

from benchmarks.contestants.task import LINKS, PATH, Task, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def pages(task: Task, part: dict[str, str]) -> Iterator[list[dict[str, Any]]]:
    """Follow one chain of cursors."""
    parameters = {**task.parameters, **part}
    with requests.Session() as session:
        session.headers.update(task.headers)
        while True:
            response = session.get(task.url + PATH, params=parameters, timeout=60)
            response.raise_for_status()
            page = orjson.loads(response.content)
            yield page["data"]
            if page["cursor"] is None:
                return
            parameters["cursor"] = page["cursor"]


def _value(value: Any) -> tuple[str | None, str]:
    if isinstance(value, str):
        return value, "string"
    if value is None:
        return None, "null"
    kind = {bool: "boolean", int: "number", float: "number", list: "array", dict: "object"}[type(value)]
    return orjson.dumps(value).decode(), kind


def rows(recording: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return a recording's row and those of its five child streams."""
    shared = {"recordingId": recording["id"], "recordingUpdatedAt": recording["updatedAt"]}
    extractions = recording["entityExtractions"]
    for item in extractions:
        item["value"], item["valueType"] = _value(item["value"])
    yield "recordings", recording
    crm = recording["crm"]
    connection = crm["integrationConnectionId"]
    for name, kind in LINKS.items():
        linked = crm[name]
        for ordinal, item in enumerate(linked if isinstance(linked, list) else [linked] if linked else []):
            yield (
                "recording_crm_links",
                {**shared, "objectType": kind, "ordinal": ordinal, **item, "integrationConnectionId": connection},
            )
    for ordinal, item in enumerate(recording["summary"]):
        yield "recording_summary_sections", {**shared, "ordinal": ordinal, **item}
    for ordinal, item in enumerate(extractions):
        named = {"name": item["name"], "value": item["value"], "valueType": item["valueType"]}
        yield "recording_entity_extractions", {**shared, "ordinal": ordinal, **named}
        for inner, mapping in enumerate(item["mappings"]):
            yield (
                "recording_entity_mappings",
                {**shared, "extractionOrdinal": ordinal, "ordinal": inner, **mapping, **named},
            )
    for ordinal, item in enumerate(recording["followups"]):
        yield "recording_followups", {**shared, "ordinal": ordinal, **item}


def write(page: list[dict[str, Any]]) -> None:
    """Write a page's messages, one recording at a time: a page at once takes twice the CPU, because of page faults."""
    extracted = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    for recording in page:
        lines = [
            orjson.dumps(
                {"type": "RECORD", "stream": stream, "record": row, "time_extracted": extracted},
                option=orjson.OPT_APPEND_NEWLINE,
            )
            for stream, row in rows(recording)
        ]
        sys.stdout.buffer.write(b"".join(lines))


def main(task: Task) -> None:
    """Read everything, one request at a time or one chain for each thread."""
    if task.threads == 1:
        for page in pages(task, {}):
            write(page)
        return
    arrived: queue.Queue[list[dict[str, Any]] | None] = queue.Queue(2 * task.threads)
    for part in task.parts():
        threading.Thread(target=_fetch, args=(task, part, arrived.put), daemon=True).start()
    left = task.threads
    while left:
        arrival = arrived.get()
        if arrival is None:
            left -= 1
        else:
            write(arrival)


def _fetch(task: Task, part: dict[str, str], put: Callable[[list[dict[str, Any]] | None], None]) -> None:
    for page in pages(task, part):
        put(page)
    put(None)


if __name__ == "__main__":
    main(read())
