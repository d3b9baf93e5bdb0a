"""What a chain's pages show. A wrong guess costs requests: a chain that is given up is read again from its start."""

from __future__ import annotations

from typing import Any

import pytest

from tap_siro.chains import KEPT, LATEST, OVERDUE, UNSURE, Chain, Run, Sample, extent, middle, run_of

PAGE = 20


def page(start: int, end: int, rows: int = PAGE) -> list[int]:
    return [start + (end - start) * number // (rows - 1) for number in range(rows)]


def chain(*pages: list[int], length: int | None = None, **options: Any) -> Chain:
    made = Chain(0, 10_000, **{"expected": None, "whole": False, "open": False, **options})
    for number, one in enumerate(pages, 1):
        made.add(one, number)
    made.length = length or made.length
    return made


RISING = [page(0, 190), page(200, 390), page(400, 590)]
FALLING = [page(9_800, 9_990), page(9_600, 9_790), page(9_400, 9_590)]
SAMPLES = [page(0, 9_500), page(100, 9_600), page(50, 9_550)]
LOCAL = [page(4_000, 4_950), page(4_010, 4_960), page(4_000, 4_950)]
SLOW = [page(number * 40, number * 40 + 250) for number in range(12)]


def test_single_rows_out_of_order_do_not_count() -> None:
    assert extent([0, 0, *range(100, 116), 900, 999]) == (100, 115)
    assert extent([5]) == (5, 5)
    assert middle([1, 2, 3, 4]) == 3


@pytest.mark.parametrize(
    ("pages", "run"),
    [
        (RISING, Run(100, 500, 40, falling=False)),
        (FALLING, Run(9_500, 9_900, 40, falling=True)),
        (SAMPLES, None),
        (SLOW[:3], None),
        (SLOW, Run(131, 571, 220, falling=False)),
    ],
)
def test_pages_run_through_time_or_lie_upon_each_other(pages: list[list[int]], run: Run | None) -> None:
    assert run_of(pages) == run


def test_samples_of_a_time_with_a_gap_do_not_run() -> None:
    """By id, with years of nothing in the middle: one thread would follow what looks like a run to its end."""
    earlier, later = page(0, 1_000), page(9_000, 10_000)
    assert run_of([[*earlier, *later[:18]], [*earlier[:18], *later]]) is None
    assert run_of([[7] * PAGE] * 2) is None


def test_a_slice_that_is_read_again_shows_itself_anew() -> None:
    """The pages of the first reading would pass for samples, and the slice be cut for nothing."""
    made = chain(*RISING)
    made.add(RISING[0], 1)
    assert made.pages == RISING[:1]


def test_a_chain_keeps_as_many_pages_as_it_needs() -> None:
    """Memory must not depend on how long a chain gets."""
    made = chain(*([number] * PAGE for number in range(3 * KEPT)))
    assert len(made.pages) == KEPT + 1
    assert made.pages[-1][0] == made.length - 1 == 3 * KEPT - 1


@pytest.mark.parametrize(
    ("first", "options", "run"),
    [
        (RISING[0], {}, Run(20, 170, 16.0, falling=False)),
        (FALLING[0], {}, Run(9_820, 9_970, 16.0, falling=True)),
        ([7] * PAGE, {}, Run(7, 7, 16.0, falling=False)),
        (page(1_000, 2_500), {}, Run(1_157, 2_342, 16.0, falling=False)),
        (page(1_000, 2_900), {}, None),
        (RISING[0], {"whole": True}, None),
        (RISING[0], {"open": True}, None),
        (RISING[0], {"expected": 100.0}, None),
    ],
)
def test_a_first_page_near_one_end_suggests_a_run(first: list[int], options: dict[str, Any], run: Run | None) -> None:
    """Where something is expected, a second page can be waited for; without a beginning, any page lies near one end."""
    assert chain(first, **options).shows() == run


@pytest.mark.parametrize(
    ("pages", "run"),
    [
        ([SAMPLES[0], *RISING], run_of(RISING)),
        (FALLING[:2], run_of(FALLING[:2])),
        (SLOW, run_of(SLOW[5:])),
    ],
)
def test_the_last_pages_say_what_a_chain_is_doing(pages: list[list[int]], run: Run) -> None:
    """A slow run shows only over many pages."""
    assert chain(*pages).shows() == run


@pytest.mark.parametrize(
    ("pages", "options", "start", "end"),
    [
        (SAMPLES, {}, 0, 10_000),
        (SAMPLES, {"whole": True}, 0, 10_000),
        (LOCAL, {}, 4_100, 4_861),
        (LOCAL, {"whole": True}, 0, 10_000),
        (SAMPLES, {"open": True}, 1_000, 8_601),
        ([RISING[0], *LOCAL], {}, 4_100, 4_861),
    ],
)
def test_pages_are_a_sample_of_where_they_lie(
    pages: list[list[int]], options: dict[str, Any], start: int, end: int
) -> None:
    """What lies beside a dense part is not dense: cut like that, it would cost a request for each cut."""
    moments = sorted(at for one in pages for at in one if start <= at < end)
    assert chain(*pages, **options).shows() == Sample(start, end, moments)


def test_a_slice_without_width_has_a_sample_all_the_same() -> None:
    """A clock that is days behind: everything was created in the future. A division by nothing would end the sync."""
    made = Chain(50, 50, expected=None, whole=False, open=False)
    for number in range(1, LATEST + 1):
        made.add([50] * PAGE, number)
    assert made.shows() == Sample(50, 50, [50] * PAGE * LATEST)


def test_what_was_passed_and_what_is_ahead() -> None:
    """The first page does not say for sure which end the run came from; the second does."""
    rising, falling = chain(*RISING[:2]), chain(*FALLING[:2])
    for made, passed, ahead in ((rising, (0, 20, 2.0), (300, 10_000)), (falling, (9_970, 10_000, 2.0), (0, 9_700))):
        run = made.shows()
        assert isinstance(run, Run)
        assert made.passed(run) == passed
        assert made.ahead(run) == ahead
        assert chain(*made.pages[:1]).passed(run) is None
        assert chain(*made.pages, made.pages[0]).passed(run) is None


def overdue(pages: list[list[int]], *, idle: bool = False, **options: Any) -> bool:
    made = chain(*pages, **options)
    sample = made.shows()
    assert isinstance(sample, Sample)
    return made.overdue(sample, PAGE, idle=idle)


LONG = OVERDUE * 4  # pages, if four are expected


@pytest.mark.parametrize(
    ("pages", "options", "given_up"),
    [
        (SAMPLES[:2], {"whole": True}, True),
        (SAMPLES[:2], {}, False),
        (SAMPLES, {"length": UNSURE - 1}, False),
        (SAMPLES, {"length": UNSURE}, True),
        (SAMPLES, {"length": KEPT - 1, "expected": 1e9}, False),
        (SAMPLES, {"length": KEPT, "expected": 1e9}, True),
        (SAMPLES, {"length": LONG - 1, "expected": 4.0 * PAGE}, False),
        (SAMPLES, {"length": LONG, "expected": 4.0 * PAGE}, True),
        (SAMPLES, {"length": UNSURE, "expected": 2.0 * PAGE, "idle": True}, True),
        (SAMPLES, {"length": UNSURE + 1, "expected": 2.0 * PAGE, "idle": True}, False),
        (SAMPLES, {"length": UNSURE, "expected": 4.0 * PAGE, "idle": True}, False),
        (LOCAL, {"expected": 4.0 * PAGE}, True),
        (LOCAL, {"expected": 10.0 * PAGE}, False),
        (LOCAL, {"length": 20, "expected": 10.0 * PAGE, "idle": True}, True),
        (LOCAL[:2], {"length": LATEST - 1, "expected": 0.0}, False),
    ],
)
def test_a_slice_is_overdue_if_there_is_much_more_than_expected(
    pages: list[list[int]], options: dict[str, Any], given_up: bool
) -> None:
    """Given up too early or too late, its pages are read in vain."""
    assert overdue(pages, **options) is given_up
