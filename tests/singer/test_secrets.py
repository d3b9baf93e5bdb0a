"""The token and the content of conversations never leak, whatever fails."""

from __future__ import annotations

import json
import logging
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from tap_siro.settings import Settings
from tests.sandbox import Sandbox
from tests.sandbox.data import plain
from tests.sandbox.expected import expected_rows
from tests.support.canary import CANARY, sing
from tests.support.in_process import FATAL, HANGS, RETRIED, Clock, loaded, sync
from tests.support.process import Run, config_for, run_tap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = f"token-{CANARY}-0123456789"
DEBUG = {"TAP_SIRO_LOGLEVEL": "DEBUG", "LOGLEVEL": "DEBUG"}
SMALL: dict[str, Any] = {"page_size": 5, "concurrency": 2}


def canaries(count: int) -> list[dict[str, Any]]:
    """Make recordings full of canaries, some of them odd."""
    rows = []
    for row in plain(count, sections=1, extractions=1):
        keep = {name: row[name] for name in ("id", "createdAt", "updatedAt")}
        rows.append(sing(row) | keep)
    odd = deepcopy(rows[-6:])
    odd[0].update(durationInMilliseconds=CANARY, deletedAt=CANARY, deleted=CANARY, crm=CANARY, summary={CANARY: 1})
    odd[1].update(updatedAt=CANARY, createdAt=CANARY)
    odd[2].update(unknown=CANARY, links=[CANARY], followups=CANARY, entityExtractions={"value": CANARY})
    odd[3].update(evaluationScore=CANARY, title=f"{CANARY}\x00\ud800")
    odd[4].update(entityExtractions=[{"name": CANARY, "value": {CANARY: [CANARY, 1.5]}, "mappings": [CANARY]}])
    odd[5].update(crm={"users": [CANARY], "lead": {"id": 5, "externalId": CANARY, "name": CANARY}, "account": CANARY})
    return [*rows[:-6], *odd]


DATA = canaries(30)
EXPECTED = expected_rows(DATA)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(DATA, token=TOKEN) as sandbox:
        yield sandbox


def check_silent(run: Run) -> None:
    """Check that no canary is in the log or the state."""
    assert "DEBUG" in run.stderr
    sung = [line for line in run.stderr.splitlines() if CANARY in line]
    assert sung == []
    assert CANARY not in json.dumps(run.states)


# Faults

LEAKY = f'{{"message":"{CANARY} Bearer {TOKEN}","data":"{CANARY}","error":"{CANARY}"}}'.encode()


