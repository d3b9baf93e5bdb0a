"""Connections: responses end, faults have a reason, and the token goes only to its host."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import trustme

from tests.sandbox import Sandbox
from tests.sandbox.data import plain
from tests.sandbox.expected import expected_rows
from tests.sandbox.recording_utterances import UTTERANCES
from tests.sandbox.tokens import CLIENT_TOKEN
from tests.support.in_process import Clock, loaded, sync
from tests.support.process import client_app, config_for, selecting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_siro.api.client import Client

DATA = plain(60, sections=1, extractions=1)
EXPECTED = expected_rows(DATA)
SMALL: dict[str, Any] = {"page_size": 5}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(DATA) as sandbox:
        yield sandbox


# Endless responses

TRICKLES: dict[str, tuple[bytes, bytes]] = {
    "status line": (b"HTTP/1.1 200 ", b"O"),
    "many headers": (b"HTTP/1.1 200 OK\r\n", b"X-A: a\r\n"),
    "body with a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b" "),
    "one chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n", b" "),
    "refusal": (b"HTTP/1.1 404 Not Found\r\nContent-Length: 1000000\r\n\r\n", b" "),
}


@contextmanager
def trickling(beginning: bytes, drop: bytes) -> Iterator[str]:
    """Server that begins each response and then sends a few bytes now and then, endlessly."""
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65_536)
                connection.sendall(beginning)
                while not ended.wait(0.05):
                    connection.sendall(drop)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("where", TRICKLES)
def test_an_answer_that_never_ends_is_tried_again(sandbox: Sandbox, where: str) -> None:
    """Each byte is in time, so there is no time-out: a sync would hang for days, without a line in the log."""
    with trickling(*TRICKLES[where]) as url:
        clock = Clock()

        def on_wait(client: Client) -> None:
            client.api.url = sandbox.url

        clock.on_wait = on_wait
        outcome = sync(config_for(sandbox, request_timeout=0.2, **SMALL) | {"api_url": url}, clock=clock)
    assert loaded(outcome) == EXPECTED
    (warning,) = outcome.warnings
    assert "timed out" in warning


# Permanent faults


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


@contextmanager
def signed(issuer: Path | None = None, host: str = "127.0.0.1", **dates: Any) -> Iterator[str]:
    """Server with a certificate of an unknown issuer, which it can write into a file."""
    authority = trustme.CA()
    if issuer is not None:
        authority.cert_pem.write_to_path(str(issuer))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host, **dates).configure_cert(context)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        server.socket = context.wrap_socket(server.socket, server_side=True)
        with serving(server):
            yield f"https://127.0.0.1:{server.server_address[1]}"


def check_ends(url: str, *said: str, tries: int = 5, **settings: Any) -> None:
    clock = Clock()
    outcome = sync({"api_url": url, "api_token": "canary-of-a-token", **settings}, clock=clock, status=1)
    (error,) = outcome.errors
    for words in said:
        assert words in error
    assert len(clock.waits) == tries - 1
    for hidden in ("canary-of-a-token", "pageSize", "showSummary", "v1/core", "Error", "Gave up"):
        assert hidden not in outcome.stderr.replace("ERROR", "")


LONG_AGO, LATER = datetime(2001, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("certificate", "said"),
    [
        ({}, ("is from an unknown authority", "`REQUESTS_CA_BUNDLE`")),
        ({"not_before": LONG_AGO, "not_after": LONG_AGO + timedelta(days=1)}, ("has expired", "this machine's clock")),
        ({"not_before": LATER, "not_after": LATER + timedelta(days=1)}, ("is not valid yet", "this machine's clock")),
        ({"host": "127.0.0.2"}, ("is for another name", "the host's own name")),
        ({"host": "siro.invalid"}, ("is for another name", "the host's own name")),
    ],
)
def test_what_is_wrong_with_a_certificate_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificate: dict[str, Any], said: tuple[str, str]
) -> None:
    """Behind a company's proxy, the first run would retry for ten minutes and then give no reason."""
    with signed(tmp_path / "certificate.pem", **certificate) as url:
        if certificate:
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "certificate.pem"))
        check_ends(url, f"its certificate {said[0]}", said[1], "heck `api_url`")


def test_a_certificate_that_is_made_known_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message would give useless advice."""
    with signed(tmp_path / "certificate.pem") as url:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "certificate.pem"))
        (error,) = sync({"api_url": url, "api_token": "t"}, status=1).errors
    assert "501" in error  # the server's own response


def test_a_server_without_tls_ends_the_sync(sandbox: Sandbox) -> None:
    """An https address may lead to an http port, or to another server on the way."""
    check_ends(sandbox.url.replace("http:", "https:"), "no secure connection", "Check `api_url`")


def test_a_host_that_there_is_not_ends_the_sync() -> None:
    """A typing error in `api_url` would be retried for ten minutes."""
    unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    with mock.patch.object(socket, "getaddrinfo", side_effect=unknown):
        check_ends("https://functions.siro.invalid", "unknown host name", "Check `api_url`")


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "http://proxy.siro.invalid:3128"])
def test_a_proxy_that_is_not_there_ends_the_sync(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """A user would look for the fault at Siro, or in `api_url`."""
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTPS_PROXY", address)
    find, unknown = socket.getaddrinfo, socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    def getaddrinfo(host: str, *args: Any, **options: Any) -> Any:
        if host.endswith("invalid"):
            raise unknown
        return find(host, *args, **options)

    with mock.patch.object(socket, "getaddrinfo", getaddrinfo):
        check_ends("https://functions.siro.invalid", "the proxy cannot be reached", "Check `HTTPS_PROXY`")


def test_a_proxy_with_an_impossible_name_ends_the_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync would end with a traceback."""
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTPS_PROXY", "http://a..b:3128")
    (error,) = sync({"api_url": "https://functions.siro.invalid", "api_token": "t"}, status=1).errors
    assert error.startswith("Failed to send a request (LocationParseError). Check `api_url` and the proxy")


