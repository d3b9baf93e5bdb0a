"""Each message in docs/troubleshooting.md is a real one, identified by its beginning."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from tap_siro.api import chain
from tap_siro.errors import TapSiroError
from tap_siro.probe.command import CountedClient, probe
from tap_siro.singer.run_directory import LOCK
from tap_siro.sync import reader
from tap_siro.tap import TapSiro
from tests.sandbox import Sandbox
from tests.sandbox.connections import CONNECTIONS
from tests.sandbox.data import plain
from tests.sandbox.recording_followup_details import RECORDING
from tests.sandbox.recording_utterances import UTTERANCES
from tests.sandbox.teams import IDENTITY, ORGANIZATIONS, TEAMS
from tests.sandbox.tokens import CLIENT_TOKEN, USER_TOKEN
from tests.sandbox.users import USERS
from tests.support.in_process import FATAL, Clock, recording, sync
from tests.support.process import ROOT, client_app, config_for, run_tap, selecting, start_tap, user_host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.sandbox import Request

    Provoke = Callable[[Sandbox, Path], list[str]]

# Created within a second, so that they are one chain.
DATA = plain(30, sections=1, extractions=1, start="2026-06-01T00:00:00.000Z", end="2026-06-01T00:00:00.900Z")
LONG = plain(120, sections=1, extractions=1)
# Within an hour: less to halve.
NEAR = plain(30, sections=1, extractions=1, start="2026-06-01T00:00:00.000Z", end="2026-06-01T01:00:00.000Z")
OAUTH = ("oauth_client_id", "oauth_client_secret", "oauth_user_id")
BOOKMARK = {"bookmarks": {"recordings": {"replication_key_value": "2026-01-01T00:00:00.000Z"}}}


def table() -> list[str]:
    """Return the beginnings of the messages, in the order of the page."""
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    cells = [line.split(" | ")[0].removeprefix("| ") for line in page.splitlines() if line.startswith("| ")]
    return [cell for cell in cells if cell != "message"]


# Causes of messages


def setting(**config: Any) -> Provoke:
    """Return the messages about invalid settings."""

    def provoke(sandbox: Sandbox, directory: Path) -> list[str]:
        with pytest.raises(Exception) as error:  # noqa: PT011 - its text is what is looked at
            TapSiro(config={"api_token": "t", **config})
        return list(getattr(error.value, "errors", None) or [str(error.value)])

    return provoke


def with_state(state: Any) -> Provoke:
    """Return the messages about a state."""

    def provoke(sandbox: Sandbox, directory: Path) -> list[str]:
        return lines(run_tap(directory, config_for(sandbox), state=state, status=1).stderr)

    return provoke


def warned(state: Any = None, *, catalog: Any = None, **config: Any) -> Provoke:
    """Return the warnings of a successful sync."""
    return lambda sandbox, _: sync(config_for(sandbox, **config), state=state, catalog=catalog).warnings


def fails(**config: Any) -> Provoke:
    """Return the errors of a sync that ends with status 1."""
    return lambda sandbox, _: sync(config_for(sandbox, **config), status=1).errors


def client(**config: Any) -> Provoke:
    """Return the messages about invalid client credentials."""
    return setting(**{"api_token": None, "client_id": "c", "client_secret": "s"} | config)


def as_client(kind: str, **options: Any) -> Provoke:
    """Return the errors of a sync with client credentials that ends with status 1."""

    def provoke(sandbox: Sandbox, directory: Path) -> list[str]:
        sandbox.fault(kind, on=None, **options)
        return sync(config_for(sandbox, **client_app(sandbox)), status=1).errors

    return provoke


def no_host(sandbox: Sandbox, directory: Path) -> list[str]:
    unknown = socket.gaierror(socket.EAI_NONAME, "unknown")
    with mock.patch.object(socket, "getaddrinfo", side_effect=unknown):
        return sync(config_for(sandbox, api_url="https://nowhere.test"), status=1).errors


def bad_proxy(sandbox: Sandbox, directory: Path) -> list[str]:
    with mock.patch.dict(os.environ, HTTPS_PROXY="gopher://127.0.0.1", NO_PROXY=""):
        return sync(config_for(sandbox, api_url="https://nowhere.test"), status=1).errors


def quiet(sandbox: Sandbox, directory: Path) -> list[str]:
    sandbox.fault("slow", seconds=0.5)
    with mock.patch.object(reader, "QUIET_SECONDS", 0.1):
        return sync(config_for(sandbox)).warnings


def fault(
    kind: str, *, on: int | None = None, when: Any = None, state: Any = None, patience: float = 5, **options: Any
) -> Provoke:
    """Return the messages about a fault of the API: permanent, or `on` times, after which the sync succeeds."""

    def provoke(sandbox: Sandbox, directory: Path) -> list[str]:
        sandbox.fault(kind, on=on, when=when, **options)
        config = config_for(sandbox, max_retry_seconds=patience, page_size=10 if when else 100)
        outcome = sync(config, state=state, clock=Clock(), status=1 if on is None else 0)
        return outcome.warnings + outcome.errors

    return provoke


def poison(data: Sequence[dict[str, Any]], count: int) -> Provoke:
    """Return the messages about an API that fails on the first of its recordings."""

    def provoke(_: Sandbox, directory: Path) -> list[str]:
        with Sandbox(data) as sandbox:
            names = [record["id"].encode() for record in data[:count]]

            def is_there(request: Request) -> bool:
                return any(name in row for row in sandbox.peek(request).rows for name in names)

            return fault("status", status=500, when=is_there, patience=120)(sandbox, directory)

    return provoke


def fatal(name: str) -> Provoke:
    kind, options, _ = FATAL[name]
    return fault(kind, **options)


def edited(change: Callable[[dict[str, Any]], dict[str, Any]], **options: Any) -> Provoke:
    """Return the messages about a changed page."""
    return fault("edit", edit=change, **options)


def in_rows(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda page: page | {"data": [row | changes for row in page["data"]]}


def process(option: str, name: str, text: str | None = None) -> Provoke:
    """Return the messages about a file of the command line that is not UTF-8 or is missing."""

    def provoke(sandbox: Sandbox, directory: Path) -> list[str]:
        if name == "ENV":
            (directory / ".env").write_text("A=é", encoding="latin-1")
        if text is not None:
            (directory / name).write_text(text, encoding="utf-16")
        return lines(run_tap(directory, config_for(sandbox), status=1, arguments=(option, name)).stderr)

    return provoke


def probed(kind: str) -> Provoke:
    """Return the probe's error about a fault of the API."""

    def provoke(sandbox: Sandbox, directory: Path) -> list[str]:
        sandbox.fault(kind)
        tap = TapSiro(config=config_for(sandbox))
        assert tap.settings
        client = CountedClient(tap.settings, tap.clock)
        with closing(client), pytest.raises(TapSiroError) as error:
            probe(client)
        return [str(error.value)]

    return provoke


