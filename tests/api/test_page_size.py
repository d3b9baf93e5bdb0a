"""The page size shrinks while pages are too large, grows again, and is not sent once it is refused."""

from __future__ import annotations

import logging

import pytest

from tap_siro.api.page_size import DEFAULT, GOOD_PAGES, SMALLEST, PageSize


def answer(sizes: PageSize, pages: int, wanted: int = 100) -> int | None:
    """Return the size after a number of good pages."""
    for _ in range(pages):
        sizes.good(wanted)
    return sizes.begin(wanted)


def test_it_is_halved_down_to_five() -> None:
    sizes, tried = PageSize("/list"), list[int]()
    while (size := sizes.begin(100)) and (not tried or size < tried[-1]):
        tried.append(size)
        assert sizes.can_reduce(size) is (size > SMALLEST)
        assert sizes.reduce(size) is (size > SMALLEST)
    assert tried == [100, 50, 25, 12, 6, 5]
    assert sizes.begin(3) == 3, "whoever asks for less gets it"
    assert not sizes.reduce(None)


def test_threads_that_fail_at_the_same_size_halve_it_once(caplog: pytest.LogCaptureFixture) -> None:
    """With eight threads, one short fault would reduce pages to five."""
    sizes = PageSize("/list")
    with caplog.at_level(logging.WARNING):
        assert all(sizes.reduce(100) for _ in range(8))
        assert sizes.begin(100) == 50
        (message,) = caplog.messages
        answer(sizes, GOOD_PAGES)
        sizes.reduce(100)
    assert caplog.messages == [message], "once for each size"
    assert message.startswith("Pages of 100 records of /list seem too large for Siro's API; requesting 50 at a time.")


def test_it_grows_again_after_good_pages_and_has_no_limit_at_the_end() -> None:
    """After an outage of a minute, the rest of a full sync would take four times as long."""
    sizes = PageSize("/list")
    sizes.reduce(100)
    sizes.reduce(50)
    assert answer(sizes, GOOD_PAGES - 1) == 25
    assert answer(sizes, 1) == 50
    assert answer(sizes, GOOD_PAGES - 1) == 50
    assert answer(sizes, 1) == 100
    assert sizes.begin(500) == 500


def test_a_failure_begins_the_count_again() -> None:
    sizes = PageSize("/list")
    sizes.reduce(100)
    answer(sizes, GOOD_PAGES - 1)
    sizes.reduce(50)
    assert answer(sizes, GOOD_PAGES - 1) == 25
    assert answer(sizes, 1) == 50


def test_each_relapse_takes_twice_as_many_good_pages() -> None:
    """If large pages never work, every twentieth would fail three times."""
    sizes, patience = PageSize("/list"), GOOD_PAGES
    sizes.reduce(100)
    for _ in range(4):
        assert answer(sizes, patience - 1) == 50
        assert answer(sizes, 1) == 100
        sizes.reduce(100)
        patience *= 2
    assert sizes.begin(100) == 50


def test_it_is_dropped_once_refused(caplog: pytest.LogCaptureFixture) -> None:
    """An API without large pages could not be read."""
    sizes = PageSize("/list")
    with caplog.at_level(logging.WARNING):
        assert sizes.drop(100)
        assert sizes.drop(100), "another thread's"
    (message,) = caplog.messages
    assert message.startswith("Siro's API refused pages of 100 records of /list; requesting them without a page size.")
    assert sizes.begin(100) is None
    assert sizes.rows(100) == DEFAULT


def test_pages_without_a_size_that_are_too_heavy_get_one() -> None:
    sizes = PageSize("/list")
    sizes.drop(100)
    assert not sizes.reduce(sizes.begin(100))
    sizes = PageSize("/list")
    sizes.reduce(100)
    sizes.reduce(50)
    sizes.drop(50)
    assert sizes.begin(100) is None, "as many as come without a size"
    sizes.reduce(25)
    assert sizes.begin(100) == sizes.rows(100) == 12


def test_it_grows_to_less_than_what_is_wanted() -> None:
    sizes = PageSize("/list")
    sizes.reduce(50)
    assert answer(sizes, GOOD_PAGES, wanted=60) == 50


def test_every_page_is_counted() -> None:
    """Poison could not be told from an outage: in an outage, no page comes."""
    sizes = PageSize("/list")
    answer(sizes, 3)
    sizes.good(None)
    assert sizes.pages == 4


@pytest.mark.parametrize(("size", "accepted"), [(100, True), (DEFAULT, False), (5, False), (None, False)])
def test_a_size_that_cannot_be_the_reason_is_kept(size: int | None, accepted: bool) -> None:
    """A single 400 would change all pages, and a second request would hide its cause."""
    sizes = PageSize("/list")
    if accepted:
        sizes.good(100)
    assert not sizes.drop(size)
    assert sizes.begin(100) == 100


def test_a_chain_without_a_size_sends_none() -> None:
    sizes = PageSize("/list")
    assert sizes.begin(None) is None
    sizes.reduce(100)
    sizes.good(None)
    assert sizes.begin(None) is None
    assert sizes.rows(None) == DEFAULT
