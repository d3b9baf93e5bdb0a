"""Requests as the sandbox received them, and the routes that answer them."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import unquote

from tests.sandbox.faults import Answer
from tests.sandbox.store import encode

if TYPE_CHECKING:
    from collections.abc import Callable

API = "/api-externalApi"
"""Beginning of the paths of the API's own routes."""
USER_API = "/user-api"
"""Beginning of the paths of the second host's routes."""
RECORDINGS = "/v1/core/recordings"


@dataclass
class Request:
    """A request as the sandbox received it."""

    method: str
    path: str
    """The whole path, with the host's prefix."""
    pairs: list[tuple[str, str]]
    """The query string, in the order sent."""
    headers: dict[str, str]
    body: bytes
    time: float
    route: str = ""
    """Path or label of the route that answers, with `{names}`; empty if there is none."""
    values: dict[str, str] = field(default_factory=dict)
    """Values in the path for the route's `{names}`."""
    number: int = 0
    """Place among the requests of its route, from 1."""
    authorized: bool = False
    status: int = 0
    rows: int = 0
    fault: str | None = None
    params: dict[str, str] = field(init=False)
    """The query parameters; if one is given twice, the first."""

    def __post_init__(self) -> None:
        """Read the parameters."""
        self.params = {}
        for name, value in self.pairs:
            self.params.setdefault(name, value)

    @property
    def user_agent(self) -> str:
        """Return the client's user agent, or an empty string."""
        return self.headers.get("User-Agent", "")

    @property
    def bearer(self) -> str | None:
        """Return the request's token, if any."""
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        return token if kind == "Bearer" else None


@dataclass(frozen=True, eq=False)
class Route:
    """An address, and its response.

    `path` may contain `{names}`, each for one part of the path. Register it with `Sandbox(routes=…)` or
    `Sandbox.route`; the server handles the log, faults, latency, the rate limit, the user agent and the token.
    """

    path: str
    answer: Callable[[Request], Answer]
    method: str = "GET"
    base: str = API
    """Beginning of every path of the host."""
    allows: Callable[[Request], bool] | None = None
    """Returns True if a request may have the answer. None: if it bears a token that the API takes."""
    limited: bool = True
    """True if its requests count for the rate limit."""
    label: str = ""
    """Name in `Request.route` and in faults, if not the path: two hosts may have the same."""

    def match(self, path: str) -> dict[str, str] | None:
        """Return the values of the names in a path, or None if the path belongs to another route."""
        found = _pattern(self.base + self.path).fullmatch(path)
        return None if found is None else {name: unquote(value) for name, value in found.groupdict().items()}


@functools.cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))


class Endpoint:
    """Base class of endpoints, one for each module."""

    path: ClassVar[str]
    base: ClassVar[str] = API
    label: ClassVar[str] = ""

    def route(self, answer: Callable[[Request], Answer], users: Callable[[Request], bool]) -> Route:
        """Return the route; `users` returns True if the user host accepts a request's token."""
        allows = users if self.base == USER_API else None
        return Route(self.path, answer, base=self.base, allows=allows, label=self.label)

    def error(self, status: int) -> Answer:
        """Make an error in the host's words."""
        return error(self.base, status, HTTPStatus(status).phrase)


def error(base: str, status: int, text: str) -> Answer:
    """Make an error in a host's words."""
    if base != USER_API:
        return Answer(status, encode({"message": text}))
    if status != HTTPStatus.BAD_REQUEST:
        return Answer(status, encode({"error": text}))
    issue = {"code": "custom", "path": [], "message": text}
    return Answer(422, encode({"issues": [issue], "name": "ZodError"}))