def files_at(name: str) -> Provoke:
    """Return the messages about a root of batch files that is not a directory."""

    def provoke(sandbox: Sandbox, directory: Path) -> list[str]:
        (directory / "config.json").write_text("{}")
        (directory / "dangling").symlink_to(directory / "missing")
        return sync(config_for(sandbox, batch_config={"storage": {"root": str(directory / name)}}), status=1).errors

    return provoke


def not_removable(sandbox: Sandbox, directory: Path) -> list[str]:
    left = directory / "tap-siro-abcdefgh"
    (left / LOCK).mkdir(parents=True)
    return sync(config_for(sandbox, batch_config={"storage": {"root": str(directory)}})).warnings


def environment(status: int = 1, **variables: str) -> Provoke:
    """Return the messages about variables of the environment."""
    return lambda sandbox, directory: lines(
        run_tap(directory, config_for(sandbox), status=status, environment=variables).stderr
    )


def details(path: str | None, status: int = 0) -> Provoke:
    """Return the errors about a fault of details; without a path, about a missing token for the user host."""

    def provoke(sandbox: Sandbox, directory: Path) -> list[str]:
        wrong = {"user_api_url": sandbox.user_api_url, **dict.fromkeys(OAUTH, "wrong")}
        app = wrong if path == USER_TOKEN else {}
        if path and not app:
            app = user_host(sandbox)
            sandbox.fault("status", status=status, path=path, on=3)
        catalog = selecting(*(["recording_followup_details"] if path != USER_TOKEN else []), "recording_utterances")
        return sync(config_for(sandbox, **app), catalog=catalog, status=1).errors

    return provoke


