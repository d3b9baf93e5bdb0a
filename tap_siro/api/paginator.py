"""The rules by which a chain of pages goes on and ends."""

from __future__ import annotations

from tap_siro.errors import TapSiroError

MOST_EMPTY_PAGES = 100


class CursorPaginator:
    """Follows the cursors of one chain.

    The end is a page without a cursor, nothing else: a page may be empty and still have one. A cursor that comes
    back, or a hundred empty pages in a row, would make an endless loop and are errors.
    """

    def __init__(self) -> None:
        """Start before the first page."""
        self.cursor: str | None = None
        """The cursor to ask for the next page with; None for the first."""
        self.pages = 0
        self._seen: set[str] = set()
        self._empty = 0

    def advance(self, records: int, cursor: str | None) -> bool:
        """Take note of a page.

        Args:
            records: How many recordings it had.
            cursor: Its cursor.

        Returns:
            Whether there is another page.

        Raises:
            TapSiroError: The chain would never end.
        """
        self.pages += 1
        self._empty = 0 if records else self._empty + 1
        self.cursor = cursor
        if cursor is None:
            return False
        if cursor in self._seen:
            message = (
                f"Siro's API gave the same cursor twice, after {self.pages} pages: following it would never end. "
                "Nothing is lost; run the sync again, and report it to Siro if it stays."
            )
            raise TapSiroError(message)
        self._seen.add(cursor)
        if self._empty >= MOST_EMPTY_PAGES:
            message = (
                f"Siro's API gave {self._empty} empty pages in a row, each with a cursor: it seems not to end. "
                "Nothing is lost; run the sync again, and report it to Siro if it stays."
            )
            raise TapSiroError(message)
        return True