def test_a_login_page_ends_the_sync(sandbox: Sandbox) -> None:
    """A captive portal or a wrong `api_url` answers everything with 200."""
    sandbox.fault("html", on=None)
    check_ends(sandbox.url, "sent an invalid response", "Check `api_url` and proxies", api_token=sandbox.token)
    assert len(sandbox.requests) == 5


def test_once_something_has_succeeded_such_a_fault_is_sat_out(sandbox: Sandbox) -> None:
    """A full sync of hours would end because a name was not found for a minute."""
    sandbox.fault("html", on=8, when=lambda request: request.number > 3)
    outcome = sync(config_for(sandbox, concurrency=1, **SMALL))
    assert loaded(outcome) == EXPECTED
    assert len(outcome.warnings) == 8


def test_a_name_that_cannot_be_looked_up_for_now_is_tried_again(sandbox: Sandbox) -> None:
    """While a container starts, its network is often not ready."""
    later = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    find, failures = socket.getaddrinfo, iter([later] * 7)

    def getaddrinfo(*args: Any, **options: Any) -> Any:
        for failure in failures:
            raise failure
        return find(*args, **options)

    with mock.patch.object(socket, "getaddrinfo", getaddrinfo):
        outcome = sync(config_for(sandbox, **SMALL))
    assert loaded(outcome) == EXPECTED
    assert len(outcome.warnings) == 7


# Proxies


@contextmanager
def proxy(status: int = 403) -> Iterator[tuple[str, list[str]]]:
    """Proxy that records and refuses all requests."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def refuse(self) -> None:
            seen.append(f"{self.requestline}\n{self.headers}")
            self.send_error(status)

        do_GET = do_POST = do_CONNECT = refuse  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, serving(server):
        yield f"http://127.0.0.1:{server.server_address[1]}", seen


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY", "http_proxy"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_what_is_for_this_machine_does_not_go_through_a_proxy(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, variable: str, host: str
) -> None:
    """Without TLS, the proxy could read the token and all conversations."""
    monkeypatch.delenv("NO_PROXY")
    with proxy() as (url, seen):
        monkeypatch.setenv(variable, url)
        outcome = sync(config_for(sandbox, **SMALL) | {"api_url": sandbox.url.replace("127.0.0.1", host)})
    assert loaded(outcome) == EXPECTED
    assert seen == []


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (403, "the proxy refuses to connect to it"),
        (502, "the proxy refuses"),
        (407, "requires a user name and a password"),
    ],
)
def test_a_proxy_on_the_way_to_siro_sees_no_token(monkeypatch: pytest.MonkeyPatch, status: int, said: str) -> None:
    """The proxy only opens a tunnel; all else is encrypted."""
    monkeypatch.delenv("NO_PROXY")
    with proxy(status) as (url, seen):
        monkeypatch.setenv("HTTPS_PROXY", url.replace("//", "//me:password-of-mine@"))
        check_ends("https://functions.siro.invalid", said, "`HTTPS_PROXY`")
    assert len(seen) == 5 + 3, "tried five times for recordings, and once for each list"
    assert all(line.startswith("CONNECT functions.siro.invalid:443") for line in seen)
    assert "canary-of-a-token" not in "".join(seen)


def test_an_answer_that_a_proxy_wants_credentials_is_told(sandbox: Sandbox) -> None:
    """A 407 can also come from a proxy that the user did not configure."""
    sandbox.fault("status", status=407)
    (error,) = sync(config_for(sandbox), status=1).errors
    assert "a proxy requires a user name and a password. Put them into `HTTPS_PROXY`" in error


@pytest.mark.parametrize("setting", ["auth_url", "user_api_url"])
@pytest.mark.parametrize("fault", ["status", "html", "reset", "gzip"])
def test_a_fault_of_another_host_names_its_setting(sandbox: Sandbox, fault: str, setting: str) -> None:
    """The message must name the host: a user would report the fault to the wrong people."""
    options: dict[str, dict[str, Any]] = {
        "status": {"status": 500},
        "gzip": {"status": 200, "headers": {"Content-Encoding": "gzip"}},
    }
    path = {"auth_url": CLIENT_TOKEN, "user_api_url": UTTERANCES}[setting]
    sandbox.fault("status" if fault == "gzip" else fault, path=path, on=3, **options.get(fault, {}))
    config = config_for(sandbox, concurrency=1, **client_app(sandbox))
    warnings = sync(config, catalog=selecting("recordings", "recording_utterances")).warnings
    assert len(warnings) == 3
    assert all(warning.startswith(f"`{setting}` ") for warning in warnings)
    assert "Siro's API" not in "".join(warnings)