def transcripts(sandbox: Sandbox, directory: Path, status: int, **settings: Any) -> list[str]:
    config = config_for(sandbox, **client_app(sandbox) | settings)
    outcome = sync(config, catalog=selecting("recording_utterances"), status=status)
    return outcome.warnings + outcome.errors


def interrupted_transcripts(on: int | None) -> Provoke:
    """Return the messages about rejected cursors of transcripts: always, or `on` times."""

    def provoke(sandbox: Sandbox, directory: Path) -> list[str]:
        sandbox.fault("status", status=410, path=UTTERANCES, on=on, when=has_cursor)
        return transcripts(sandbox, directory, 1 if on is None else 0)

    return provoke


def nowhere(sandbox: Sandbox, directory: Path) -> list[str]:
    return transcripts(sandbox, directory, 1, user_api_url=f"{sandbox.user_api_url}/nowhere")


def lines(stderr: str) -> list[str]:
    return [line.rpartition(" | ")[2] for line in stderr.splitlines()]


def closed_stdout(sandbox: Sandbox, directory: Path) -> list[str]:
    command = f"{sys.executable} -m tap_siro --discover >&-"
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    return lines(done.stderr)


def closed_pipe(sandbox: Sandbox, directory: Path) -> list[str]:
    target = subprocess.Popen(["true"], stdin=subprocess.PIPE)
    target.wait()
    with start_tap(directory, config_for(sandbox), stdout=target.stdin) as tap:
        assert target.stdin
        target.stdin.close()
        assert tap.stderr
        return lines(tap.stderr.read())


def stopped(sandbox: Sandbox, directory: Path) -> list[str]:
    sandbox.latency = 30
    with start_tap(directory, config_for(sandbox)) as tap:
        assert tap.stderr
        for line in tap.stderr:
            if "reading what was updated" in line:
                tap.send_signal(signal.SIGTERM)
                break
        return lines(tap.stderr.read())


def restless(sandbox: Sandbox, directory: Path) -> list[str]:
    sandbox.hook = lambda box, request: box.update(DATA[request.number % 30]["id"], title="again")
    return sync(config_for(sandbox, page_size=10, concurrency=1)).warnings


def served_with(rule: str) -> list[str]:
    with Sandbox(plain(60, sections=0, extractions=0), created=rule) as sandbox:
        return sync(config_for(sandbox, page_size=10)).warnings


def too_large(sandbox: Sandbox, directory: Path) -> list[str]:
    sandbox.fault("status", status=400)
    return sync(config_for(sandbox, show_evaluation_score=False)).warnings


def unscored(sandbox: Sandbox, directory: Path) -> list[str]:
    for number in range(500):
        sandbox.add(recording(f"unscored-{number}", isProcessingDone=True))
    sandbox.fault("edit", on=None, edit=in_rows(evaluationScore=None))
    return sync(config_for(sandbox)).warnings


def endless(sandbox: Sandbox, directory: Path) -> list[str]:
    body: dict[str, Any] = {"data": [], "cursor": ""}

    def number(request: Request) -> bool:
        body["cursor"] = f"fresh {request.number}"
        return True

    sandbox.fault("body", on=None, when=number, body=body)
    with mock.patch.object(chain, "MAX_EMPTY_PAGES", 20):
        return sync(config_for(sandbox, concurrency=1), status=1).errors


def expired(sandbox: Sandbox, directory: Path) -> list[str]:
    sandbox.lists.page_size = 10
    sandbox.fault("status", path=USERS, status=410, when=has_cursor)
    return sync(config_for(sandbox)).warnings


def group(sandbox: Sandbox, directory: Path) -> list[str]:
    sandbox.lists.group = [sandbox.lists.organization, "another"]
    sandbox.lists.refused = {"another"}
    return sync(config_for(sandbox)).warnings


