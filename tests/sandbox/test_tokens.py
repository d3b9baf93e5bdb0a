"""The sandbox's access tokens are issued, expire and are revoked as the tests of credentials require."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.sandbox import Sandbox
from tests.sandbox.routes import RECORDINGS
from tests.sandbox.tokens import CLIENT_TOKEN, USER_TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator

AGENT = {"User-Agent": "sandbox-test/1"}
FORM = {"grant_type": "client_credentials", "client_id": "sandbox-client", "client_secret": "sandbox-client-secret"}
BODY = {"clientSecret": "sandbox-app-secret", "userId": "SandboxUser0000000000000000a", "scope": "read"}


class Clock:
    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    with Sandbox([{"id": "a"}], now=clock) as sandbox:
        yield sandbox


def client_token(sandbox: Sandbox, form: Any = FORM, **options: Any) -> requests.Response:
    return requests.post(sandbox.auth_url, data=form, headers=AGENT, timeout=10, **options)


def user_token(sandbox: Sandbox, body: Any = BODY, *, app: str = "sandbox-app", token: str = "") -> requests.Response:
    url = sandbox.url + USER_TOKEN.replace("{client}", app)
    headers = {"Authorization": f"Bearer {token or sandbox.token}", **AGENT}
    return requests.post(url, json=body, headers=headers, timeout=10)


def recordings(sandbox: Sandbox, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}", **AGENT}
    return requests.get(sandbox.url + RECORDINGS, headers=headers, timeout=10).status_code


def test_client_credentials_become_a_token_that_ends(sandbox: Sandbox, clock: Clock) -> None:
    first = client_token(sandbox).json()
    assert first == {"access_token": "client-token-1", "token_type": "Bearer", "expires_in": 3600}
    assert recordings(sandbox, "client-token-1") == 200
    assert recordings(sandbox, "client-token-2") == 401
    clock.moment += timedelta(seconds=3600)
    assert recordings(sandbox, "client-token-1") == 401
    assert client_token(sandbox).json()["access_token"] == "client-token-2"
    assert recordings(sandbox, "client-token-2") == 200
    sandbox.oauth.client.revoke()
    assert recordings(sandbox, "client-token-2") == 401
    assert recordings(sandbox, sandbox.token) == 200
    assert [request.status for request in sandbox.requests_to(CLIENT_TOKEN)] == [200, 200]
    assert len(sandbox.requests) == 6


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        (FORM | {"client_secret": "other"}, 401, "invalid_client"),
        (FORM | {"client_id": "other"}, 401, "invalid_client"),
        (FORM | {"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({}, 400, "invalid_request"),
    ],
)
def test_wrong_client_credentials(sandbox: Sandbox, form: Any, status: int, error: str) -> None:
    answer = client_token(sandbox, form)
    assert (answer.status_code, answer.json()) == (status, {"error": error})
    assert client_token(sandbox, None, json=FORM).json() == {"error": "invalid_request"}
    assert sandbox.oauth.client.issued == []


def test_an_answer_without_a_token(sandbox: Sandbox) -> None:
    sandbox.fault("body", path=CLIENT_TOKEN, body={"token_type": "Bearer"})
    assert "access_token" not in client_token(sandbox).json()
    assert "access_token" in client_token(sandbox).json()


def test_the_organization_token_makes_a_user_token(sandbox: Sandbox, clock: Clock) -> None:
    assert user_token(sandbox).json() == {"accessTokenId": "id-of-user-token-1", "accessToken": "user-token-1"}
    assert recordings(sandbox, "user-token-1") == 401
    assert sandbox.oauth.user.takes("user-token-1")
    clock.moment += timedelta(hours=16)
    assert not sandbox.oauth.user.takes("user-token-1")


def test_wrong_ways_to_a_user_token(sandbox: Sandbox) -> None:
    assert user_token(sandbox, token="other").status_code == 401
    assert user_token(sandbox, app="other").status_code == 404
    assert user_token(sandbox, BODY | {"clientSecret": "other"}).status_code == 403
    assert user_token(sandbox, BODY | {"userId": "other"}).status_code == 400
    assert user_token(sandbox, BODY | {"scope": "admin"}).status_code == 400
    assert user_token(sandbox, []).status_code == 400
    assert sandbox.oauth.user.issued == []