def leaking(kind: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the same fault, with the token and content in the body."""
    if kind == "status":
        old: bytes = options.get("body", b"")
        body = LEAKY + b" 1010" if b"1010" in old else LEAKY
        headers = {"X-Echo": TOKEN, **options.get("headers", {})}
        return options | {"body": body, "headers": headers}
    if kind == "html":
        return options | {"body": b"<h1>" + LEAKY + b"</h1>"}
    if kind == "redirect":
        return {"location": f"http://127.0.0.1:9/{CANARY}?token={TOKEN}"}
    return options


def test_a_good_run_at_the_debug_level_says_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    """More people can read logs than the CRM."""
    run = run_tap(tmp_path, config_for(sandbox, **SMALL), environment=DEBUG)
    assert loaded(run) == EXPECTED
    check_silent(run)


@pytest.mark.parametrize("kind", RETRIED)
def test_a_retried_fault_says_nothing(sandbox: Sandbox, tmp_path: Path, kind: str) -> None:
    """Errors are the usual way for tokens into logs."""
    name, options = RETRIED[kind]
    # All requests from the third one on, until the tap gives up.
    sandbox.fault(name, on=None, when=lambda request: request.number > 2, **leaking(name, options))
    config = config_for(sandbox, max_retry_seconds=0, **SMALL, **HANGS.get(kind, {}))
    run = run_tap(tmp_path, config, environment=DEBUG, status=1)
    check_silent(run)
    assert "Traceback" not in run.stderr
    assert run.count()["recordings"] >= 10


@pytest.mark.parametrize("kind", FATAL)
def test_a_fatal_fault_says_nothing(sandbox: Sandbox, tmp_path: Path, kind: str) -> None:
    """A wrong token must not be logged either."""
    name, options, _ = FATAL[kind]
    sandbox.fault(name, on=None, when=lambda request: request.number > 2, **leaking(name, options))
    run = run_tap(tmp_path, config_for(sandbox, **SMALL), environment=DEBUG, status=1)
    check_silent(run)
    assert "Traceback" not in run.stderr
    assert run.count()["recordings"] >= 10


def test_cursors_ids_and_filters_say_nothing(tmp_path: Path) -> None:
    """Other fatal faults: expired cursors, recordings without an id, an ignored filter."""
    rows = [*DATA, {"title": CANARY, "createdAt": CANARY}, {"id": {CANARY: CANARY}}]
    with Sandbox(rows, token=TOKEN) as sandbox:
        sandbox.fault("status", when=lambda request: "cursor" in request.params, status=410, body=LEAKY)
        run = run_tap(tmp_path, config_for(sandbox, **SMALL), environment=DEBUG, status=1)
        check_silent(run)
        assert "without an id" in run.stderr
        assert loaded(run) == EXPECTED
        config = config_for(sandbox, start_date="2027-01-01", **SMALL)
        sandbox.fault("body", body={"data": DATA[:3], "cursor": CANARY})
        run = run_tap(tmp_path, config, environment=DEBUG, status=1)
        check_silent(run)
        assert "updatedAt:gte" in run.stderr


def test_the_bodies_of_errors_are_not_shown(sandbox: Sandbox) -> None:
    """The tap's own log must be safe at all levels, with real waits."""
    sandbox.fault("status", on=2, status=500, body=LEAKY)
    sandbox.fault("status", on=None, status=401, body=LEAKY)
    outcome = sync(config_for(sandbox, **SMALL), clock=Clock(), status=1)
    assert CANARY not in "".join(outcome.told(logging.DEBUG) + outcome.warnings + outcome.errors)
    assert len(outcome.warnings) == 2


# Settings

BAD_SETTINGS: dict[str, tuple[dict[str, Any] | str, str]] = {
    "no token": ({"api_token": None}, "api_token"),
    "token with a space": ({"api_token": f"{TOKEN} {CANARY}"}, "api_token"),
    "token with a line break": ({"api_token": f"{TOKEN}\n{CANARY}"}, "api_token"),
    "token in quotes that are none": ({"api_token": f"\u201c{TOKEN}\u201d"}, "api_token"),
    "token in a list": ({"api_token": [TOKEN]}, "api_token"),
    "token in an object": ({"api_token": {"token": TOKEN}}, "api_token"),
    "token in the address": ({"api_url": f"https://user:{TOKEN}@127.0.0.1/x"}, "api_url"),
    "token in the query": ({"api_url": f"https://127.0.0.1/x?token={TOKEN}"}, "api_url"),
    "files in a bucket": ({"batch_config": {"storage": {"root": f"s3://{CANARY}"}}}, "batch_config.storage.root"),
    "files of another format": ({"batch_config": {"encoding": {"format": CANARY}}}, "batch_config.encoding.format"),
    "stream maps a word": ({"stream_maps": CANARY}, "stream_maps"),
    "flattening a word": ({"flattening_enabled": CANARY}, "flattening_enabled"),
    "depth a word": ({"flattening_enabled": True, "flattening_max_depth": CANARY}, "flattening_max_depth"),
    "cut JSON": (f'{{"api_token": "{TOKEN}", "api_url": ', "config"),
}


@pytest.mark.parametrize("kind", BAD_SETTINGS)
def test_a_bad_setting_is_named_and_says_nothing(tmp_path: Path, kind: str) -> None:
    """After a typing error, the scheduler's log would contain the token, or a page of traceback."""
    changes, name = BAD_SETTINGS[kind]
    with Sandbox(DATA, token=TOKEN) as sandbox:
        config = changes if isinstance(changes, str) else config_for(sandbox) | changes
        run = run_tap(tmp_path, config, environment=DEBUG, status=1)
        assert sandbox.requests == []
    assert [line for line in run.stderr.splitlines() if CANARY in line] == []
    assert "Traceback" not in run.stderr
    errors = [line for line in run.stderr.splitlines() if "ERROR" in line]
    assert len(errors) == 1
    assert name in errors[0]
    assert run.messages == []


@pytest.mark.parametrize("content", ['{"a": ', "", "5", f'["{CANARY}"]'])
@pytest.mark.parametrize("option", ["config", "state", "catalog"])
def test_a_file_that_is_no_json_object_is_told_of(sandbox: Sandbox, tmp_path: Path, option: str, content: str) -> None:
    """A state that was truncated by a full disk would give a traceback that does not name the file."""
    (tmp_path / "bad").write_text(content)
    arguments = (f"--{option}", str(tmp_path / "bad"))
    run = run_tap(tmp_path, config_for(sandbox), arguments=arguments, environment=DEBUG, status=1)
    assert sandbox.requests == []
    assert CANARY not in run.stderr
    assert "Traceback" not in run.stderr
    (error,) = [line for line in run.stderr.splitlines() if "ERROR" in line]
    assert option in error


BAD_MAPS: dict[str, dict[str, Any]] = {
    "an error with a value in it": {"recordings": {"number": "int(title)"}},
    "an error in a child stream": {"recording_summary_sections": {"number": "int(content)"}},
    "an error in a filter": {"recordings": {"__filter__": "int(title) > 5"}},
    "a name that does not exist": {"recordings": {"x": f"{CANARY}_name"}},
    "no expression": {"recordings": {"x": "title +"}},
}


@pytest.mark.parametrize("kind", BAD_MAPS)
def test_a_stream_map_that_fails_says_nothing(sandbox: Sandbox, tmp_path: Path, kind: str) -> None:
    """`int(title)` fails with the title in its message, which would be logged."""
    config = config_for(sandbox, stream_maps=BAD_MAPS[kind], **SMALL)
    run = run_tap(tmp_path, config, environment=DEBUG, status=1)
    sung = [line for line in run.stderr.splitlines() if CANARY in line]
    # Text from the settings may be shown.
    assert [line for line in sung if f"{CANARY}_name" not in line] == []
    assert TOKEN not in run.stderr
    assert "Traceback" not in run.stderr
    assert CANARY not in json.dumps(run.states)


# Odd but valid settings


def test_a_token_from_the_environment_says_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    """Meltano passes the setting like this."""
    config = config_for(sandbox, **SMALL)
    del config["api_token"]
    environment = DEBUG | {"TAP_SIRO_API_TOKEN": TOKEN}
    run = run_tap(tmp_path, config, environment=environment, arguments=("--config=ENV",))
    assert loaded(run) == EXPECTED
    check_silent(run)


def test_an_unknown_setting_is_named_without_its_value(sandbox: Sandbox, tmp_path: Path) -> None:
    """A token under a misspelt name is still a token."""
    config = config_for(sandbox, api_tokn=TOKEN, **SMALL)
    run = run_tap(tmp_path, config, environment=DEBUG)
    assert "`api_tokn`" in run.stderr
    check_silent(run)


@pytest.mark.parametrize(
    "changes",
    [
        {"request_timeout": 1e12},
        {"max_retry_seconds": 1e300},
        {"requests_per_minute": 10**12},
        {"lookback_seconds": 10**15},
        {"daily_recheck_days": 1e12},
        {"start_date": "0001-01-01"},
        {"start_date": "9999-12-31"},
        {"created_before": "9999-12-31T23:59:59.999Z"},
    ],
    ids=str,
)
def test_a_monstrous_setting_works_or_is_refused(sandbox: Sandbox, tmp_path: Path, changes: dict[str, Any]) -> None:
    """Users write a number with many zeros for "as long as possible": it would end in a traceback."""
    bookmark = {"replication_key": "updatedAt", "replication_key_value": "2025-06-01T00:00:00.000Z"}
    # With a bookmark, so that the lookback is used; `start_date` is used for the other streams.
    state = {"bookmarks": {"recordings": bookmark}}
    config = config_for(sandbox, **SMALL) | changes
    run = run_tap(tmp_path, config, state=state, environment=DEBUG, status=None)
    assert run.status in {0, 1}
    assert "Traceback" not in run.stderr
    if run.status:
        assert next(iter(changes)) in run.stderr
        assert sandbox.requests == []
        assert CANARY not in run.stderr
    else:
        check_silent(run)


# Destinations of the token


class _Elsewhere(BaseHTTPRequestHandler):
    """Server that records requests, and answers like the API."""

    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.requestline + "\n" + str(self.headers))
        body = b'{"data":[],"cursor":null}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    seen: list[str] = []
    with HTTPServer(("127.0.0.1", 0), type("Handler", (_Elsewhere,), {"seen": seen})) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_does_not_carry_the_token_away(
    sandbox: Sandbox, elsewhere: tuple[str, list[str]], status: int
) -> None:
    """A hijacked name or a wrong proxy rule would receive the organization token."""
    url, seen = elsewhere
    sandbox.fault("status", status=status, headers={"Location": f"{url}/v1/core/recordings"}, body=b"")
    outcome = sync(config_for(sandbox, **SMALL), status=1)
    (error,) = outcome.errors
    assert "api_url" in error
    assert "redirect" in error
    assert seen == []
    assert len(sandbox.requests) == 1


