"""Requests as the sandbox saw them, and the routes that answer them."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.faults import Answer

API = "/api-externalApi"
"""Where the API's own routes are."""
RECORDINGS = "/v1/core/recordings"


@dataclass
class Request:
    """A request as the sandbox saw it."""

    method: str
    path: str
    """The whole path, with the part that every address of a host begins with."""
    pairs: list[tuple[str, str]]
    """The query string, in its order."""
    headers: dict[str, str]
    body: bytes
    time: float
    route: str = ""
    """The path of the route that answers, with `{names}`; nothing if there is none."""
    values: dict[str, str] = field(default_factory=dict)
    """What stands in the path for the route's `{names}`."""
    number: int = 0
    """Place among the requests of its route, from 1."""
    authorized: bool = False
    status: int = 0
    rows: int = 0
    fault: str | None = None
    params: dict[str, str] = field(init=False)
    """The query parameters; of one that is given twice, the first."""

    def __post_init__(self) -> None:
        """Read the parameters."""
        self.params = {}
        for name, value in self.pairs:
            self.params.setdefault(name, value)

    @property
    def user_agent(self) -> str:
        """The user agent that the client named, or an empty string."""
        return self.headers.get("User-Agent", "")

    @property
    def bearer(self) -> str | None:
        """The token that the request bears, if it bears one."""
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        return token if kind == "Bearer" else None


@dataclass(frozen=True, eq=False)
class Route:
    """One address, and what it answers.

    `path` may hold `{names}`, each for one part of the path. Register it with `Sandbox(routes=…)` or
    `Sandbox.route`; the server itself sees to the log, faults, latency, the rate limit, the user agent and the token.
    """

    path: str
    answer: Callable[[Request], Answer]
    method: str = "GET"
    base: str = API
    """What every address of the host begins with."""
    allows: Callable[[Request], bool] | None = None
    """Whether a request may have the answer; None: if it bears a token that the API takes."""
    limited: bool = True
    """Whether its requests count for the rate limit."""

    def match(self, path: str) -> dict[str, str] | None:
        """What stands for the names in a path as it was sent, or None if it is another one's."""
        found = _pattern(self.base + self.path).fullmatch(path)
        return None if found is None else {name: unquote(value) for name, value in found.groupdict().items()}


@functools.cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))
