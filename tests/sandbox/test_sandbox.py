"""The sandbox behaves as the tests of the tap require."""

from __future__ import annotations

import gc
import json
import socket
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.sandbox import Sandbox
from tests.sandbox.data import plain, recordings
from tests.sandbox.edge_cases import ODD, SCALARS
from tests.sandbox.expected import expected_rows, typed
from tests.sandbox.query import BLOCKS, FLAGS
from tests.sandbox.streams import Lists

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.thorough

ORDERS = ("newest_created", "oldest_updated", "newest_updated", "id")
ALL_FLAGS = dict.fromkeys(FLAGS, "true")
NOON = "2025-03-01T12:00:00.000Z"


class Client:
    """A plain client of the sandbox."""

    def __init__(self) -> None:
        self.session = requests.Session()
        self.session.headers["User-Agent"] = "sandbox-test/1"

    def get(self, sandbox: Sandbox, params: Any = None, **options: Any) -> requests.Response:
        options.setdefault("headers", {"Authorization": f"Bearer {sandbox.token}"})
        options.setdefault("timeout", 10)
        return self.session.get(f"{sandbox.url}/v1/core/recordings", params=params, **options)

    def rows(self, sandbox: Sandbox, **params: str) -> list[dict[str, Any]]:
        """Follow the cursor to the end."""
        rows: list[dict[str, Any]] = []
        while True:
            answer = self.get(sandbox, params)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            rows += page["data"]
            if page["cursor"] is None:
                return rows
            params["cursor"] = page["cursor"]

    def ids(self, sandbox: Sandbox, **params: str) -> list[str]:
        return [row["id"] for row in self.rows(sandbox, **params)]


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client()
    with client.session:
        yield client


def recording(name: str, created: str = NOON, updated: str = NOON, **others: Any) -> dict[str, Any]:
    return {"id": name, "createdAt": created, "updatedAt": updated, **others}


def three() -> list[dict[str, Any]]:
    """Return three recordings, a, b and c, an hour apart."""
    moments = [f"2025-03-01T{hour}:00:00.000Z" for hour in ("10", "11", "12")]
    return [recording(name, moment, moment) for name, moment in zip("abc", moments, strict=True)]


# The data sets


def test_every_odd_kind_is_there_once_the_set_is_large_enough() -> None:
    assert 40 <= len(ODD) <= 60
    assert recordings(0) == []
    assert len(recordings(3)) == 3
    made = recordings(60)
    values = [item.get("value") for row in made for item in row.get("entityExtractions") or []]
    assert all(any(value == odd and type(value) is type(odd) for value in values) for odd in SCALARS)
    for field in ("title", "createdAt", "updatedAt", "links", "crm", "summary", "entityExtractions", "followups"):
        assert any(field not in row for row in made)
        assert any(field in row and row[field] is None for row in made)
    assert len({row["id"] for row in made}) == 60
    assert json.loads(json.dumps(made)) == made


# Pages


@pytest.mark.parametrize("last_page_cursor", [False, True])
@pytest.mark.parametrize("cursor", ["place", "count"])
@pytest.mark.parametrize("order", ORDERS)
def test_paging_shows_every_row_once(client: Client, order: str, cursor: str, last_page_cursor: bool) -> None:
    data = recordings(120)
    with Sandbox(data, order=order, cursor=cursor, last_page_cursor=last_page_cursor) as sandbox:
        ids = client.ids(sandbox, pageSize="30")
        assert Counter(ids) == Counter(row["id"] for row in data)
        assert [request.rows for request in sandbox.requests] == [30] * 4 + [0] * last_page_cursor


@pytest.mark.parametrize(
    ("order", "ids"),
    [("newest_created", "cbad"), ("oldest_updated", "dcab"), ("newest_updated", "bacd"), ("id", "abcd")],
)
def test_orders(client: Client, order: str, ids: str) -> None:
    updated = {"a": "2025-03-02", "b": "2025-03-03", "c": "2025-03-01"}
    data = [row | {"updatedAt": f"{updated[row['id']]}T13:00:00.000Z"} for row in three()]
    with Sandbox([*data, {"id": "d"}], order=order) as sandbox:
        assert "".join(client.ids(sandbox, pageSize="1")) == ids


