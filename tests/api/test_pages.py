"""Forms of an answer: a list read wrongly is an incomplete one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tap_siro.api.decoding import MalformedPageError
from tap_siro.api.pages import Page, read_optional_page, read_page, read_recordings

if TYPE_CHECKING:
    from collections.abc import Callable


def body(answer: Any) -> bytes:
    return json.dumps(answer).encode()


@pytest.mark.parametrize(
    ("answer", "records", "cursor"),
    [
        ([{"id": "a"}], [{"id": "a"}], None),
        ([], [], None),
        ({"data": []}, [], None),
        ({"data": [{"id": "a"}], "cursor": None}, [{"id": "a"}], None),
        ({"data": [1], "cursor": ""}, [1], None),
        ({"data": [1], "cursor": "next"}, [1], "next"),
        ({"data": [1], "cursor": 17, "hasNextPage": True}, [1], "17"),
        ({"data": [1], "cursor": 0, "hasNextPage": True}, [1], "0"),
        ({"data": [1], "cursor": "next", "hasNextPage": None}, [1], "next"),
        ({"data": [1], "cursor": "next", "hasNextPage": False}, [1], None),
        ({"data": [1], "cursor": 17, "hasNextPage": False}, [1], None),
        ({"data": [1], "cursor": None, "hasNextPage": False, "limit": 25, "total": 1}, [1], None),
        ({"data": [1], "hasMore": False, "errors": []}, [1], None),
    ],
    ids=str,
)
def test_a_list_comes_in_any_of_its_forms(answer: Any, records: list[Any], cursor: str | None) -> None:
    """Live answers are not always what the vendor's document says: a list would be empty, or half."""
    page = read_page(body(answer))
    assert (page.records, page.cursor, page.fault) == (records, cursor, "")


@pytest.mark.parametrize(
    ("answer", "records"),
    [
        ({"data": {"items": [1], "other": 2}}, [1]),
        ({"data": {"items": None}}, None),
        ({"data": {"other": [1]}}, None),
        ({"data": [1]}, [1]),
        ({"data": None}, None),
    ],
    ids=str,
)
def test_a_named_list_may_be_missing_only_if_it_is_optional(answer: Any, records: list[Any] | None) -> None:
    """A recording without any would be reported as failed; a list of users that is missing would be taken for none."""
    assert read_page(body(answer), "items", optional=True).records == (records or [])
    if records is None:
        with pytest.raises(MalformedPageError):
            read_page(body(answer), "items")
    else:
        assert read_page(body(answer), "items").records == records


@pytest.mark.parametrize(
    "answer",
    [
        None,
        7,
        {},
        {"data": None},
        {"data": {"id": "a"}},
        {"items": []},
        {"error": "internal"},
        {"data": [1], "cursor": True},
        {"data": [1], "cursor": ["a"]},
        {"data": [1], "cursor": {}, "hasNextPage": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("read", [read_page, read_recordings])
def test_what_is_no_page_is_not_taken_for_an_empty_one(answer: Any, read: Callable[[bytes], Page]) -> None:
    """A target would be told that all users are gone."""
    with pytest.raises(MalformedPageError):
        read(body(answer))


@pytest.mark.parametrize("read", [read_page, read_recordings])
@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"hasNextPage": True}, "no cursor"),
        ({"cursor": None, "hasMore": True}, "no cursor"),
        ({"error": "internal"}, "reports an error"),
        ({"cursor": "next", "errors": ["internal"]}, "reports an error"),
    ],
    ids=str,
)
def test_an_answer_that_says_that_records_are_missing_is_believed(
    more: dict[str, Any], fault: str, read: Callable[[bytes], Page]
) -> None:
    """Half a list would be taken for the whole. But what did come is loaded."""
    page = read(body({"data": [1], **more}))
    assert page.records == [1]
    assert fault in page.fault


def test_a_cursor_that_is_a_number_is_kept_digit_by_digit() -> None:
    """A rounded cursor would skip records."""
    digits = "123456789012345678901234567890"
    assert read_page(b'{"data": [], "cursor": %s}' % digits.encode()).cursor == digits
    assert read_page(b'{"data": [], "cursor": 1700000000.120}').cursor == "1700000000.120"


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


def test_an_answer_about_something_else_is_told_from_an_optional_list() -> None:
    """An error would pass for a recording that has no utterances."""
    read = read_optional_page("items")
    assert read(body({"data": None})).records == []
    with pytest.raises(MalformedPageError, match=r"^JSON without a list of records$"):
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
