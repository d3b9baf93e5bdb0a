"""The end of a chain is a page without a cursor, and nothing else: rows would be missing, or a sync never end."""

from __future__ import annotations

import pytest

from tap_siro.api.chain import MAX_EMPTY_PAGES, CursorPaginator
from tap_siro.errors import TapSiroError


def test_it_goes_on_while_there_is_a_cursor() -> None:
    assert CursorPaginator().cursor is None
    paginator = CursorPaginator()
    assert paginator.advance(5, "a")
    assert paginator.cursor == "a"
    assert paginator.advance(0, "b")
    assert not paginator.advance(5, None)
    assert paginator.pages == 3


@pytest.mark.parametrize("cursors", [["a", "a"], ["a", "b", "a"], ["a", "b", "c", "b"]])
def test_a_cursor_that_comes_back_is_an_error(cursors: list[str]) -> None:
    paginator = CursorPaginator()
    for cursor in cursors[:-1]:
        paginator.advance(5, cursor)
    with pytest.raises(TapSiroError, match="same cursor twice"):
        paginator.advance(5, cursors[-1])


def test_a_thousand_empty_pages_in_a_row_are_an_error() -> None:
    paginator = CursorPaginator()
    for number in range(MAX_EMPTY_PAGES - 1):
        assert paginator.advance(0, f"cursor {number}")
    assert paginator.advance(1, "a row between them")
    for number in range(MAX_EMPTY_PAGES - 1):
        assert paginator.advance(0, f"another {number}")
    with pytest.raises(TapSiroError, match="empty pages in a row"):
        paginator.advance(0, "the thousandth")
