"""The page size of one endpoint: smaller while pages are too heavy for the API, and not sent if it is refused."""

from __future__ import annotations

import logging
import threading

DEFAULT = 25
"""Records of a page without a page size, by the vendor's page on recordings."""
SMALLEST = 5
"""Records of the smallest pages that are requested."""
GOOD_PAGES = 20
"""Pages after which a reduced size is doubled. Twice as many each time that the larger size fails again."""

logger = logging.getLogger(__name__)


class PageSize:
    """The page size that the chains of one endpoint begin with. All threads share one."""

    def __init__(self, endpoint: str) -> None:
        self.pages = 0
        """Pages that came, of any size."""
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._limit: int | None = None
        self._sent = True
        self._good = 0
        self._grown = False
        self._too_large: set[int] = set()
        self._patience = GOOD_PAGES

    def begin(self, wanted: int | None) -> int | None:
        """Return the size for a new chain; None if none is sent."""
        limit = self._limit
        if wanted is None or (not self._sent and (limit is None or limit >= DEFAULT)):
            return None
        return wanted if limit is None else min(wanted, limit)

    def rows(self, wanted: int | None) -> int:
        """Return the records to expect of a page."""
        return self.begin(wanted) or DEFAULT

    def good(self, wanted: int | None) -> None:
        """Count a successful page. Outages end, so the size grows again after enough pages."""
        self.pages += 1
        if self._limit is None or wanted is None:
            return
        with self._lock:
            self._good += 1
            if self._good >= self._patience:
                self._good, self._grown = 0, True
                self._limit = 2 * self._limit if 2 * self._limit < wanted else None

    @staticmethod
    def can_reduce(size: int | None) -> bool:
        """Return True if pages can be smaller."""
        return size is not None and size > SMALLEST

    def reduce(self, size: int | None) -> bool:
        """Halve the size after pages of `size` have failed; False if there is no smaller one."""
        if size is None or not self.can_reduce(size):
            return False
        with self._lock:
            if self._limit is not None and self._limit < size:
                return True  # another thread was faster
            is_known = size in self._too_large
            self._too_large.add(size)
            self._patience *= 2 if self._grown else 1
            self._grown = False
            self._limit, self._good = max(SMALLEST, size // 2), 0
        if not is_known:
            logger.warning(
            "Pages of %d records of %s seem too large for Siro's API; requesting %d at a time. If the sync then works, "
            "set `page_size` to %d.",
            size, self._endpoint, self._limit, self._limit,
        )  # fmt: skip
        return True

    def drop(self, size: int | None) -> bool:
        """Send no size from now on, because it was refused; False if it was not the reason."""
        if size is None or size <= DEFAULT or self.pages:
            return False
        with self._lock:
            first, self._sent = self._sent, False
        if first:
            logger.warning(
                "Siro's API refused pages of %d records of %s; requesting them without a page size. If it works, set "
                "`page_size` to %d or less.",
                size, self._endpoint, DEFAULT,
            )  # fmt: skip
        return True