def test_page_sizes(client: Client) -> None:
    with Sandbox(plain(60), default_page_size=20, max_page_size=50) as sandbox:
        assert len(client.get(sandbox).json()["data"]) == 20
        assert len(client.get(sandbox, {"pageSize": "50"}).json()["data"]) == 50
        assert client.get(sandbox, {"pageSize": "51"}).status_code == 400
    with Sandbox(plain(60), max_page_size=50, strict=False) as sandbox:
        assert len(client.get(sandbox, {"pageSize": "51"}).json()["data"]) == 50


@pytest.mark.parametrize(
    ("params", "ids"),
    [
        ({"createdAt:gt": "2025-03-01T09:59:59.999Z"}, "abc"),
        ({"createdAt:gt": "2025-03-01T10:00:00.000Z"}, "bc"),
        ({"createdAt:lt": "2025-03-01T12:00:00.000Z"}, "ab"),
        ({"createdAt:lt": "2025-03-01T12:00:00.001Z"}, "abc"),
        ({"createdAt:gt": "2025-03-01T10:00:00.000Z", "createdAt:lt": "2025-03-01T12:00:00.000Z"}, "b"),
        ({"updatedAt:gte": "2025-03-01T11:00:00.000Z"}, "bc"),
        ({"updatedAt:gte": "2025-03-01T11:00:00.001Z"}, "c"),
        ({"updatedAt:gt": "2025-03-01T11:00:00.000Z"}, "c"),
        ({"updatedAt:gt": "2025-03-01T10:59:59.999Z"}, "bc"),
        ({"updatedAt:lt": "2025-03-01T11:00:00.000Z"}, "a"),
        ({"updatedAt:lt": "2025-03-01T11:00:00.001Z"}, "ab"),
        ({"updatedAt:lte": "2025-03-01T11:00:00.000Z"}, "ab"),
        ({"updatedAt:lte": "2025-03-01T10:59:59.999Z"}, "a"),
        ({"createdAt:lt": "2025-03-01T12:00:00.000Z", "updatedAt:gte": "2025-03-01T11:00:00.000Z"}, "b"),
        ({"createdAt:gt": "2026-01-01T00:00:00.000Z"}, ""),
    ],
)
def test_bounds(client: Client, params: dict[str, str], ids: str) -> None:
    undated = {"id": "z", "createdAt": "once", "updatedAt": None}
    with Sandbox([*three(), undated], order="id") as sandbox:
        assert "".join(client.ids(sandbox, pageSize="1", **params)) == ids + "z"


def test_status_filters_take_a_missing_status_for_false(client: Client) -> None:
    data = [recording("a", isSummaryDone=True), recording("b", isSummaryDone=False), recording("c")]
    with Sandbox(data, order="id") as sandbox:
        assert client.ids(sandbox, isSummaryDone="true") == ["a"]
        assert client.ids(sandbox, isSummaryDone="false") == ["b", "c"]
        assert client.ids(sandbox, isProcessingDone="true") == []


def test_each_flag_adds_its_block(client: Client) -> None:
    data = recordings(60)
    stored = {row["id"]: row for row in data}
    with Sandbox(data) as sandbox:
        for flag, block in FLAGS.items():
            for row in client.rows(sandbox, **{flag: "true", "pageSize": "40"}):
                others = set(BLOCKS) - {block}
                assert row == {name: value for name, value in stored[row["id"]].items() if name not in others}
        assert not set(BLOCKS) & client.rows(sandbox, showSummary="false")[0].keys()
        assert {row["id"]: row for row in client.rows(sandbox, **ALL_FLAGS)} == stored


