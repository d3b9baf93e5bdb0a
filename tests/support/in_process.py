"""Runs of the tap in this process, without its waits, for the tests of faults."""

from __future__ import annotations

import io
import json
import logging
import re
import signal
import threading
import time
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from unittest import mock

from jsonschema import Draft202012Validator, FormatChecker

from tap_siro import clock as clocks
from tap_siro.api.client import Client
from tap_siro.tap import TapSiro
from tests.sandbox.streams import KEYS, LIST_KEYS
from tests.support.process import Run, State, Warehouse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_siro.settings import Settings
    from tests.sandbox import Request, Sandbox
    from tests.sandbox.store import Recording

Tables = dict[str, dict[tuple[Any, ...], dict[str, Any]]]

# Only for the fault that hangs: on a busy machine, a good response can be slow too.
HANGS: dict[str, Any] = {"time-out": {"request_timeout": 0.7}}
# Temporary faults: kind and options.
RETRIED: dict[str, tuple[str, dict[str, Any]]] = {
    "429": ("status", {"status": 429, "body": b'{"message":"Too Many Requests"}'}),
    "408": ("status", {"status": 408}),
    "500": ("status", {"status": 500}),
    "502 with HTML": ("html", {"status": 502}),
    "503": ("status", {"status": 503, "body": b""}),
    "reset": ("reset", {}),
    "time-out": ("timeout", {"seconds": 30.0}),
    "body shorter than its length": ("short", {}),
    "cut JSON": ("cut", {}),
    "200 with HTML": ("html", {}),
    "200 with an error": ("body", {"body": {"error": "internal"}}),
    "200 without anything": ("body", {"body": b""}),
    "204": ("status", {"status": 204, "body": b""}),
    "data null": ("body", {"body": {"data": None, "cursor": None}}),
    "data an object": ("body", {"body": {"data": {"id": "a"}, "cursor": None}}),
    "a list": ("body", {"body": []}),
    "cursor a number": ("body", {"body": {"data": [], "cursor": 7}}),
    "no text": ("body", {"body": b'\x00\xff\xfe{"data":[],"cursor":null}'}),
    "not what its encoding says": ("status", {"status": 200, "headers": {"Content-Encoding": "gzip"}}),
}
JSON = "application/json"
HTML = "text/html"
FATAL: dict[str, tuple[str, dict[str, Any], str]] = {
    "401": ("status", {"status": 401, "body": b'{"message":"Unauthorized"}'}, "api_token"),
    "403 from the API": ("status", {"status": 403, "body": b'{"message":"Forbidden"}'}, "showCrmLinks"),
    "403 with 1010": (
        "status", {"status": 403, "body": b"<html>error code: 1010</html>", "content_type": HTML}, "user_agent"
    ),
    "403 from something else": ("html", {"status": 403}, "api_url"),
    "400": ("status", {"status": 400, "body": b'{"message":"Bad Request"}'}, "settings"),
    "404": ("status", {"status": 404, "body": b'{"message":"Not Found"}'}, "api_url"),
    "405": ("status", {"status": 405}, "settings"),
    "redirect": ("redirect", {"location": "http://127.0.0.1:9/elsewhere"}, "api_url"),
}  # fmt: skip


class Clock(clocks.Clock):
    """Clock on which waits take no time: each thread's time is ahead by its waits."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []
        self.on_wait: Callable[[Client], object] | None = None
        self.client: Client | None = None
        self._slept: dict[int, float] = {}

    @property
    def slept(self) -> float:
        """Return the longest total wait of a thread, in seconds."""
        return max(self._slept.values(), default=0.0)

    def monotonic(self) -> float:
        return time.monotonic() + self._slept.get(threading.get_ident(), 0.0)

    def sleep(self, seconds: float) -> None:
        """Advance this thread's time."""
        thread = threading.get_ident()
        self._slept[thread] = self._slept.get(thread, 0.0) + seconds

    def wait(self, seconds: float) -> None:
        self.check()
        self.waits.append(seconds)
        self.sleep(seconds)
        if self.on_wait is not None:
            assert self.client is not None
            self.on_wait(self.client)
        time.sleep(0)


class _Client(Client):
    """Client that the test's clock knows about."""

    def __init__(self, settings: Settings, clock: clocks.Clock) -> None:
        super().__init__(settings, clock)
        if isinstance(clock, Clock):
            clock.client = self


@dataclass
class Outcome(Run):
    """Messages and log of a run in this process."""

    logs: list[logging.LogRecord] = field(default_factory=list)

    def told(self, level: int) -> list[str]:
        """Return the log messages of a level."""
        return [record.getMessage() for record in self.logs if record.levelno == level]

    @property
    def warnings(self) -> list[str]:
        return self.told(logging.WARNING)

    @property
    def errors(self) -> list[str]:
        return self.told(logging.ERROR)


