"""What is expected where nothing was read yet: stretches without a gap, from which slices are cut."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from tap_siro.sync.density import (
    FEW,
    GROWTH,
    LEAP,
    LEAST_SAMPLED,
    MISSED,
    NEAR,
    OLDEST,
    SAMPLE_PARTS,
    SWING,
    WEEK,
    Densities,
    Scale,
    Stretch,
)
from tap_siro.timestamps import DAY, SECOND

PAGE = 10
END = 100 * DAY


def noted(*stretches: tuple[float, float, float]) -> Densities:
    """These days hold so many rows each."""
    densities = Densities()
    for start, end, rows in stretches:
        densities.note(int(start * DAY), int(end * DAY), rows)
    return densities


def between(densities: Densities, start: float, end: float) -> list[tuple[float, float, float, bool]]:
    """What is expected, with days and rows that are easy to read."""
    stretches = densities.between(int(start * DAY), int(end * DAY), page=PAGE)
    return [
        (round(one.start / DAY, 3), round(one.end / DAY, 3), round(one.rows, 3), one.sure) for one in stretches
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(60))
def test_stretches_are_in_order_and_without_a_gap(seed: int) -> None:
    """A slice is cut inside one of them: outside its own time, everything would be read again."""
    rng = random.Random(seed)
    densities = Densities()
    for _ in range(rng.randrange(12)):
        start = rng.randrange(END)
        end = start + rng.choice([0, 1, rng.randrange(END // 4)])
        moments = sorted(rng.randrange(start, end + 1) for _ in range(rng.choice([1, 30, 300])))
        rng.choice(
            [
                lambda start, end, _: densities.note(start, end, rng.choice([0, 1, 50, 5_000])),
                lambda start, end, _: densities.count(start, end, rng.choice([0, 40]), page=PAGE),
                lambda start, end, _: densities.forget(start, end),
                densities.sample,
            ]
        )(start, end, moments)
        start, end = sorted((rng.randrange(END), rng.randrange(END)))
        stretches = list(densities.between(start, end, page=PAGE))
        edges = [start, *(one.end for one in stretches)]
        assert [(one.start, one.end) for one in stretches] == list(itertools.pairwise(edges))
        assert edges[-1] == end
        assert all(one.start < one.end and one.rows >= 0 for one in stretches)
        assert all(before.end <= after.start for before, after in itertools.pairwise(densities._seen))


def test_what_was_seen_is_expected_in_proportion() -> None:
    densities = noted((0, 10, 50), (10, 20, 10))
    assert between(densities, 5, 12) == [(5, 10, 25, True), (10, 12, 2, True)]
    assert between(densities, 0, 0) == []


def test_the_last_count_replaces_what_was_known_of_the_same_time_only() -> None:
    """A guess would otherwise outlive the count; and what lies beside it would have to be found out again."""
    densities = noted((0, 10, 50), (10, 20, 10), (30, 40, 7), (5, 32, 1))
    assert between(densities, 0, 40) == [(0, 5, 25, True), (5, 32, 1, True), (32, 40, 5.6, True)]
    densities.note(DAY, DAY, 9)
    densities.forget(DAY, DAY)
    assert between(densities, 0, 5) == [(0, 5, 25, True)]
    densities.forget(10 * DAY, 20 * DAY)
    assert [(one.start / DAY, one.end / DAY) for one in densities._seen] == [(0, 5), (5, 10), (20, 32), (32, 40)]


def test_nothing_is_known_at_first() -> None:
    (one,) = Densities().between(10, 90, page=PAGE)
    assert (one.start, one.end, one.sure) == (10, 90, False)
    assert math.isinf(one.rows)


# Time that lies between


@pytest.mark.parametrize(("before", "after", "rows"), [(100, 100, 100), (100, 200, 150), (100, 400, 250), (0, 0, 0)])
def test_between_two_that_are_alike_their_mean_is_expected(before: float, after: float, rows: float) -> None:
    densities = noted((0, 10, before), (20, 30, after))
    assert between(densities, 10, 20) == [(10, 20, rows, True)]
    assert between(densities, 12, 14) == [(12, 14, rows / 5, True)]


def test_beyond_what_was_seen_a_density_is_believed_for_some_pages_and_then_comes_one_step_after_the_other() -> None:
    """A single step would be a whole history for one thread; narrow ones, a request for each empty month."""
    densities = noted((100, 110, 100))  # a page a day
    first, second, third = NEAR, NEAR * GROWTH, NEAR * GROWTH**2
    assert between(densities, 110, 300) == [
        (110, 110 + first, PAGE * NEAR, True),
        (110 + first, 110 + second, 0, False),
        (110 + second, 300, 0, False),
    ]
    assert between(densities, 300, 2_000) == [(300, 110 + third, 0, False), (110 + third, 2_000, 0, False)]
    assert between(densities, 0, 100) == [
        (0, 100 - second, 0, False),
        (100 - second, 100 - first, 0, False),
        (100 - first, 100, PAGE * NEAR, True),
    ]


@pytest.mark.parametrize("end", [4, 10, 200])
def test_what_is_expected_does_not_depend_on_how_far_one_looks(end: int) -> None:
    """A slice would be cut out of what is left by one density, and given up by another, again and again."""
    densities = noted((0, 1, 100), (1, 2, 50), (2, 3, 50))
    far = list(densities.between(3 * DAY, 2_000 * DAY, page=PAGE))
    near = list(densities.between(3 * DAY, end * DAY, page=PAGE))
    assert [one.density for one in near] == pytest.approx([one.density for one in far[: len(near)]])
    assert [one.end for one in near[:-1]] == [one.end for one in far[: len(near) - 1]]


def test_the_steps_end() -> None:
    """Between 1970 and the first recording there are no more requests to waste."""
    start = int(2 * OLDEST / DAY)
    first, second = between(noted((start, start + 1, 1_000_000)), 0, start)[:2]
    assert OLDEST / DAY / GROWTH <= start - first[1] <= OLDEST / DAY
    assert first[0] == 0
    assert second[1] - second[0] < first[1] - first[0]


def test_where_the_density_changes_the_denser_side_is_believed_and_the_rest_is_explored() -> None:
    """Believed to the other end, it would be cut into slices that are all empty."""
    assert between(noted((9, 10, 100), (20, 30, 100)), 10, 20) == [
        (10, 10 + NEAR / 10, PAGE * NEAR, True),
        (10 + NEAR / 10, 10 + NEAR * GROWTH / 10, 10 * (NEAR * GROWTH - NEAR) / 10, False),
        (10 + NEAR * GROWTH / 10, 20, pytest.approx(10 * (10 - NEAR * GROWTH / 10)), False),
    ]
    assert [one[3] for one in between(noted((0, 10, 0), (20, 21, 100)), 10, 20)] == [False, False, True]


def test_a_density_is_believed_for_as_long_as_it_was_seen() -> None:
    """For a few pages only, every second slice of a large organization would be a step into the unknown."""
    assert between(noted((0, 3, 300), (33, 43, 0)), 3, 33)[:2] == [(3, 6, 300, True), (6, 27, 0, False)]
    assert between(noted((0, 5, 500), (5, 10, 500), (70, 80, 0)), 10, 70)[0] == (10, 20, 1_000, True)
    assert between(noted(*((day, day + 1, 100) for day in range(20)), (90, 95, 0)), 20, 90)[0] == (20, 27, 700, True)


def test_steps_begin_on_whole_seconds() -> None:
    """Slices are cut there: a sliver before a step would be a slice of its own."""
    densities = noted((0, 1, 777))
    edges = [one.end for one in densities.between(DAY, 90 * DAY, page=PAGE)]
    assert len(edges) > 2
    assert not any(edge % SECOND for edge in edges)


# A week


def density(direction: int, *days: tuple[float, float, float]) -> float | None:
    """Recordings a day to expect beside stretches that begin and end on these days, with so many each."""
    densities = noted(*days)
    found = densities._density(0 if direction > 0 else len(days) - 1, direction, WEEK)
    return None if found is None else round(found[0] * DAY, 3)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([(0, 1, 100), (1, 2, 0), (2, 3, 50)], 50),
        ([(0, 7, 70), (7, 14, 2_100)], 10),  # a week is enough
        ([(0, 6, 60), (6, 12, 120)], 15),
        ([(0, 1, 100), (1, 1 + SWING - 1, 0)], 100 / SWING),  # nights and weekends
        ([(0, 1, 100), (1, 1.1 + SWING - 1, 0)], 100),  # more than that
        ([(0, 1, 0), (1, 2, MISSED), (2, 3, 0)], MISSED / 3),
        ([(0, 1, 0), (1, 2, MISSED + 1), (2, 3, 0)], 0),  # the end of a dense day
        ([(0, 1, 30), (1, 2, LEAP * 30), (2, 7, 0)], (LEAP + 1) * 30 / 7),
        ([(0, 1, 30), (1, 2, LEAP * 30 + 1), (2, 7, 0)], 30),
        ([(0, 1, 100), (30, 31, 50)], 75),
        ([(0, 0.01, FEW - 1), (0.01, 5, 501 - FEW)], 100),  # a sliver
        ([(0, 0.01, FEW), (0.01, 5, 500 - FEW)], 100 * FEW),
    ],
)
def test_neighbours_are_looked_at_together_so_that_nights_and_weekends_even_out(
    days: list[tuple[float, float, float]], expected: float
) -> None:
    """With eight hours' density expected of all days, each slice would hold a third of what it should."""
    assert density(1, *days) == pytest.approx(expected, abs=0.001)
    mirrored = [(100 - end, 100 - start, rows) for start, end, rows in reversed(days)]
    assert density(-1, *mirrored) == pytest.approx(expected, abs=0.001)
    assert WEEK == 7 * DAY