# Refused requests


@pytest.mark.parametrize(
    "params",
    [
        [("limit", "5")],
        [("updatedat:gte", NOON)],
        [("pageSize", "5"), ("pageSize", "6")],
        *([("pageSize", text)] for text in ("0", "-1", "501", "1.0", "1e2", "", " 5", "+5", "५", "9" * 5000)),
        *([("createdAt:gt", text)] for text in ("", "now", "2025-03-01", "2025-03-01T12:00:00Z")),
        *([("updatedAt:gte", text)] for text in ("2025-02-30T12:00:00.000Z", "2025-03-01T12:00:00.000+00:00")),
        *(
            [("updatedAt:lt", text)]
            for text in ("2025-03-01T12:00:00.000000Z", "2025-03-01 12:00:00.000Z", f"{NOON}\n")
        ),
        *([("showSummary", text)] for text in ("True", "1", "yes", "")),
        [("isSummaryDone", "null")],
    ],
)
def test_strictness(client: Client, params: list[tuple[str, str]]) -> None:
    with Sandbox(three()) as sandbox:
        answer = client.get(sandbox, params)
        assert answer.status_code == 400
        assert isinstance(answer.json()["message"], str)
        assert sandbox.requests[0].status == 400
    with Sandbox(three(), strict=False) as sandbox:
        assert client.get(sandbox, params).status_code == 200


@pytest.mark.parametrize("cursor", ["", "é", "W10=", "WyJjb3VudCIsLTFd", "////"])
def test_malformed_cursors(client: Client, cursor: str) -> None:
    for kind in ("place", "count"):
        with Sandbox(three(), cursor=kind, strict=False) as sandbox:
            assert client.get(sandbox, {"cursor": cursor}).status_code == 400


@pytest.mark.parametrize("header", [None, "Bearer other", "sandbox-token", "Bearer Bearer sandbox-token", "Bearer "])
def test_the_token_is_checked(client: Client, header: str | None) -> None:
    with Sandbox(three()) as sandbox:
        answer = client.get(sandbox, headers={"Authorization": header})
        assert answer.status_code == 401
        assert answer.json()["message"]
        assert not sandbox.requests[0].authorized


@pytest.mark.parametrize(
    "agent",
    ["python-requests/2.32.0", "Python-urllib/3.11", "python-httpx/0.28", "Python/3.11 aiohttp/3.13", ""],
)
def test_default_agents_are_turned_away(client: Client, agent: str) -> None:
    with Sandbox(three()) as sandbox:
        answer = client.get(sandbox, headers={"User-Agent": agent, "Authorization": f"Bearer {sandbox.token}"})
        assert answer.status_code == 403
        assert answer.headers["Content-Type"] == "text/html"
        assert "error code: 1010" in answer.text


def test_other_addresses_are_not_found(client: Client) -> None:
    with Sandbox(three()) as sandbox:
        assert client.session.get(f"{sandbox.url}/v1/core/nothing", timeout=10).status_code == 404
        assert client.session.post(f"{sandbox.url}/v1/core/recordings", timeout=10).status_code == 405
        assert client.session.get(f"{sandbox.url}/v1/core/recordings/", timeout=10).status_code == 404
        assert client.session.get(f"{sandbox.host}/v1/core/recordings", timeout=10).status_code == 404
        assert [request.status for request in sandbox.all_requests] == [404, 405, 404, 404]
        assert [request for request in sandbox.requests if request.method == "GET"] == []


def test_rate_limit(client: Client) -> None:
    with Sandbox(three(), rate_limit=(3, 60)) as sandbox:
        assert [client.get(sandbox).status_code for _ in range(5)] == [200] * 3 + [429] * 2
        assert "Retry-After" not in client.get(sandbox).headers
    with Sandbox(three(), rate_limit=(1, 0)) as sandbox:
        assert [client.get(sandbox).status_code for _ in range(3)] == [200] * 3


# Recordings that change


