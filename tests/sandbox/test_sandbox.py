"""The sandbox behaves as the tests of the tap require."""

from __future__ import annotations

import gc
import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.sandbox import Request, Route, Sandbox
from tests.sandbox.data import plain, recordings
from tests.sandbox.edge_cases import ODD, SCALARS
from tests.sandbox.expected import expected_rows, typed
from tests.sandbox.faults import Answer
from tests.sandbox.query import BLOCKS, FLAGS
from tests.sandbox.store import encode
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


def test_odd_recordings_do_not_share_their_values() -> None:
    made = recordings(60)
    for row in made:
        row.pop("crm", None)
        for item in row.get("entityExtractions") or []:
            item.clear()
    assert recordings(60) != made
    assert recordings(60) == recordings(60) != recordings(60, seed=8)


def test_dates_of_a_data_set_are_within_its_bounds() -> None:
    made = recordings(500, start="2025-01-01T00:00:00.000Z", end="2025-01-31T00:00:00.000Z", odd=False)
    created = [row["createdAt"] for row in made]
    assert created == sorted(created)
    assert "2025-01-01" < min(created) < "2025-01-02"
    assert "2025-01-30" < max(created) < "2025-01-31"
    assert all(row["createdAt"] <= row["updatedAt"] < "2025-02-03T00:00:00.001Z" for row in made)
    assert sorted(made, key=lambda row: str(row["id"])) != made


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


def test_recordings_that_hardly_are_any_are_served(client: Client) -> None:
    data: list[dict[str, Any]] = [{}, {"id": 5}, {"crm": None}, recording("a", title="\ud800\x00", size=2**70)]
    with Sandbox(data) as sandbox:
        rows = client.rows(sandbox, pageSize="1", showCrmLinks="true")
        assert sorted(map(repr, rows)) == sorted(map(repr, data))
        assert sandbox.recordings == data


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


# Further routes


def test_a_route_has_all_that_recordings_have(client: Client) -> None:
    def answer(request: Request) -> Answer:
        return Answer(200, encode({"data": [request.values["id"], request.params["a"], request.body.decode()]}))

    thing = Route("/v1/core/things/{id}/parts", answer, method="POST")
    with Sandbox(three(), routes=[thing], rate_limit=(5, 60)) as sandbox:

        def post(path: str = "/v1/core/things/a%2Fb%20c/parts", **options: Any) -> requests.Response:
            options.setdefault("headers", {"Authorization": f"Bearer {sandbox.token}"})
            return client.session.post(f"{sandbox.url}{path}", params={"a": "1"}, data=b"x", timeout=10, **options)

        assert post().json() == {"data": ["a/b c", "1", "x"]}
        assert post("/v1/core/things/a/b/parts").status_code == 404
        assert post(headers={}).status_code == 401
        assert post(headers={"User-Agent": "python-requests/2"}).status_code == 403
        sandbox.fault("status", status=502)
        elsewhere = sandbox.fault("status", path=thing.path, when=lambda request: request.number == 4, status=503)
        assert post().status_code == 503
        assert (elsewhere.hits, sandbox.all_requests[-1].fault) == (1, "status")
        assert client.get(sandbox).status_code == 502
        assert [client.get(sandbox).status_code, post().status_code, post().status_code] == [200, 200, 429]
        assert [request.number for request in sandbox.requests] == [1, 2]
        assert [request.number for request in sandbox.requests_to(thing.path)] == [1, 2, 3, 4, 5, 6]
        assert len(sandbox.all_requests) == 9
        first = sandbox.all_requests[0]
        assert (first.method, first.path) == ("POST", "/api-externalApi/v1/core/things/a/b c/parts")
        assert first.headers["Authorization"] == "Bearer sandbox-token"


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


# The log, the clock and the hook


def test_requests_are_logged(client: Client) -> None:
    with Sandbox(three()) as sandbox:
        client.get(sandbox, {"pageSize": "2"})
        client.get(sandbox, {"pageSize": "x"})
        first, second = sandbox.requests
        assert (first.number, first.status, first.rows, first.params) == (1, 200, 2, {"pageSize": "2"})
        assert (second.number, second.status, second.rows, second.fault) == (2, 400, 0, None)
        assert first.time < second.time
        assert first.authorized
        assert first.user_agent == "sandbox-test/1"
        assert first.headers["Authorization"] == "Bearer sandbox-token"
        sandbox.clear()
        client.get(sandbox)
        assert [request.number for request in sandbox.requests] == [1]


def test_the_clock_of_the_server(client: Client) -> None:
    with Sandbox(three()) as sandbox:
        before = datetime.now(UTC).replace(microsecond=0)
        assert before <= parsedate_to_datetime(client.get(sandbox).headers["Date"]) <= datetime.now(UTC)
    with Sandbox(three(), now=lambda: datetime(2025, 5, 1, 12, 0, 0, 999_999, tzinfo=UTC)) as sandbox:
        for headers in (None, {"Authorization": ""}):
            answer = client.get(sandbox) if headers is None else client.get(sandbox, headers=headers)
            assert answer.headers["Date"] == "Thu, 01 May 2025 12:00:00 GMT"


def test_the_hook_is_called_for_accepted_requests_only(client: Client) -> None:
    seen: list[int] = []
    with Sandbox(three()) as sandbox:
        sandbox.hook = lambda _, request: seen.append(request.number)
        client.get(sandbox)
        client.get(sandbox, {"pageSize": "x"})
        client.get(sandbox, headers={})
        sandbox.fault("status")
        client.get(sandbox)
        client.get(sandbox)
    assert seen == [1, 5]