def test_elsewhere_would_have_seen_the_token(elsewhere: tuple[str, list[str]]) -> None:
    """The test above is useless if the other host records nothing."""
    url, seen = elsewhere
    sync({"api_url": url, "api_token": TOKEN}, status=1)  # it is not the API, and names no organization
    assert TOKEN in seen[0]


def test_a_netrc_file_does_not_replace_the_token(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`requests` would send the password of another service instead."""
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {CANARY}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert loaded(sync(config_for(sandbox, **SMALL))) == EXPECTED
    assert {request.headers["Authorization"] for request in sandbox.requests} == {f"Bearer {TOKEN}"}


def test_cookies_are_not_kept(sandbox: Sandbox) -> None:
    """A response's cookie would be sent with all other requests, and connect the threads."""
    page = json.dumps({"data": [], "cursor": "x"}).encode()
    sandbox.fault("status", status=200, body=page, headers={"Set-Cookie": f"session={CANARY}; Path=/"})
    sandbox.fault("body", when=lambda request: "cursor" in request.params, body={"data": [], "cursor": None})
    sync(config_for(sandbox, **SMALL))
    assert len(sandbox.requests) >= 2
    assert not any("Cookie" in request.headers for request in sandbox.requests)


@pytest.mark.parametrize(
    "url",
    [
        "http://functions.siro.ai/api-externalApi",
        "HTTP://functions.siro.ai",
        "http://10.0.0.1",
        "http://0.0.0.0:8000",
        "http://127.0.0.1.siro.example",
        "http://localhost.siro.example",
        "http://[2001:db8::1]",
        "http://127.0.0.1@siro.example",
        "http://siro.example#127.0.0.1",
        "http://siro.example?127.0.0.1",
        "http://2130706434",
        "//127.0.0.1",
        "file:///etc/passwd",
    ],
)
def test_http_to_a_remote_host_is_refused(url: str) -> None:
    """Others on the network could read the token and the conversations."""
    settings, faults = Settings.read({"api_token": TOKEN, "api_url": url}, version="1")
    assert settings is None
    assert "`api_url`" in {fault.partition(" ")[0] for fault in faults}
    assert TOKEN not in str(faults)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.8.9.10"])
def test_http_to_this_machine_is_allowed(sandbox: Sandbox, host: str) -> None:
    """The tap could not be tried with the sandbox or with a local proxy."""
    port = sandbox.url.split(":")[2].split("/")[0]
    config = config_for(sandbox, max_retry_seconds=0, **SMALL)
    if host == "127.8.9.10":
        # The sandbox does not listen there, so the request fails.
        outcome = sync(config | {"api_url": f"http://{host}:{port}/api-externalApi"}, status=1)
        assert "failed to respond" in outcome.errors[0]
    else:
        outcome = sync(config | {"api_url": f"http://{host}:{port}/api-externalApi"})
        assert loaded(outcome) == EXPECTED