@pytest.mark.parametrize(
    ("order", "cursor", "ids"),
    [
        # After the first page, its row moves to the end, and the second row moves up.
        ("oldest_updated", "count", "aca"),
        ("newest_updated", "count", "ccb"),
        ("oldest_updated", "place", "abca"),
        ("newest_updated", "place", "cb"),
        # It leaves the result.
        ("id", "count", "ac"),
    ],
)
def test_a_row_that_moves_shifts_the_others(client: Client, order: str, cursor: str, ids: str) -> None:
    bounds = {"updatedAt:lt": "2025-04-01T00:00:00.000Z"} if order == "id" else {}
    with Sandbox(three(), order=order, cursor=cursor) as sandbox:
        sandbox.hook = lambda sandbox, request: request.number == 2 and sandbox.update("a")
        assert "".join(client.ids(sandbox, pageSize="1", **bounds)) == ids


def test_changes_are_seen_at_once(client: Client) -> None:
    moment = datetime(2025, 5, 1, 12, 0, 0, 123_999, tzinfo=UTC)
    with Sandbox(three(), order="id", now=lambda: moment) as sandbox:
        client.ids(sandbox)
        sandbox.recordings[0]["id"] = "a copy"
        sandbox.update("b", title="new", createdAt="2025-03-01T12:30:00.000Z")
        sandbox.update("c", updatedAt=NOON, name="odd")
        sandbox.add(recording("d"))
        sandbox.remove("a")
        rows = client.rows(sandbox, **{"createdAt:gt": "2025-03-01T11:59:59.999Z"})
        assert [row["id"] for row in rows] == ["b", "c", "d"]
        assert rows[0]["updatedAt"] == "2025-05-01T12:00:00.123Z"
        assert rows[1]["updatedAt"] == NOON
        assert sorted(row["id"] for row in sandbox.recordings) == ["b", "c", "d"]
        with pytest.raises(KeyError):
            sandbox.update("a")
        with pytest.raises(ValueError, match="already"):
            sandbox.add(recording("d"))


# The clock, the hook and the command line


def test_the_clock_of_the_server(client: Client) -> None:
    with Sandbox(three()) as sandbox:
        before = datetime.now(UTC).replace(microsecond=0)
        assert before <= parsedate_to_datetime(client.get(sandbox).headers["Date"]) <= datetime.now(UTC)
    with Sandbox(three(), now=lambda: datetime(2025, 5, 1, 12, 0, 0, 999_999, tzinfo=UTC)) as sandbox:
        for headers in (None, {"Authorization": ""}):
            answer = client.get(sandbox) if headers is None else client.get(sandbox, headers=headers)
            assert answer.headers["Date"] == "Thu, 01 May 2025 12:00:00 GMT"


def test_a_hook_that_fails_is_reported(client: Client) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    def run() -> None:
        with Sandbox(three()) as sandbox:
            sandbox.hook = fail
            assert client.get(sandbox).status_code == 418

    with pytest.raises(ZeroDivisionError):
        run()


def test_connections_that_come_while_it_ends_are_closed() -> None:
    """They would fail another test: the one that runs when Python finds them."""
    for _ in range(20):
        with Sandbox([]) as sandbox, ExitStack() as clients:
            address = ("127.0.0.1", int(sandbox.host.rpartition(":")[2]))
            for _ in range(30):
                clients.enter_context(socket.create_connection(address))
            sandbox.__exit__(None, None, None)
    gc.collect()


def test_from_the_command_line(client: Client) -> None:
    command = [sys.executable, "-m", "tests.sandbox", "--port", "0", "--count", "5", "--order", "id"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline().rstrip() for _ in range(4)]
        settings = dict(line.removeprefix("export ").split("=") for line in said[2:])
        headers = {"Authorization": f"Bearer {settings['TAP_SIRO_API_TOKEN']}"}
        answer = client.session.get(f"{settings['TAP_SIRO_API_URL']}/v1/core/recordings", headers=headers, timeout=10)
        assert len(answer.json()["data"]) == 5
        process.terminate()
        assert process.wait(timeout=10) == 0


