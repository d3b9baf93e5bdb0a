"""Access tokens of OAuth clients, which expire and can be revoked."""

from __future__ import annotations

import json
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from tests.sandbox.faults import Answer, message
from tests.sandbox.routes import Request, Route
from tests.sandbox.store import encode

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

CLIENT_TOKEN = "/oauth2/token"
"""Path on the authentication host at which client credentials become a token."""
USER_TOKEN = "/v1/core/oauth/apps/{client}/access-token"
"""Path on the API's host at which the organization token makes a user's token."""


class Tokens:
    """Issues access tokens of one kind, and knows which are valid."""

    def __init__(self, now: Callable[[], datetime], kind: str, *, lifetime: float) -> None:
        """Take the server's clock, the prefix of the tokens, and their lifetime in seconds."""
        self.lifetime = lifetime
        self.issued: list[str] = []
        """All tokens, including invalid ones."""
        self._now = now
        self._kind = kind
        self._lock = Lock()
        self._ends: dict[str, datetime] = {}

    def issue(self) -> str:
        """Issue a token."""
        with self._lock:
            token = f"{self._kind}-token-{len(self.issued) + 1}"
            self.issued.append(token)
            self._ends[token] = self._now() + timedelta(seconds=self.lifetime)
        return token

    def revoke(self) -> None:
        """Revoke all tokens."""
        with self._lock:
            self._ends.clear()

    def takes(self, token: str | None) -> bool:
        """Return True if a token is valid."""
        with self._lock:
            return token in self._ends and self._now() < self._ends[token]


class OAuth:
    """Both ways to get an access token: client credentials, and an OAuth app with the organization token.

    To answer without a token, add a fault: `sandbox.fault("body", path=CLIENT_TOKEN, body={…})`.
    """

    client_id = "sandbox-client"
    client_secret = "sandbox-client-secret"
    app_id = "sandbox-app"
    app_secret = "sandbox-app-secret"
    user_id = "SandboxUser0000000000000000a"

    def __init__(self, now: Callable[[], datetime]) -> None:
        """Take the server's clock."""
        self.client = Tokens(now, "client", lifetime=3_600)
        self.user = Tokens(now, "user", lifetime=16 * 3_600)
        self.routes = (
            Route(CLIENT_TOKEN, self._client_token, method="POST", base="", allows=lambda _: True, limited=False),
            Route(USER_TOKEN, self._user_token, method="POST"),
        )

    def _client_token(self, request: Request) -> Answer:
        if request.headers.get("Content-Type", "").partition(";")[0] != "application/x-www-form-urlencoded":
            return _error(400, "invalid_request")
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        if form.get("grant_type") != "client_credentials":
            return _error(400, "unsupported_grant_type")
        if (form.get("client_id"), form.get("client_secret")) != (self.client_id, self.client_secret):
            return _error(401, "invalid_client")
        token = {"access_token": self.client.issue(), "token_type": "Bearer", "expires_in": self.client.lifetime}
        return Answer(200, encode(token))

    def _user_token(self, request: Request) -> Answer:
        try:
            body = json.loads(request.body)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return message(400, "the body is not a JSON object")
        if request.values["client"] != self.app_id:
            return message(404, "there is no such app")
        if body.get("clientSecret") != self.app_secret:
            return message(403, "wrong client secret")
        if body.get("userId") != self.user_id or body.get("scope") != "read":
            return message(400, "userId and scope are needed")
        # The response does not contain the token's lifetime.
        token = self.user.issue()
        return Answer(201, encode({"accessTokenId": f"id-of-{token}", "accessToken": token}))


def _error(status: int, code: str) -> Answer:
    return Answer(status, encode({"error": code}))