def test_there_may_be_no_neighbour() -> None:
    densities = noted((0, 1, 100))
    assert densities._density(-1, -1, WEEK) is None
    assert densities._density(1, 1, WEEK) is None


def test_all_the_time_since_1970_tells_nothing_of_what_comes_then() -> None:
    """The few recordings of the first slice lie at its end: one thread would get all others, with none expected."""
    densities = Densities()
    densities.note(0, OLDEST + DAY, 90)
    assert between(densities, OLDEST / DAY + 1, OLDEST / DAY + 500) == [
        (OLDEST / DAY + 1, OLDEST / DAY + 500, math.inf, False)
    ]
    densities = Densities()
    densities.note(0, OLDEST, 90)
    assert between(densities, OLDEST / DAY, OLDEST / DAY + 500)[0][3]


def test_a_narrow_gap_is_like_what_lies_near_it() -> None:
    """Between two parts of a dense day, a week with that day in it would tell of a hundredth of what is there."""
    densities = noted((0, 7, 0), (7, 8, 1_000), (9, 10, 1_000), (10, 17, 0))
    assert between(densities, 8, 9) == [(8, 9, 1_000, True)]
    assert between(noted((0, 7, 70), (7, 8, 200), (108, 109, 200), (109, 116, 70)), 8, 108) == [(8, 108, 3_375, True)]