def test_misspelt_options_and_faults_are_refused() -> None:
    wrong: tuple[dict[str, Any], ...] = ({"order": "oldest"}, {"cursor": "page"})
    for options in wrong:
        with pytest.raises(ValueError, match="must be"):
            Sandbox([], **options)
    with pytest.raises(TypeError, match="lists have no"):
        Lists(paging=True)
    sandbox = Sandbox([])
    with pytest.raises(ValueError, match="a fault is one of"):
        sandbox.fault("crash")
    with pytest.raises(TypeError, match="no option"):
        sandbox.fault("status", code=500)
    with pytest.raises(TypeError, match="needs seconds"):
        sandbox.fault("slow")


# The oracle


def test_a_client_that_does_not_read_leaves_no_socket_open() -> None:
    """Another test would fail with its warning, whenever the garbage collector comes by."""
    heavy = [row | {"title": "x" * 200_000} for row in plain(100)]
    with Sandbox(heavy) as sandbox:
        client = socket.create_connection(("127.0.0.1", urlsplit(sandbox.host).port))
        headers = f"User-Agent: tap/1\r\nAuthorization: Bearer {sandbox.token}\r\nHost: sandbox\r\n"
        path = f"{urlsplit(sandbox.url).path}/v1/core/recordings?pageSize=100"
        client.sendall(f"GET {path} HTTP/1.1\r\n{headers}\r\n".encode())
        assert client.recv(5) == b"HTTP/"
    client.close()
    gc.collect()


@pytest.mark.parametrize(
    ("value", "text", "kind"),
    [
        ("1", "1", "string"),
        ("", "", "string"),
        (1, "1", "number"),
        (1.5, "1.5", "number"),
        (2**53 + 1, "9007199254740993", "number"),
        (True, "true", "boolean"),
        ("true", "true", "string"),
        (None, None, "null"),
        (["a", 1, None, True], '["a",1,null,true]', "array"),
        ({"a": {"b": "é"}}, '{"a":{"b":"é"}}', "object"),
    ],
)
def test_expected_values(value: object, text: str | None, kind: str) -> None:
    assert typed(value) == (text, kind)


def test_expected_rows_of_a_regular_set() -> None:
    data = plain(10)
    rows = expected_rows(data)
    assert {stream: len(found) for stream, found in rows.items()} == {
        "recordings": 10,
        "recording_crm_links": 60,
        "recording_summary_sections": 50,
        "recording_entity_extractions": 80,
        "recording_entity_mappings": 80,
        "recording_followups": 20,
    }
    name, updated = data[0]["id"], data[0]["updatedAt"]
    assert rows["recording_crm_links"][name, "user", 1] == {
        "recordingId": name,
        "recordingUpdatedAt": updated,
        "objectType": "user",
        "ordinal": 1,
        **data[0]["crm"]["users"][1],
        "integrationConnectionId": "connection-0001",
    }
    latest = max(data, key=lambda row: str(row["updatedAt"]))
    since = latest["updatedAt"]
    assert list(expected_rows(data, since=since)["recordings"]) == [(latest["id"],)]
    moment = datetime.fromisoformat(since)
    assert expected_rows(data, since=moment) == expected_rows(data, since=since)


def test_expected_rows_of_a_bare_recording() -> None:
    rows = expected_rows([{"id": "a", "title": [], "entityExtractions": [{}], "crm": {"users": None}}, {"id": None}])
    row = rows["recordings"][("a",)]
    assert len(row) == 23
    assert {name: value for name, value in row.items() if value is not None} == {
        "id": "a",
        "crm": {"users": None},
        "entityExtractions": [{"name": None, "value": None, "valueType": "null", "mappings": None}],
    }
    assert list(rows["recording_entity_extractions"]) == [("a", 0)]
