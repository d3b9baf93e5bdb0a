"""What is expected where nothing was read yet: stretches without a gap, from which slices are cut."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from tap_siro.density import Densities, Stretch

END = 100_000


def noted(*stretches: tuple[int, int, float]) -> Densities:
    densities = Densities()
    for one in stretches:
        densities.note(*one)
    return densities


@pytest.mark.parametrize("seed", range(40))
def test_stretches_are_in_order_and_without_a_gap(seed: int) -> None:
    """A slice is cut inside one of them: outside its own time, everything would be read again."""
    rng = random.Random(seed)
    densities = Densities()
    for _ in range(rng.randrange(12)):
        start = rng.randrange(END)
        densities.note(start, start + rng.randrange(END // 4), rng.choice([0, 1, 50, 5_000]))
        start, end = sorted((rng.randrange(END), rng.randrange(END)))
        stretches = list(densities.between(start, end, 10))
        edges = [(one.start, one.end) for one in stretches]
        assert [edge[0] for edge in edges] + [end] == [start, *(edge[1] for edge in edges)] if edges else start == end
        for one in stretches:
            assert one.start < one.end
            assert one.rows >= 0
            assert one.step is None or (not one.sure and one.step < one.end)
        seen = densities._seen
        assert all(before.end <= after.start for before, after in itertools.pairwise(seen))


def test_what_was_seen_is_expected_in_proportion() -> None:
    densities = noted((0, 100, 50), (100, 200, 10))
    assert list(densities.between(50, 120, 10)) == [Stretch(50, 100, 25), Stretch(100, 120, 2)]
    assert list(densities.between(0, 0, 10)) == []


def test_the_last_count_replaces_what_was_known() -> None:
    """A chain's guess would otherwise outlive the count of the same time."""
    densities = noted((0, 100, 50), (100, 200, 10), (300, 400, 7), (50, 300, 1))
    assert densities._seen == [Stretch(50, 300, 1), Stretch(300, 400, 7)]
    densities.note(400, 400, 9)
    assert densities._seen == [Stretch(50, 300, 1), Stretch(300, 400, 7)]


def test_nothing_is_known_at_first() -> None:
    (one,) = noted().between(10, 90, 10)
    assert (one.start, one.end, one.sure, one.step) == (10, 90, False, None)
    assert math.isinf(one.rows)


@pytest.mark.parametrize(("before", "after", "rows"), [(100, 100, 100), (100, 200, 150), (100, 400, 250), (0, 0, 0)])
def test_between_two_that_are_alike_their_mean_is_expected(before: float, after: float, rows: float) -> None:
    densities = noted((0, 1_024, before), (2_048, 3_072, after))
    assert list(densities.between(1_024, 2_048, 10)) == [Stretch(1_024, 2_048, rows)]


def test_neighbours_are_looked_at_together_until_they_say_enough() -> None:
    """One night without recordings says nothing of the days beyond it."""
    densities = noted((0, 1_000, 900), (1_000, 2_000, 100), (4_000, 5_000, 0), (5_000, 6_000, 1_000))
    assert densities._density(1, -1) == 0.5
    assert densities._density(2, 1) == 0.5
    assert densities._density(0, -1) == 0.9
    assert densities._density(-1, -1) is None
    assert densities._density(4, 1) is None
    apart = noted((0, 1_000, 400), (2_000, 3_000, 100))
    assert apart._density(1, -1) == 0.1


def test_beyond_what_was_seen_a_density_is_believed_for_some_pages_and_then_explored_in_wider_steps() -> None:
    densities = noted((0, 10_000, 1_000))  # 100 ms a page: believed for 30
    near, far = densities.between(10_000, 100_000, 10)
    assert near == Stretch(10_000, 13_000, 300)
    assert (far.start, far.end, far.sure, far.step) == (13_000, 100_000, False, 22_000)
    (farther,) = densities.between(22_000, 100_000, 10)
    assert (farther.sure, farther.step) == (False, 58_000)


def test_towards_what_was_seen_the_steps_become_narrower() -> None:
    densities = noted((100_000, 110_000, 1_000))
    far, near = densities.between(1_000, 100_000, 10)
    assert near == Stretch(97_000, 100_000, 300)
    assert (far.start, far.end, far.sure, far.step) == (1_000, 97_000, False, 52_000)
    far, near = densities.between(0, 100_000, 10)  # no beginning
    assert (far.start, far.end, far.step) == (0, 97_000, 60_000)
    assert near == Stretch(97_000, 100_000, 300)


def test_where_the_density_changes_a_few_pages_are_believed_of_either_side() -> None:
    densities = noted((0, 1_000, 1_000), (10_000, 20_000, 100))
    assert list(densities.between(1_000, 10_000, 10)) == [Stretch(1_000, 1_100, 100), Stretch(1_100, 10_000, 89.0)]
    densities = noted((0, 10_000, 100), (20_000, 21_000, 1_000))
    assert list(densities.between(10_000, 20_000, 10)) == [Stretch(10_000, 19_900, 99.0), Stretch(19_900, 20_000, 100)]