def unlisted(sandbox: Sandbox, directory: Path) -> list[str]:
    sandbox.lists.group = [sandbox.lists.organization, "another"]
    sandbox.fault("status", status=403, path=ORGANIZATIONS)
    return sync(config_for(sandbox)).warnings


def deselected() -> dict[str, Any]:
    catalog: dict[str, Any] = TapSiro(config={"api_token": "t"}).catalog_dict
    for stream in catalog["streams"]:
        stream["metadata"] = [{"breadcrumb": [], "metadata": {"selected": False}}]
    return catalog


def widened() -> dict[str, Any]:
    catalog: dict[str, Any] = TapSiro(config={"api_token": "t"}).catalog_dict
    catalog["streams"][0]["schema"]["properties"]["added"] = {"type": ["string", "null"]}
    return catalog


def has_cursor(request: Any) -> bool:
    return "cursor" in request.params


CASES: dict[str, list[Provoke]] = {
    "`api_token` is not set": [setting(api_token=None), setting(api_token=" ")],
    "`…` is blank": [setting(api_token="Bearer "), setting(api_token='""')],
    "`…` is still a placeholder": [
        setting(api_token="${TOKEN}"),
        setting(api_token="<token>"),
        client(client_id="{{ id }}"),
    ],
    "`…` contains spaces": [setting(api_token="a b"), setting(api_token="a\nb"), client(client_secret="a b")],
    "`api_token` and `…` are both set": [client(api_token="t"), setting(client_id="c"), setting(client_secret="s")],
    "`…` is not set, but": [client(client_id=None), client(client_secret=" ")],
    "'…' cannot be loaded with an organization token": [details(path=None)],
    "Siro's API answered 401": [fatal("401")],
    "Siro's API answered 401 …: the token issued for": [as_client("status", status=401)],
    "`auth_url` answered …: `client_id` or `client_secret` is wrong": [
        as_client("status", path=CLIENT_TOKEN, status=401)
    ],
    "`auth_url` answered … instead of issuing a token": [as_client("status", path=CLIENT_TOKEN, status=404)],
    "Siro's API answered … when asked for a token for the user host": [details(path=USER_TOKEN, status=401)],
    "Siro's API answered 403 …: the token lacks a scope": [fatal("403 from the API")],
    "Siro's API answered 403 …: error code: 1010": [fatal("403 with 1010")],
    "Siro's API answered 403 …: blocked before it reached Siro": [fatal("403 from something else")],
    "Siro's API answered 402": [fault("status", status=402)],
    "Siro's API does not say which organization": [
        fault("body", path=IDENTITY, body={}),
    ],
    "The token is for a group of organizations, but may not list them": [unlisted],
    "The token may read '…' of … of its … organizations only": [group],
    "Siro's API at … failed to respond (…). Check": [no_host],
    "Siro's API at … failed to respond": [fault("reset", on=1)],
    "Failed to send a request": [bad_proxy],
    "Siro's API sent an invalid response (…). Check": [fault("html", patience=600)],
    "Siro's API sent an invalid response (…).": [
        fault("html", on=1),
        fault("cut", on=1),
    ],
    "Siro's API sent a response that cannot be decompressed.": [
        fault("status", on=1, status=200, headers={"Content-Encoding": "gzip"})
    ],
    "… Gave up after": [fault("status", status=503), fault("html"), fault("reset")],
    "No response from Siro's API for": [quiet],
    "Siro's API did not answer, so nothing": [probed("reset")],
    "Siro's API answered with something that is not JSON": [probed("html")],
    "Siro's API answered 404": [fatal("404")],
    "Siro's API answered …: a conflict at Siro": [
        fault("status", status=409),
        fault("status", status=423),
    ],
    "Siro's API answered …, a redirect": [fatal("redirect")],
    "Siro's API answered …: the request is invalid": [fatal("405")],
    "Siro's API answered …. Retrying": [
        fault("status", on=1, status=429),
        fault("status", on=1, status=503),
    ],
    "… The API asked to wait": [fault("status", status=429, headers={"Retry-After": "3600"})],
    "Siro's API rejected its own cursor (…). That happened": [
        fault("status", status=410, when=has_cursor),
    ],
    "`user_api_url` rejected its own cursor (…). That happened": [interrupted_transcripts(None)],
    "Siro's API rejected its own cursor (…). Reading the slice again": [
        fault("status", on=1, status=410, when=has_cursor)
    ],
    "Siro's API rejected its own cursor (…). Reading … again from its first page": [expired],
    "`user_api_url` rejected its own cursor (…). Reading a recording's utterances again": [interrupted_transcripts(1)],
    "Siro's API gave the same cursor twice": [fault("body", body={"data": [], "cursor": "again"})],
    "Siro's API gave … empty pages in a row": [endless],
    "Siro's API returned recordings outside": [edited(in_rows(updatedAt="2020-01-01T00:00:00.000Z"), state=BOOKMARK)],
    "Siro's API fails on a page of recordings": [poison(LONG, 1)],
    "… More than 10 recordings cannot be loaded": [poison(NEAR, 30)],
    "'…' is not loaded any further in this run": [nowhere],
    "… Failed to load '…'; all other streams were loaded.": [
        fault("status", path=USERS, status=403),
        fault("status", path=TEAMS, status=404),
        fault("body", path=CONNECTIONS, body={"items": []}),
    ],
    "Failed to load … of … recording(s)": [
        details(path=UTTERANCES, status=403),
        details(path=RECORDING, status=403),
    ],
    "Siro's API returned nothing for '…'": [fault("body", path=USERS, on=2, body={"data": []})],
    "Pages of … records of … seem too large": [fault("status", on=3, status=502, patience=600)],
    "Siro's API refused pages of … records of …; requesting them without a page size": [too_large],
    "`page_size` is …, but pages have": [warned(page_size=26)],
    "Evaluation scores were requested": [unscored],
    "Siro's API … the `createdAt` bounds of requests": [
        lambda *_: served_with("refused"),
        lambda *_: served_with("ignored"),
    ],
    "Recordings kept changing while they were read": [restless],
    "… recording(s) … came without an id": [edited(in_rows(id=None))],
    "… record(s) of '…' … came without an id": [
        fault("edit", path=USERS, edit=in_rows(id=None)),
    ],
    "Some … came without an id": [edited(in_rows(id=None))],
    "Siro returned a recording without a readable `createdAt`": [edited(in_rows(createdAt=None), on=1)],
    "Siro's API sent text that is not UTF-8": [
        fault("body", on=1, body=b'{"data": [{"id": "a", "title": "\xff"}], "cursor": null}')
    ],
    "Siro's API sent NaN or infinity": [
        fault("body", on=1, body=b'{"data": [{"id": "a", "evaluationScore": NaN}], "cursor": null}')
    ],
    "Siro's API sent an integer of more than": [
        fault("body", on=1, body=b'{"data": [{"id": "a", "title": ' + b"1" * 5_000 + b'}], "cursor": null}')
    ],
    "Siro's API sent JSON that is nested too deep": [
        fault(
            "body", on=1, body=b'{"data": [{"id": "a", "title": ' + b"[" * 1_500 + b"]" * 1_500 + b'}], "cursor": null}'
        )
    ],
    "Siro's field `…` is not always": [edited(in_rows(title=[7]), on=1)],
    "Unknown field `…` from Siro": [edited(in_rows(language="en"), on=1)],
    "Unknown setting `…` is ignored": [warned(strat_date="2026-01-01")],
    "`…` must be": [setting(page_size=0), setting(concurrency=17), setting(show_summary="perhaps")],
    "`…` is invalid": [setting(stream_maps={"recordings": 5})],
    "`…_url`": [
        setting(auth_url="http://example.test"),
        setting(api_url="http://example.test"),
        setting(api_url="example.test"),
        setting(api_url="https://me@example.test"),
    ],
    "`…` is not a date": [setting(start_date="2026-02-30"), setting(created_before="tomorrow")],
    "`start_date` must be before `end_date`": [
        setting(start_date="2026-01-01", end_date="2026-01-01T00:00:00Z"),
    ],
    "`created_after` must be before `created_before`": [
        setting(created_after="2026-01-02", created_before="2026-01-01")
    ],
    "`start_date` is later than the bookmark": [warned(BOOKMARK, start_date="2026-02-01")],
    "`end_date` is earlier than the bookmark": [warned(BOOKMARK, end_date="2025-12-01")],
    "`user_agent` contains characters": [setting(user_agent="tap\r\nX-Other: 1"), setting(user_agent="é")],
    "`batch_config.storage.root` must be": [
        setting(batch_config={"encoding": {"format": "jsonl"}}),
        setting(batch_config={"storage": {"root": "s3://bucket"}}),
        setting(batch_config={"storage": {"root": "file:///a?b"}}),
    ],
    "Flattening gives two columns of": [
        setting(flattening_enabled=True, flattening_max_depth=3, flattening_max_key_length=length)
        for length in (-1, 0, 15)
    ],
    "Failed to parse expression": [setting(stream_maps={"recordings": {"title": "md5("}})],
    "The stream map of '…' failed on a record": [
        fails(stream_maps={"recordings": {"title": "md5(titel)"}}),
        fails(stream_maps={"recordings": {"title": "float(title)"}}),
    ],
    "`stream_maps` has an entry for '…', which is not a stream of this tap": [
        warned(stream_maps={"recordingz": {"title": None}}),
        warned(stream_maps={"copies": {"__source__": "recordingz"}}),
    ],
    "No stream is selected": [warned(catalog=deselected())],
    "'…' is selected but `…` is off": [warned(show_summary=False)],
    "The catalog has columns of '…'": [warned(catalog=widened())],
    "Unknown log level in `…`": [environment(status=0, LOGLEVEL="trace")],
    "Failed to set up logging": [environment(SINGER_SDK_LOG_CONFIG=".")],
    "The file given with `--…` is not a JSON object": [
        process("--state", "other.json", "{}"),
        process("--catalog", "other.json", ""),
        process("--config", "other.json", "{}"),
    ],
    "Invalid state": [
        with_state({"bookmarks": []}),
        with_state({"bookmarks": {"recordings": 5}}),
        with_state({"bookmarks": {"recordings": {"partitions": 5}}}),
        with_state({"bookmarks": {"recordings": {"partitions": [5]}}}),
        with_state({"bookmarks": {"recordings": {"progress_markers": 5}}}),
        with_state({"singer_state": BOOKMARK}),
    ],
    "The bookmark of '…' in the state is not a date": [
        warned({"bookmarks": {"recordings": {"replication_key_value": "yesterday"}}})
    ],
    "A bookmark is in the future": [
        warned({"bookmarks": {"recordings": {"replication_key_value": "2999-01-01T00:00:00Z"}}})
    ],
    "The file `.env` is not UTF-8": [process("--config", "ENV")],
    "Failed to read or write a file:": [process("--config", "missing.json")],
    "`batch_config.storage.root` cannot be read": [files_at("config.json")],
    "Failed to write batch files": [files_at("dangling")],
    "Failed to remove the files of an earlier run": [not_removable],
    "stdout is closed": [closed_stdout],
    "The target closed its input": [closed_pipe],
    "Stopped by a signal": [stopped],
}


def pattern(beginning: str) -> re.Pattern[str]:
    return re.compile(".+".join(map(re.escape, beginning.split("…"))))


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(DATA, order="oldest_updated", cursor="count") as sandbox:
        yield sandbox


@pytest.mark.parametrize(
    ("beginning", "number"), [(beginning, number) for beginning, cases in CASES.items() for number in range(len(cases))]
)
def test_a_message_is_as_the_page_quotes_it(sandbox: Sandbox, tmp_path: Path, beginning: str, number: int) -> None:
    """A user who looks for a message would not find it, or find the wrong advice."""
    messages = CASES[beginning][number](sandbox, tmp_path)
    assert any(pattern(beginning).match(message) for message in messages), messages
    assert sandbox.token not in "".join(messages)


def test_the_page_has_these_messages_and_no_others() -> None:
    assert table() == list(CASES)
    assert all(CASES.values())