class _Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("tap_siro"):
            self.records.append(record)


def sync(
    config: Mapping[str, Any],
    *,
    state: State | None = None,
    catalog: dict[str, Any] | None = None,
    clock: Clock | None = None,
    status: int = 0,
) -> Outcome:
    """Run the tap in this process, without waits between tries, and check how it ended."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")
    listener, ours = _Listener(), logging.getLogger("tap_siro")
    level, ended = ours.level, 0
    with ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            stack.callback(signal.signal, number, signal.getsignal(number))
        ours.addHandler(listener)
        stack.callback(ours.removeHandler, listener)
        ours.setLevel(logging.INFO)
        stack.callback(ours.setLevel, level)
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(mock.patch("tap_siro.sync.run.Client", _Client))
        try:
            # As read from files.
            tap = TapSiro(config=dict(config), state=json.loads(json.dumps(state or {})), catalog=catalog)
            tap.clock = clock or Clock()
            tap.sync_all()
        except SystemExit as error:
            ended = int(error.code or 0)
    out.flush()
    buffer = out.detach()
    assert isinstance(buffer, io.BytesIO)
    lines = buffer.getvalue().decode()
    assert not lines or lines.endswith("\n")
    text = "\n".join(f"{record.levelname} {record.getMessage()}" for record in listener.records)
    assert ended == status, text
    return Outcome([json.loads(line) for line in lines.split("\n") if line], text, ended, logs=listener.records)


def threads_left(seconds: float = 2.0) -> list[str]:
    """Return the tap's threads that are alive after a number of seconds."""
    deadline = time.monotonic() + seconds
    while (left := [t.name for t in threading.enumerate() if t.name.startswith("siro-")]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.01)
    return left


def asleep_after(sandbox: Sandbox, seconds: float = 0.4, most: float = 10.0) -> int:
    """Return the number of requests once none has arrived for `seconds`, or after `most` seconds."""
    deadline, since, seen = time.monotonic() + most, time.monotonic(), 0
    while time.monotonic() < deadline and (not seen or time.monotonic() < since + seconds):
        if (count := len(sandbox.requests)) != seen:
            since, seen = time.monotonic(), count
        time.sleep(0.02)
    return seen


# Arrived rows


def loaded(*runs: Run) -> Tables:
    """Return the tables that an upserting target has after some runs."""
    warehouse = Warehouse()
    for run in runs:
        warehouse.load(run)
    return warehouse.tables


def served(sandbox: Sandbox) -> int:
    """Return the number of recordings that the sandbox has sent in good pages."""
    return sum(request.rows for request in sandbox.requests if request.status == 200 and request.fault is None)


_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_FORMATS = FormatChecker(formats=())


@_FORMATS.checks("date-time")
def _is_timestamp(value: object) -> bool:
    """Return True if a text is a timestamp in UTC, or if the value is not text: types are checked separately."""
    if not isinstance(value, str):
        return True
    if not _INSTANT.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def validator(schema: Mapping[str, Any]) -> Draft202012Validator:
    """Return a validator that checks date-times and refuses unknown columns."""
    return _validator(json.dumps(schema))


@cache
def _validator(text: str) -> Draft202012Validator:
    schema = json.loads(text)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator({**schema, "additionalProperties": False}, format_checker=_FORMATS)


def check_rows(run: Run) -> None:
    """Check that each row has its key and fits the SCHEMA before it."""
    validators: dict[str, Draft202012Validator] = {}
    for message in run.messages:
        if message["type"] == "SCHEMA":
            validators[message["stream"]] = validator(message["schema"])
        if message["type"] == "RECORD":
            row, stream = message["record"], message["stream"]
            validators[stream].validate(row)
            assert all(row[key] not in {None, ""} for key in (KEYS | LIST_KEYS)[stream])


# Positions of a fault


def place(sandbox: Sandbox, where: str) -> Callable[[Request], bool]:
    """Return a filter of requests: the first one, one in the middle of a chain, or the last one of a chain."""
    if where == "first":
        return lambda request: request.number == 1
    return lambda request: (
        "cursor" in request.params
        and request.number > 8
        and (sandbox.peek(request).cursor is not None) == (where == "middle")
    )


def recording(name: str, **changes: Any) -> Recording:
    """Return a small recording."""
    moment = "2025-06-01T12:00:00.000Z"
    return {"id": name, "createdAt": moment, "updatedAt": moment, **changes}