# Samples


def sampled(rows: int = 100, days: int = 10) -> Densities:
    """A sample of so many rows, evenly over so many days."""
    densities = Densities()
    densities.sample(0, days * DAY, [days * DAY * number // rows for number in range(rows)])
    return densities


def test_a_sample_tells_how_its_rows_are_spread_but_not_how_many_they_are() -> None:
    densities = Densities()
    densities.sample(0, 100 * DAY, [*range(0, 50 * DAY, 10 * DAY), *range(50 * DAY, 55 * DAY, DAY)])
    stretches = list(densities.between(0, 100 * DAY, page=PAGE))
    assert all(one.unscaled and one.sure for one in stretches)
    assert sum(one.rows for one in stretches) == 10
    assert sum(one.rows for one in stretches if one.end <= 50 * DAY) == 5
    assert {one.scale and one.scale.sampled for one in stretches} == {10}


def test_a_sample_is_divided_into_so_many_stretches_however_large_it_is() -> None:
    """Memory and time must not depend on the pages that were kept."""
    assert len(sampled(10 * SAMPLE_PARTS)._seen) == SAMPLE_PARTS
    assert len(sampled(3 * LEAST_SAMPLED)._seen) == 3
    assert len(sampled(LEAST_SAMPLED - 1)._seen) == 1
    assert len(sampled(LEAST_SAMPLED * SAMPLE_PARTS - 1)._seen) == SAMPLE_PARTS - 1
    at_once = Densities()
    at_once.sample(0, DAY, [5] * 100)
    assert [(one.start, one.end, one.amount) for one in at_once._seen] == [(0, 5, 50), (5, DAY, 50)]
    at_once.sample(DAY, DAY, [DAY] * 100)
    assert len(at_once._seen) == 2


def test_what_is_counted_of_a_sample_tells_how_many_rows_all_of_it_stands_for() -> None:
    """Ten times too large, and slices hold a tenth of what they should: ten times the requests."""
    densities = sampled(100, days=10)
    densities.count(0, DAY, 50, page=PAGE)
    assert between(densities, 0, 1) == [(0, 1, 50, True)]
    rest = list(densities.between(DAY, 10 * DAY, page=PAGE))
    assert not any(one.unscaled for one in rest)
    assert sum(one.rows for one in rest) == pytest.approx(450)
    densities.count(9 * DAY, 10 * DAY, 150, page=PAGE)
    assert sum(one.rows for one in densities.between(DAY, 9 * DAY, page=PAGE)) == pytest.approx(800)


def test_what_is_counted_beside_a_sample_is_not_taken_for_it() -> None:
    """A part of ten days with a sample in one of them says little of the sample."""
    densities = sampled(10, days=1)
    densities.note(DAY, 10 * DAY, 90)
    densities.count(0, 10 * DAY, 200, page=PAGE)
    densities = sampled(20, days=2)
    densities.note(2 * DAY, 10 * DAY, 30)
    densities.count(DAY, 10 * DAY, 80, page=PAGE)  # 10 of the sample, and 30
    assert sum(one.rows for one in densities.between(0, DAY, page=PAGE)) == pytest.approx(20)


def test_samples_of_which_something_was_counted_differ() -> None:
    densities = sampled(40, days=1)
    densities.sample(DAY, 2 * DAY, range(DAY, 2 * DAY, DAY // 40))
    densities.count(0, DAY // 2, 50, page=PAGE)
    assert [one.unscaled for one in (densities._seen[1], densities._seen[-1])] == [False, True]
    densities.count(DAY // 2, 3 * DAY // 2, 60, page=PAGE)  # 50 expected of the first, 20 of the second
    assert densities._seen[-1].rows == pytest.approx(LEAST_SAMPLED * 60 / 70)


def test_the_stretches_of_a_sample_hold_the_same() -> None:
    """A stretch of a millisecond at its end seemed a million times denser, and the next slice was cut there."""
    densities = Densities()
    rng = random.Random(1)
    moments = sorted(rng.randrange(DAY) for _ in range(16 * SAMPLE_PARTS))
    densities.sample(moments[0], moments[-1] + 1, moments)
    inside = [sum(one.start <= at < one.end for at in moments) for one in densities._seen]
    assert inside == [16] * SAMPLE_PARTS


def test_where_nothing_is_known_nothing_is_learnt_of_a_sample() -> None:
    """An infinite expectation would make its scale nothing, and all of it one slice."""
    densities = Densities()
    densities.count(0, DAY, 50, page=PAGE)
    assert between(densities, 0, 1) == [(0, 1, 50, True)]
    empty = noted((0, 1, 0))
    empty.count(0, DAY, 50, page=PAGE)
    assert between(empty, 0, 1) == [(0, 1, 50, True)]


def test_a_scale_is_never_nothing() -> None:
    """Nothing times any width is no reason to cut: one thread would get all that is left."""
    assert Scale(100).factor is None
    scale = Scale(100)
    scale.count(4, 0)
    assert scale.factor == 0.25
    scale.count(4, 80)
    assert scale.factor == 10


def test_a_density_is_not_believed_beyond_a_sample_that_was_not_counted() -> None:
    """It is the least that there can be: a slice cut by it would hold many times its share."""
    assert [one[3] for one in between(sampled(1_000), 10, 11)] == [False]
    later = noted((0, 1, 0))
    later.sample(3 * DAY, 13 * DAY, [3 * DAY + DAY * number // 100 for number in range(1_000)])
    later.note(13 * DAY, 14 * DAY, 1)
    assert [one[3] for one in between(later, 1, 3)] == [False, False]
    counted = sampled(1_000)
    counted.count(0, DAY, 100, page=PAGE)
    assert [one[3] for one in between(counted, 10, 11)] == [True]


def test_a_stretch_and_its_parts() -> None:
    one = Stretch(0, 10, 5.0, Scale(7), sure=False)
    part = one.within(-5, 4)
    assert (part.start, part.end, part.amount, part.scale, part.sure) == (0, 4, 2.0, one.scale, False)
    assert (one.density, one.rows) == (0.5, 5.0)
