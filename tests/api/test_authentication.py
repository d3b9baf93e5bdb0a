"""OAuth client credentials: the tap always has a valid token, and never shows it or the secret."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
from requests import Request as Prepared

from tap_siro.api import authentication
from tap_siro.api.authentication import RenewedToken, Token
from tap_siro.errors import TapSiroError
from tests.sandbox import Sandbox
from tests.sandbox.connections import CONNECTIONS
from tests.sandbox.data import plain
from tests.sandbox.expected import expected_rows
from tests.sandbox.recording_utterances import UTTERANCES
from tests.sandbox.routes import RECORDINGS
from tests.sandbox.teams import IDENTITY, TEAMS
from tests.sandbox.tokens import CLIENT_TOKEN, USER_TOKEN
from tests.sandbox.users import USERS
from tests.support.in_process import loaded, sync
from tests.support.process import client_app, config_for, run_tap, selecting, user_host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.sandbox import Request

DATA = plain(60, sections=1, extractions=1)
EXPECTED = expected_rows(DATA)
SMALL: dict[str, Any] = {"page_size": 5}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(DATA, token="organization-token") as sandbox:
        yield sandbox


def client_config(sandbox: Sandbox, **settings: Any) -> dict[str, Any]:
    return config_for(sandbox, **SMALL, **client_app(sandbox)) | settings


def bearers(sandbox: Sandbox) -> list[str | None]:
    return [request.bearer for request in sandbox.requests]


def check_silent(sandbox: Sandbox, *texts: str) -> None:
    for secret in (sandbox.oauth.client_secret, *sandbox.oauth.client.issued):
        assert secret not in "".join(texts)


@pytest.mark.parametrize("threads", [1, 4])
def test_a_client_reads_everything_with_one_token(sandbox: Sandbox, threads: int) -> None:
    """Siro will retire organization tokens: users with a client app could not sign in."""
    outcome = sync(client_config(sandbox, concurrency=threads))
    assert loaded(outcome) == EXPECTED
    assert set(bearers(sandbox)) == {"client-token-1"}
    (asked,) = sandbox.requests_to(CLIENT_TOKEN)
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": [sandbox.oauth.client_id],
        "client_secret": [sandbox.oauth.client_secret],
    }
    assert "Authorization" not in asked.headers
    check_silent(sandbox, outcome.stderr, str(outcome.messages))


def test_neither_the_secret_nor_the_token_is_logged(
    sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Readers of a job's log could read all conversations."""
    soon = {"Retry-After": "0"}
    sandbox.fault("status", path=CLIENT_TOKEN, status=503, headers=soon)
    sandbox.fault("status", status=429, headers=soon)
    debug = {"TAP_SIRO_LOGLEVEL": "DEBUG", "LOGLEVEL": "DEBUG"}
    run = run_tap(tmp_path, client_config(sandbox, start_date="yesterday"), status=1, environment=debug)
    check_silent(sandbox, run.stderr)
    with caplog.at_level("DEBUG"):
        outcome = sync(client_config(sandbox))
    assert loaded(outcome) == EXPECTED
    assert "urllib3" in {record.name.partition(".")[0] for record in caplog.records if record.levelname == "DEBUG"}
    check_silent(sandbox, caplog.text, str(outcome.messages))


@pytest.mark.parametrize("threads", [1, 4])
def test_a_token_that_ends_early_is_renewed_once_for_all_threads(sandbox: Sandbox, threads: int) -> None:
    """A long sync would fail when the first token expires, or each thread would request its own."""

    # With several threads, one could meet both.
    revoked = {3, 12} if threads == 1 else {3}

    def revoke(sandbox: Sandbox, request: Request) -> None:
        if request.number in revoked:
            sandbox.oauth.client.revoke()

    sandbox.hook = revoke
    outcome = sync(client_config(sandbox, concurrency=threads))
    assert loaded(outcome) == EXPECTED
    assert len(sandbox.requests_to(CLIENT_TOKEN)) == 1 + len(revoked)
    assert set(bearers(sandbox)) == set(sandbox.oauth.client.issued)
    assert outcome.warnings == []


def test_a_request_that_is_tried_for_longer_than_a_token_lives_goes_on(sandbox: Sandbox) -> None:
    """An outage of minutes would end a sync with a message about a wrong secret."""

    def revoke(sandbox: Sandbox, request: Request) -> None:
        if request.route == RECORDINGS and request.number in {3, 5}:
            sandbox.oauth.client.revoke()

    sandbox.watch = revoke
    sandbox.fault("status", when=lambda request: request.number == 5, status=503)
    outcome = sync(client_config(sandbox, concurrency=1))
    assert [request.status for request in sandbox.requests[2:7]] == [200, 401, 503, 401, 200]
    assert loaded(outcome) == EXPECTED
    assert len(sandbox.requests_to(CLIENT_TOKEN)) == 3


