"""What a chain's pages show. A wrong guess costs requests: a chain that is given up is read again from its start."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tap_siro.chains import LONGEST_CHAIN, OVERDUE, Chain, Course, course, extent, first_course, middle, uneven

PAGE = 20


def page(start: int, end: int, rows: int = PAGE) -> list[int]:
    return [start + (end - start) * number // (rows - 1) for number in range(rows)]


def chain(*pages: list[int], length: int | None = None, **options: Any) -> Chain:
    defaults: dict[str, Any] = {"expected": None, "whole": False, "sampled": False, "open": False}
    made = Chain(0, 10_000, **{**defaults, **options})
    for number, one in enumerate(pages, 1):
        made.add(one, number)
    made.length = length or made.length
    return made


RISING = [page(0, 190), page(200, 390), page(400, 590)]
FALLING = [page(9_800, 9_990), page(9_600, 9_790), page(9_400, 9_590)]
SAMPLES = [page(0, 9_500), page(100, 9_600), page(50, 9_550)]
LOCAL = [page(4_000, 4_950), page(4_010, 4_960), page(4_000, 4_950)]


def test_single_rows_out_of_order_do_not_count() -> None:
    assert extent([0, 0, *range(100, 116), 900, 999]) == (100, 115)
    assert extent([5]) == (5, 5)
    assert middle([1, 2, 3, 4]) == 3


@pytest.mark.parametrize(
    ("pages", "drift", "since", "until", "rows"),
    [(RISING, 400, 100, 500, 40), (FALLING, -400, 9_500, 9_900, 40), (SAMPLES, 0, 5_000, 5_050, 40)],
)
def test_pages_run_through_time_or_lie_upon_each_other(
    pages: list[list[int]], drift: int, since: int, until: int, rows: float
) -> None:
    found = course(pages)
    assert (found.drift, found.since, found.until, found.rows) == (drift, since, until, rows)
    assert found.falling is (drift < 0)
    assert found.density == rows / (until - since)
    assert (found.start, found.end) == (min(extent(p)[0] for p in pages), max(extent(p)[1] for p in pages))


def test_a_slice_that_is_read_again_shows_itself_anew() -> None:
    """The pages of the first reading would pass for samples, and the slice be cut for nothing."""
    made = chain(*RISING)
    made.add(RISING[0], 1)
    assert made.pages == RISING[:1]


def test_samples_of_a_time_with_a_gap_do_not_run() -> None:
    """By id, with years of nothing in the middle: one thread would follow what looks like a run to its end."""
    earlier, later = page(0, 1_000), page(9_000, 10_000)
    assert not course([[*earlier, *later[:18]], [*earlier[:18], *later]]).drift


def test_rows_of_one_moment_have_a_density_all_the_same() -> None:
    """A division by nothing would end the sync."""
    assert course([[7] * PAGE] * 2).density == PAGE
    assert not course([[7] * PAGE] * 2).drift
    assert first_course([7] * PAGE, 0, 10_000) == Course(7, 7, 1, 7, 7, PAGE * 0.8)


@pytest.mark.parametrize(
    ("first", "drift"),
    [(RISING[0], 150), (FALLING[0], -150), (page(1_000, 2_900), None), (page(1_000, 2_000), 789)],
)
def test_a_first_page_at_one_end_suggests_the_direction(first: list[int], drift: int | None) -> None:
    found = first_course(first, 0, 10_000)
    assert (found and found.drift) == drift
    if found:
        assert (found.start, found.end) == (found.since, found.until) == extent(first)
        assert found.rows == 16


def test_distances_tell_that_the_density_changed() -> None:
    assert not uneven([page(0, 19), page(20, 39), page(100, 119)])
    assert uneven([page(0, 19), page(20, 39), page(101, 120)])
    assert uneven([page(0, 19), page(0, 19), page(1, 20)])


def test_a_chain_keeps_as_many_pages_as_it_needs() -> None:
    """Memory must not depend on how long a chain gets."""
    made = chain(*([number] * PAGE for number in range(3 * LONGEST_CHAIN)))
    assert len(made.pages) == LONGEST_CHAIN + 1
    assert made.pages[-1][0] == made.length - 1 == 3 * LONGEST_CHAIN - 1


@pytest.mark.parametrize(
    ("pages", "options", "drift"),
    [
        (RISING[:1], {}, 150),
        (RISING[:1], {"whole": True}, None),
        (RISING[:1], {"open": True}, 150),
        (RISING[:1], {"sampled": True}, 150),
        (RISING[:1], {"open": True, "sampled": True}, None),
        (RISING, {"whole": True}, 400),
        (FALLING, {}, -400),
        (SAMPLES, {}, None),
        ([SAMPLES[0], *RISING], {}, 400),
        ([page(0, 19), page(20, 39), page(500, 519)], {}, None),
        ([page(0, 19), page(20, 39), page(500, 519)], {"length": LONGEST_CHAIN}, 500),
        ([page(number * 40, number * 40 + 250) for number in range(12)], {}, 240),
    ],
)
def test_a_chain_has_a_course_if_its_last_pages_have_one(
    pages: list[list[int]], options: dict[str, Any], drift: int | None
) -> None:
    run = chain(*pages, **options).run()
    assert (run and run.drift) == drift


def test_what_is_left_follows_from_the_course() -> None:
    """Too little, and one thread reads alone for minutes."""
    run = chain(*RISING).run()
    assert run
    assert chain().rows_left(run) == (10_000 - 570) * 0.1
    run = chain(*FALLING).run()
    assert run
    assert chain().rows_left(run) == 9_420 * 0.1
    assert chain(open=True).rows_left(run) == math.inf


def test_what_was_passed_is_known_and_a_little_of_what_lies_behind() -> None:
    one, two, three = chain(*RISING[:1]), chain(*FALLING[:2]), chain(*RISING)
    assert [made.seen(run) for made in (one, two, three) if (run := made.run())] == [
        [(20, 170, 16.0), (0, 20, 2.0)],
        [(9_700, 9_900, 20), (9_970, 10_000, 2.0)],
        [(100, 500, 40)],
    ]


def sampled(pages: list[list[int]], *, idle: bool = False, **options: Any) -> bool:
    return chain(*pages, **options).sample(PAGE, idle=idle) is not None


@pytest.mark.parametrize(
    ("pages", "options", "given_up"),
    [
        (SAMPLES[:1], {"whole": True}, False),
        (SAMPLES[:2], {"whole": True}, True),
        (RISING, {"whole": True}, False),
        (SAMPLES[:2], {}, False),
        (SAMPLES, {"length": LONGEST_CHAIN, "expected": 1e9}, True),
        (SAMPLES, {"length": 5}, True),
        (SAMPLES, {"length": 3}, False),
        (SAMPLES, {"length": 9}, False),
        (SAMPLES, {"length": 20, "sampled": True}, False),
        (SAMPLES, {"length": 20, "sampled": True, "idle": True}, True),
        (SAMPLES[:2], {"length": 2, "sampled": True, "idle": True}, False),
        (SAMPLES, {"length": 4, "expected": 1.0 * PAGE}, True),
        (SAMPLES, {"length": 3, "expected": 1.0 * PAGE}, False),
        (SAMPLES, {"length": 8, "expected": 1.0 * PAGE}, False),
        (SAMPLES, {"length": 8, "expected": 1.0 * PAGE, "idle": True}, True),
        (SAMPLES, {"length": 8, "expected": 4.0 * PAGE, "idle": True}, True),
        (SAMPLES, {"length": 7, "expected": 4.0 * PAGE, "idle": True}, False),
        (LOCAL, {}, True),
        (LOCAL, {"expected": 100.0}, True),
        (LOCAL, {"expected": 100.0 * 3 * PAGE}, False),
    ],
)
def test_a_sample_is_used_if_there_is_more_than_expected(
    pages: list[list[int]], options: dict[str, Any], given_up: bool
) -> None:
    """Used too early or too late, its pages are read in vain."""
    assert OVERDUE == 4
    assert sampled(pages, **options) is given_up


def test_a_sample_of_a_part_is_bounded_by_that_part() -> None:
    """What lies beside it is not dense: cut like the part, it would cost a request for each cut."""
    made = chain(*LOCAL)
    sample = made.sample(PAGE, idle=False)
    assert sample
    moments, bounds = made.sampled_moments(sample)
    assert bounds == [sample.start, sample.end]
    assert moments == sorted(at for one in LOCAL for at in one if sample.start <= at <= sample.end)
    whole = chain(*LOCAL, whole=True)
    assert whole.sampled_moments(sample) == (sorted(at for one in LOCAL for at in one), [])
