"""A host that requests go to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_siro.api.transport import name_host

if TYPE_CHECKING:
    from tap_siro.api.authentication import Authentication


@dataclass(slots=True)
class Host:
    """An address, the authorization for it, and the success of its requests in this run."""

    url: str
    """Prefix of all paths."""
    auth: Authentication
    setting: str = "api_url"
    """The setting that the address comes from."""
    successes: int = 0
    """Requests that had an answer."""
    is_down: bool = False
    """True after a request failed for `max_retry_seconds` while no other succeeded; until one does, none is retried."""

    @property
    def name(self) -> str:
        """Return the subject of a sentence about it."""
        return name_host(self.setting)
