"""Forms of an answer: a list read wrongly is an incomplete one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tap_siro.api.decoding import MalformedPageError
from tap_siro.api.pages import read_optional_page, read_page, read_recordings


def body(answer: Any) -> bytes:
    return json.dumps(answer).encode()


@pytest.mark.parametrize("answer", [{"data": {"items": [1, 2], "more": 3}}, {"items": [1, 2], "more": 3}])
def test_a_named_list_comes_with_what_is_sent_beside_it(answer: dict[str, Any]) -> None:
    """Utterances would lose the names of their speakers."""
    page = read_page(body(answer), "items")
    assert page.records == [1, 2]
    assert page.answer["more"] == 3
    assert read_optional_page("items")(body(answer)).records == [1, 2]


def test_records_in_lists_of_lists_are_records() -> None:
    """By the OpenAPI document, events come so: each list would count as one event without an id."""
    assert read_page(body({"data": [[{"id": 1}, {"id": 2}], [], {"id": 3}]})).records == [{"id": n} for n in (1, 2, 3)]


@pytest.mark.parametrize(("total", "read"), [(5, 5), (0, 0), ("5", None), (True, None), (5.5, None), (None, None)])
def test_a_number_of_all_records_is_noted(total: Any, read: int | None) -> None:
    """A list that ends early would pass for complete, and the target would delete the rest."""
    assert read_page(body({"data": [], "total": total})).total == read
    assert read_recordings(body({"data": [], "cursor": "next", "total": total})).total == read


def test_recordings_have_the_cursor_of_the_next_page() -> None:
    page = read_recordings(body({"data": [{"id": 1}], "cursor": "next"}))
    assert (page.records, page.cursor) == ([{"id": 1}], "next")
    assert read_recordings(body({"data": [], "cursor": ""})).cursor is None


def test_an_answer_without_its_list_is_told_from_an_empty_list() -> None:
    """A page of an error would pass for a recording that has no utterances."""
    read = read_optional_page("items")
    assert read(body({"data": {"items": None}})).records == []
    assert read(body({"data": None})).records == []
    with pytest.raises(MalformedPageError, match="JSON without a list of records"):
        read(body({"message": "try later"}))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"data": 7}, "JSON without a list of recordings"),
        ([], "JSON without a list of recordings"),
        ({"data": [], "cursor": 7}, "JSON whose cursor is not text"),
    ],
)
def test_the_difference_is_named_without_content(answer: Any, said: str) -> None:
    """Somebody who must report it to Siro would not know what to say."""
    with pytest.raises(MalformedPageError, match=f"^{said}$"):
        read_recordings(body(answer))
    with pytest.raises(MalformedPageError, match=r"^JSON whose cursor is neither text nor a number$"):
        read_page(body({"data": [], "cursor": ["a"]}))
