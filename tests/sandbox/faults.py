"""Faults on demand, between the tap and the API."""

from __future__ import annotations

import json
import socket
import struct
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.sandbox.store import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.routes import Request

_HTML_PAGE = b"<!doctype html><html><body><h1>Something else</h1></body></html>"
_JSON = "application/json"

# Options of each kind, with their defaults; `...` is required.
KINDS: dict[str, dict[str, Any]] = {
    "status": {"status": 500, "body": b'{"message":"fault"}', "content_type": _JSON, "headers": {}},
    "reset": {},
    "timeout": {"seconds": ...},
    "short": {},
    "cut": {},
    "html": {"status": 200, "body": _HTML_PAGE, "content_type": "text/html", "headers": {}},
    "body": {"body": ...},
    "slow": {"seconds": ...},
    "edit": {"edit": ..., "status": 200},
    "redirect": {"location": ...},
}


@dataclass
class Fault:
    """A fault, and the requests that it affects."""

    kind: str
    path: str | None
    on: int | None
    when: Callable[[Request], bool] | None
    options: dict[str, Any]
    hits: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """Check the kind and the options: a misspelt fault would have no effect, and the test would pass."""
        known = KINDS.get(self.kind)
        if known is None:
            raise ValueError(f"a fault is one of {', '.join(KINDS)}")
        if unknown := self.options.keys() - known.keys():
            raise TypeError(f"{self.kind} has no option {', '.join(sorted(unknown))}")
        self.options = known | self.options
        if missing := [name for name, value in self.options.items() if value is ...]:
            raise TypeError(f"{self.kind} needs {', '.join(missing)}")

    def takes(self, request: Request) -> bool:
        """Return True if the fault affects this request, and count it."""
        if self.path not in {None, request.route} or (self.on is not None and self.hits >= self.on):
            return False
        if self.when is not None and not self.when(request):
            return False
        self.hits += 1
        return True


@dataclass
class Answer:
    """Response, ordinary or broken."""

    status: int
    body: bytes
    rows: int = 0
    content_type: str = _JSON
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    ending: str = "whole"

    async def send(self, request: web.Request, date: str) -> web.StreamResponse:
        """Send the response, with the current date."""
        headers = {"Date": date, **self.headers}
        if self.ending == "short":
            part = web.StreamResponse(status=self.status, headers=headers)
            part.content_type = self.content_type
            part.content_length = len(self.body)
            await part.prepare(request)
            await part.write(self.body[: len(self.body) // 2])
            hang_up(request, reset=False)
            return part
        if self.ending != "whole":
            hang_up(request, reset=self.ending == "reset")
            # The server requires a response of every handler, but the connection is closed.
            return web.Response()
        return web.Response(status=self.status, body=self.body, content_type=self.content_type, headers=headers)


def message(status: int, text: str) -> Answer:
    """Make an error in the API's words."""
    return Answer(status, encode({"message": text}))


def hang_up(request: web.Request, *, reset: bool) -> None:
    """Close the connection, normally or with a TCP reset."""
    transport = request.transport
    if transport is None:
        return
    if reset:
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()


def apply(fault: Fault, page: Callable[[], Answer]) -> Answer:
    """Answer a request that a fault affects. The page is the response without the fault."""
    options = fault.options
    match fault.kind:
        case "status" | "html":
            return Answer(**options)
        case "body":
            return Answer(200, _as_bytes(options["body"]), rows=_rows(options["body"]))
        case "redirect":
            return Answer(302, b"", headers={"Location": options["location"]})
        case "reset":
            return Answer(0, b"", ending="reset")
        case "timeout":
            return Answer(0, b"", ending="close", delay=options["seconds"])
        case _:
            return _spoil(fault, page())


def _spoil(fault: Fault, answer: Answer) -> Answer:
    """Change an ordinary page. Error responses stay unchanged."""
    if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
        return answer
    match fault.kind:
        case "short":
            answer.ending, answer.rows = "short", 0
        case "cut":
            answer.body, answer.rows = answer.body[: len(answer.body) // 2], 0
        case "slow":
            answer.delay = fault.options["seconds"]
        case "edit":
            edited = fault.options["edit"](json.loads(answer.body))
            answer.status = fault.options["status"]
            answer.body, answer.rows = _as_bytes(edited), _rows(edited)
    return answer


def _rows(page: object) -> int:
    rows = page.get("data") if isinstance(page, dict) else None
    return len(rows) if isinstance(rows, list) else 0


def _as_bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else encode(value)