def test_a_hook_that_fails_is_reported(client: Client) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    def run() -> None:
        with Sandbox(three()) as sandbox:
            sandbox.hook = fail
            assert client.get(sandbox).status_code == 418

    with pytest.raises(ZeroDivisionError):
        run()


def test_requests_overlap_while_they_wait(client: Client) -> None:
    with Sandbox(three()) as sandbox:
        client.get(sandbox)
        assert sandbox.max_in_flight == 1
        arrived = threading.Barrier(4, timeout=10)
        sandbox.latency = 0.1

        def get(_: int) -> int:
            with requests.Session() as session:
                session.headers["User-Agent"] = "sandbox-test/1"
                arrived.wait()
                headers = {"Authorization": f"Bearer {sandbox.token}"}
                return session.get(f"{sandbox.url}/v1/core/recordings", headers=headers, timeout=10).status_code

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(get, range(4))) == [200] * 4
        assert sandbox.max_in_flight > 1
        assert all(later.time >= earlier.time for earlier, later in pairwise(sandbox.requests))


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


# Faults


def test_status_fault(client: Client) -> None:
    with Sandbox(three()) as sandbox:
        fault = sandbox.fault("status", on=2)
        sandbox.fault("status", status=429, body=b"later", content_type="text/plain", headers={"Retry-After": "3"})
        sandbox.fault("status", on=None, when=lambda request: "cursor" in request.params, status=410)
        answers = [client.get(sandbox) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [500, 500, 429, 200]
        assert [client.get(sandbox, {"cursor": "x"}).status_code for _ in range(2)] == [410, 410]
        assert answers[2].text == "later"
        assert answers[2].headers["Retry-After"] == "3"
        assert answers[2].headers["Content-Type"] == "text/plain"
        assert [request.fault for request in sandbox.requests][:4] == ["status", "status", "status", None]
        assert [request.status for request in sandbox.requests] == [500, 500, 429, 200, 410, 410]
        assert fault.hits == 2


def test_reset_fault(client: Client) -> None:
    with Sandbox(three()) as sandbox:
        sandbox.fault("reset")
        with pytest.raises(requests.ConnectionError) as caught:
            client.get(sandbox)
        assert "reset" in str(caught.value).lower()
        assert client.get(sandbox).status_code == 200


def test_timeout_fault(client: Client) -> None:
    with Sandbox(three()) as sandbox:
        sandbox.fault("timeout", seconds=30)
        with pytest.raises(requests.ReadTimeout):
            client.get(sandbox, timeout=0.05)
        sandbox.fault("timeout", seconds=0.01)
        with pytest.raises(requests.ConnectionError, match="without response"):
            client.get(sandbox)
        # A request that is still held does not delay the end.
        sandbox.fault("timeout", seconds=30)
        with ThreadPoolExecutor(1) as pool:
            held = pool.submit(client.get, sandbox)
            while len(sandbox.requests) < 3:
                assert not held.done()
            start = time.monotonic()
            sandbox.__exit__(None, None, None)
            assert time.monotonic() - start < 10
            assert isinstance(held.exception(), requests.ConnectionError)


def test_short_fault(client: Client) -> None:
    with Sandbox(plain(50)) as sandbox:
        sandbox.fault("short")
        with pytest.raises(
            (requests.ConnectionError, requests.exceptions.ChunkedEncodingError), match="IncompleteRead"
        ):
            client.get(sandbox, {"pageSize": "50", **ALL_FLAGS})
        assert [(request.status, request.rows) for request in sandbox.requests] == [(200, 0)]


@pytest.mark.parametrize(
    ("kind", "options", "status", "content"),
    [
        ("body", {"body": {"data": None}}, 200, b'{"data":null}'),
        ("body", {"body": b'{"n":1.10}'}, 200, b'{"n":1.10}'),
        ("body", {"body": "\ud800"}, 200, b'"\\ud800"'),
        ("cut", {}, 200, b'{"data":[],"'),
        ("html", {}, 200, b"<!doctype html><html><body><h1>Something else</h1></body></html>"),
        ("redirect", {"location": "http://127.0.0.1:9/elsewhere"}, 302, b""),
        ("slow", {"seconds": 0.05}, 200, b'{"data":[],"cursor":null}'),
    ],
)
def test_faults_of_the_answer(client: Client, kind: str, options: dict[str, Any], status: int, content: bytes) -> None:
    with Sandbox([]) as sandbox:
        sandbox.fault(kind, **options)
        start = time.monotonic()
        answer = client.get(sandbox, allow_redirects=False)
        assert (answer.status_code, answer.content) == (status, content)
        assert (answer.headers["Content-Type"] == "text/html") is (kind == "html")
        assert answer.headers.get("Location") == options.get("location")
        assert time.monotonic() - start >= options.get("seconds", 0)


def test_edit_fault(client: Client) -> None:
    def edit(page: dict[str, Any]) -> dict[str, Any]:
        return {"data": page["data"][:1], "cursor": "again"}

    with Sandbox(three()) as sandbox:
        sandbox.fault("edit", edit=edit)
        page = client.get(sandbox).json()
        assert ([row["id"] for row in page["data"]], page["cursor"]) == (["c"], "again")
        assert sandbox.requests[0].rows == 1
        sandbox.fault("edit", edit=lambda _: b"nothing")
        assert client.get(sandbox).text == "nothing"


@pytest.mark.parametrize("kind", ["short", "cut", "slow", "edit"])
def test_a_spoilt_page_of_a_bad_request_stays_a_refusal(client: Client, kind: str) -> None:
    options: dict[str, dict[str, Any]] = {"slow": {"seconds": 0.0}, "edit": {"edit": dict}}
    with Sandbox(three()) as sandbox:
        sandbox.fault(kind, **options.get(kind, {}))
        assert client.get(sandbox, {"pageSize": "x"}).status_code == 400


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
