"""The sandbox itself, a stand-in for Siro's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.sandbox import timestamps
from tests.sandbox.recordings import Recordings
from tests.sandbox.routes import API, RECORDINGS, USER_API, Request, Route
from tests.sandbox.serving import Server
from tests.sandbox.streams import Details, Lists
from tests.sandbox.tokens import CLIENT_TOKEN, OAuth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from tests.sandbox.faults import Answer, Fault
    from tests.sandbox.store import Page, Recording


class Sandbox(Server):
    """A stand-in for Siro's API: the recordings endpoint, and whatever other routes it is given.

    Use it as a context manager. Recordings can be changed from any thread, and from the hook, at any time.
    """

    def __init__(
        self,
        recordings: Iterable[Recording],
        *,
        token: str = "sandbox-token",  # noqa: S107
        latency: float = 0.0,
        now: Callable[[], datetime] | None = None,
        rate_limit: tuple[int, float] | None = None,
        lists: Lists | None = None,
        routes: Iterable[Route] = (),
        port: int = 0,
        **rules: Any,
    ) -> None:
        """Take the recordings and how to serve them.

        Args:
            recordings: The data set. It is copied.
            token: The organization token.
            latency: Seconds from reading a page to sending it.
            now: The server's clock, if not the real one.
            rate_limit: How many requests are let through in any window of how many seconds.
            lists: What recordings point to. If it is not given, a small one that has nothing to do with them.
            routes: Further addresses.
            port: The port, if not any free one.
            rules: How recordings are served: see `Recordings`.
        """
        super().__init__(latency=latency, now=now, rate_limit=rate_limit, port=port)
        self.token = token
        self.hook: Callable[[Sandbox, Request], object] | None = None
        """Called before a page of recordings is read."""
        self._endpoint = Recordings(recordings, **rules)
        self._store = self._endpoint.store
        self.oauth = OAuth(self.now)
        """The other tokens, and what they are made from."""
        self.lists = lists or Lists.default()
        """The lists that recordings point to. May be changed at any time."""
        self.details = Details(self._store, self.lists)
        """The details of single recordings."""
        self._routes = [
            Route(RECORDINGS, self._page),
            *self.oauth.routes,
            *self.details.routes(self._is_users),
            *self.lists.routes(self._is_users),
            *routes,
        ]

    @property
    def url(self) -> str:
        """Return the address to configure as `api_url`."""
        return f"{self.host}{API}"

    @property
    def auth_url(self) -> str:
        """Return the address to configure as `auth_url`."""
        return f"{self.host}{CLIENT_TOKEN}"

    @property
    def user_api_url(self) -> str:
        """Return the address to configure as `user_api_url`."""
        return f"{self.host}{USER_API}"

    @property
    def requests(self) -> list[Request]:
        """Return the requests for pages of recordings so far, in the order of their arrival."""
        return self.requests_to(RECORDINGS)

    @property
    def recordings(self) -> list[Recording]:
        """Return copies of the recordings as they are now."""
        return self._store.snapshot()

    def add(self, recording: Recording) -> None:
        """Add a recording."""
        self._store.add(recording)

    def remove(self, recording_id: str, /) -> None:
        """Remove a recording."""
        self._store.remove(recording_id)

    def update(self, recording_id: str, /, **changes: Any) -> Recording:
        """Change fields of a recording, and its `updatedAt` to now unless that is among them; return it."""
        return self._store.update(
            recording_id, {"updatedAt": timestamps.from_ms(timestamps.to_ms(self.now()))} | changes
        )

    def enrich(self, recording_id: str, /, **changes: Any) -> Recording:
        """Change fields of a recording without moving its `updatedAt`, as Siro does when a score lands; return it."""
        return self._store.update(recording_id, changes)

    def peek(self, request: Request) -> Page:
        """Return the page that a request for recordings would get now."""
        return self._endpoint.page(request)

    def heavy(self, most: int, kind: str = "status", **options: Any) -> Fault:
        """Let every page of recordings go wrong that has more rows than so many."""

        def too_much(request: Request) -> bool:
            return len(self.peek(request).rows) > most

        return self.fault(kind, on=None, when=too_much, **options)

    def allows(self, request: Request) -> bool:
        """Return True if a request has a token that the API accepts."""
        return request.bearer == self.token or self.oauth.client.takes(request.bearer)

    def _is_users(self, request: Request) -> bool:
        """Return True if a request has a token of the second host, where the organization token must not get."""
        sent = [*request.headers.values(), *request.params.values(), request.body.decode("utf-8", "replace")]
        if any(self.token in text for text in sent):
            self.errors.append(AssertionError("the organization token was sent to the second host"))
        token = request.headers.get("X-Siro-Auth-Token")
        return self.oauth.user.takes(token) or self.oauth.client.takes(token)

    def _page(self, request: Request) -> Answer:
        return self._endpoint.answer(request, lambda: self._call_hook(request))

    def _call_hook(self, request: Request) -> None:
        if request.fault is None and self.hook is not None:
            self.hook(self, request)