@pytest.mark.parametrize("threads", [1, 4])
def test_a_client_that_the_api_does_not_take_ends_the_sync(sandbox: Sandbox, threads: int) -> None:
    """A job would request tokens in an endless loop."""
    sandbox.fault("status", on=None, status=401)
    outcome = sync(client_config(sandbox, concurrency=threads), status=1)
    (error,) = outcome.errors
    assert "`client_id`" in error
    assert "api_token" not in error
    assert len(sandbox.requests) == len(sandbox.requests_to(CLIENT_TOKEN)) == 2
    check_silent(sandbox, outcome.stderr)


def app_config(sandbox: Sandbox) -> dict[str, Any]:
    return config_for(sandbox, **SMALL, **user_host(sandbox))


@pytest.mark.parametrize(
    ("status", "wrap"), [(201, lambda answer: answer), (200, lambda answer: {"data": answer})], ids=["201", "in data"]
)
def test_a_token_is_taken_from_any_good_answer(sandbox: Sandbox, status: int, wrap: Any) -> None:
    """Creating a token is often answered with 201: transcripts would never load."""
    sandbox.fault("edit", path=CLIENT_TOKEN, on=None, status=status, edit=wrap)
    sandbox.fault("edit", path=USER_TOKEN, on=None, status=status, edit=wrap)
    assert loaded(sync(client_config(sandbox))) == EXPECTED
    run = sync(app_config(sandbox), catalog=selecting("recording_utterances"))
    assert len(run.records["recording_utterances"]) > len(DATA)
    assert run.warnings == []
    assert len(sandbox.requests_to(CLIENT_TOKEN)) == len(sandbox.requests_to(USER_TOKEN)) == 1


@pytest.mark.parametrize("status", [201, 202, 206])
def test_any_success_with_the_right_json_is_an_answer(sandbox: Sandbox, status: int) -> None:
    """Any 2xx is accepted for other requests too."""
    for path in (RECORDINGS, USERS, IDENTITY, TEAMS, CONNECTIONS):
        sandbox.fault("edit", path=path, on=None, status=status, edit=lambda answer: answer)
    run = sync(app_config(sandbox))
    assert run.records.keys() >= {"users", "teams", "team_members", "integration_connections"}
    assert loaded(run) == EXPECTED
    assert {request.status for request in sandbox.all_requests} == {status}
    assert run.warnings == []


@pytest.mark.parametrize(("status", "body"), [(204, b""), (201, b""), (202, b"<html></html>"), (201, b"[]")])
def test_a_success_without_the_right_json_is_tried_again(sandbox: Sandbox, status: int, body: bytes) -> None:
    """An empty response would count as an empty page."""
    sandbox.fault("status", status=status, body=body)
    sandbox.fault("status", path=CLIENT_TOKEN, status=status, body=body)
    run = sync(client_config(sandbox, concurrency=1))
    assert loaded(run) == EXPECTED
    assert len(run.warnings) == 2


def test_an_app_makes_the_token_for_transcripts_beside_client_credentials(sandbox: Sandbox) -> None:
    """The app's settings would have no effect, although a client without access to transcripts needs them."""
    config = app_config(sandbox) | client_config(sandbox)
    del config["api_token"]
    run = sync(config, catalog=selecting("recordings", "recording_utterances"))
    assert loaded(run)["recordings"] == EXPECTED["recordings"]
    assert {request.headers["X-Siro-Auth-Token"] for request in sandbox.requests_to(UTTERANCES)} == {"user-token-1"}
    assert set(bearers(sandbox)) == {"client-token-1"}
    assert len(sandbox.requests_to(CLIENT_TOKEN)) == len(sandbox.requests_to(USER_TOKEN)) == 1


