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
    """A stand-in for Siro's API: the recordings endpoint, lists, details, and any further routes.

    Use it as a context manager. Recordings can be changed at any time, from any thread and from the hook.
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
        """Take the recordings and the rules for serving them.

        Args:
            recordings: The data set. It is copied.
            token: The organization token.
            latency: Seconds between reading a page and sending it.
            now: The server's clock; the real one by default.
            rate_limit: Maximum number of requests, and the length of the window in seconds.
            lists: Rows of the lists; by default a small set that does not match the recordings.
            routes: Further addresses.
            port: The port; any free one by default.
            rules: Rules for serving recordings: see `Recordings`.
        """
        super().__init__(latency=latency, now=now, rate_limit=rate_limit, port=port)
        self.token = token
        self.hook: Callable[[Sandbox, Request], object] | None = None
        """Called before a page of recordings is read."""
        self._endpoint = Recordings(recordings, **rules)
        self._store = self._endpoint.store
        self.oauth = OAuth(self.now)
        """The other tokens, and the credentials for them."""
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
        """Change fields of a recording, and set its `updatedAt` to now unless given; return it."""
        return self._store.update(
            recording_id, {"updatedAt": timestamps.from_ms(timestamps.to_ms(self.now()))} | changes
        )

    def enrich(self, recording_id: str, /, **changes: Any) -> Recording:
        """Change fields of a recording but not its `updatedAt`, as Siro does for a late score; return it."""
        return self._store.update(recording_id, changes)

    def peek(self, request: Request) -> Page:
        """Return the page that a request for recordings would get now."""
        return self._endpoint.page(request)

    def heavy(self, most: int, kind: str = "status", **options: Any) -> Fault:
        """Let every page of recordings fail that has more than a number of rows."""

        def too_much(request: Request) -> bool:
            return len(self.peek(request).rows) > most

        return self.fault(kind, on=None, when=too_much, **options)

    def allows(self, request: Request) -> bool:
        """Return True if a request has a token that the API accepts."""
        return request.bearer == self.token or self.oauth.client.takes(request.bearer)

    def _is_users(self, request: Request) -> bool:
        """Return True if a request has a token for the user host; an organization token there is an error."""
        sent = [*request.headers.values(), *request.params.values(), request.body.decode("utf-8", "replace")]
        if any(self.token in text for text in sent):
            self.errors.append(AssertionError("the organization token was sent to the user host"))
        token = request.headers.get("X-Siro-Auth-Token")
        return self.oauth.user.takes(token) or self.oauth.client.takes(token)

    def _page(self, request: Request) -> Answer:
        return self._endpoint.answer(request, lambda: self._call_hook(request))

    def _call_hook(self, request: Request) -> None:
        if request.fault is None and self.hook is not None:
            self.hook(self, request)