@pytest.mark.parametrize("wrong", ["client_id", "client_secret"])
def test_wrong_credentials_are_named(sandbox: Sandbox, wrong: str) -> None:
    """The message would name a token that nobody has set, or come after ten minutes of retries."""
    outcome = sync(client_config(sandbox, **{wrong: "wrong"}), status=1)
    (error,) = outcome.errors
    assert error.startswith("`auth_url` answered 401: `client_id` or `client_secret` is wrong")
    assert len(sandbox.requests_to(CLIENT_TOKEN)) == 1
    assert sandbox.requests == []
    check_silent(sandbox, outcome.stderr)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("status", {"status": 404}),
        ("status", {"status": 405}),
        ("redirect", {"location": "http://127.0.0.1:9/elsewhere"}),
        ("html", {}),
        ("body", {"body": {}}),
        ("body", {"body": {"access_token": None}}),
        ("body", {"body": {"access_token": ""}}),
        ("body", {"body": {"access_token": "a\r\nX-Other: b"}}),
        ("body", {"body": {"accessToken": "other"}}),
        ("body", {"body": {"data": {"access_token": 5}}}),
        ("body", {"body": {"data": "token"}}),
        ("body", {"body": []}),
    ],
    ids=str,
)
def test_an_address_that_gives_no_token_is_named(sandbox: Sandbox, kind: str, options: dict[str, Any]) -> None:
    """A user would look for the fault in the wrong setting, and wait ten minutes for it."""
    sandbox.fault(kind, on=None, path=CLIENT_TOKEN, **options)
    outcome = sync(client_config(sandbox), status=1)
    (error,) = outcome.errors
    assert "heck `auth_url`" in error
    assert "api_url" not in error
    assert len(sandbox.requests_to(CLIENT_TOKEN)) <= 5
    assert sandbox.requests == []


@pytest.mark.parametrize(
    ("kind", "options"), [("reset", {}), ("status", {"status": 503}), ("status", {"status": 429}), ("cut", {})], ids=str
)
def test_what_passes_is_tried_again(sandbox: Sandbox, kind: str, options: dict[str, Any]) -> None:
    """Each short fault of the authorization server would end a sync."""
    sandbox.fault(kind, path=CLIENT_TOKEN, **options)
    outcome = sync(client_config(sandbox))
    assert loaded(outcome) == EXPECTED
    assert len(outcome.warnings) == 1


def test_a_netrc_file_adds_nothing(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tap would send the password of another service."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert loaded(sync(client_config(sandbox))) == EXPECTED
    assert "Authorization" not in sandbox.requests_to(CLIENT_TOKEN)[0].headers
    assert set(bearers(sandbox)) == {"client-token-1"}


# When a token is renewed


class Source:
    """Issuer of tokens with a given lifetime, on a clock that stands still."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float | None) -> None:
        self.now = 1_000.0
        self.made = 0
        self._seconds = seconds
        self.auth = RenewedToken(self._make, refusal="no")
        monkeypatch.setattr(authentication, "time", SimpleNamespace(monotonic=lambda: self.now))

    def _make(self) -> Token:
        self.made += 1
        return Token(f"token-{self.made}", self._seconds)

    def used_at(self, seconds: float) -> str:
        self.now = 1_000.0 + seconds
        return Prepared("GET", "http://127.0.0.1", auth=self.auth).prepare().headers["Authorization"]


@pytest.mark.parametrize(
    ("life", "renewed_after"), [(3_600, 3_300), (43_200, 42_900), (700, 400), (600, 300), (500, 250), (60, 30)]
)
def test_a_token_is_renewed_before_its_end(monkeypatch: pytest.MonkeyPatch, life: float, renewed_after: float) -> None:
    """A token would expire during a request; or each request would need a new one, if tokens live for minutes."""
    source = Source(monkeypatch, life)
    assert source.used_at(0) == source.used_at(renewed_after - 1) == "Bearer token-1"
    assert source.used_at(renewed_after) == source.used_at(renewed_after + 1) == "Bearer token-2"


def test_a_users_token_is_used_for_twelve_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token lives for about 16 hours, without saying so, and a full sync of transcripts may take longer."""
    source = Source(monkeypatch, authentication.user_token(b'{"accessToken": "a"}').seconds)
    assert source.used_at(0) == source.used_at(12 * 3_600 - 1) == "Bearer token-1"
    assert source.used_at(12 * 3_600) == "Bearer token-2"


def test_a_token_that_does_not_say_how_long_it_lives_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request would request a token first."""
    source = Source(monkeypatch, None)
    assert source.used_at(0) == source.used_at(10**9) == "Bearer token-1"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [('"3600"', 3600), ("3600", 3600), ("1.5", 1.5), ("null", None), ('"soon"', None), ("0", None), ("-5", None)],
)
def test_the_life_of_a_token_is_read_in_any_form(said: str, seconds: float | None) -> None:
    """A slightly invalid response would end each sync, or cause a new token for each request."""
    body = f'{{"access_token": "a", "expires_in": {said}}}'.encode()
    assert authentication.oauth_token(body) == Token("a", seconds)


def test_a_failure_is_not_repeated_by_each_thread() -> None:
    """A wrong secret, sent a dozen times at once, could lock the client app."""
    asked = []

    def make() -> Token:
        asked.append(1)
        raise TapSiroError("no")

    auth = RenewedToken(make, refusal="no")
    failed = []

    def work() -> None:
        with pytest.raises(TapSiroError):
            auth(Prepared("GET", "http://127.0.0.1").prepare())
        failed.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert len(failed) == 8
    assert len(asked) == 1
