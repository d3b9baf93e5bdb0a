"""What a chain's pages show. A wrong guess costs requests: a chain that is given up is read again from its start."""

from __future__ import annotations

from typing import Any

import pytest

from tap_siro.sync.chains import (
    EVIDENCE,
    KEPT,
    LATEST,
    LEANING,
    OVERDUE,
    SHARP,
    UNSURE,
    Chain,
    Moments,
    Run,
    Sample,
    drift,
)

SIZE = 20


def page(start: int, end: int, leaning: float = 0) -> Moments:
    """A page of rows spread evenly from start to end, in an order that leans so much (in fifths)."""
    moments = [start + (end - start) * number // (SIZE - 1) for number in range(SIZE)]
    early, late = moments[: SIZE // 2], moments[SIZE // 2 :]
    first = round((1 + leaning) * SIZE / 4)
    return Moments.of([*early[:first], *late[first:], *early[first:], *late[:first]])


def chain(*pages: Moments, length: int | None = None, **options: Any) -> Chain:
    made = Chain(0, 10_000, **{"expected": None, "whole": False, "open": False, **options})
    for number, one in enumerate(pages, 1):
        made.add(one, number)
    made.length = length or made.length
    return made


def rising(leaning: float = 1) -> list[Moments]:
    return [page(0, 190, leaning), page(200, 390, leaning), page(400, 590, leaning)]


def falling(leaning: float = -1) -> list[Moments]:
    return [page(9_800, 9_990, leaning), page(9_600, 9_790, leaning), page(9_400, 9_590, leaning)]


SAMPLES = [page(0, 9_500), page(100, 9_600), page(50, 9_550)]
LOCAL = [page(4_000, 4_950), page(4_010, 4_960), page(4_000, 4_950)]
SLOW = [page(number * 40, number * 40 + 250) for number in range(12)]


# Momentss


def test_single_rows_out_of_order_do_not_count() -> None:
    one = Moments.of([900, 0, *range(115, 99, -1), 0, 999])
    assert (one.start, one.middle, one.end, one.width) == (100, 108, 115, 15)
    assert (Moments.of([5]).start, Moments.of([5]).end, Moments.of([5]).leaning) == (5, 5, 0)
    assert Moments.of([1, 2, 3, 4]).middle == 3


@pytest.mark.parametrize("leaning", [-1, -0.6, 0, 0.4, 1])
def test_the_order_within_a_page_tells_where_it_goes(leaning: float) -> None:
    """Without it, the second page had to be waited for; and what was changed last passed for what was created last."""
    assert page(0, 190, leaning).leaning == pytest.approx(leaning, abs=0.06)
    assert page(0, 190, leaning).ordered == page(0, 190).ordered


def test_rows_of_one_moment_go_nowhere() -> None:
    assert Moments.of([7] * SIZE).leaning == 0
    assert Moments.of([*[7] * SIZE, 1, *[7] * SIZE]).leaning == 0
    assert Moments.of([*[7] * SIZE, 1]).leaning == pytest.approx(-1 / SIZE)
    assert Moments.of([1, *[7] * SIZE]).leaning == pytest.approx(1 / SIZE)
    assert Moments.of([*[7] * SIZE, *range(8, 8 + SIZE)]).leaning > 1 / 3, "in order, as far as that can be"
    assert Moments.of([*range(SIZE), *[90] * SIZE]).leaning > 1 / 3


@pytest.mark.parametrize(("rows", "leaning"), [(1, 0), (2, 1 / EVIDENCE), (3, 2 / EVIDENCE), (9, 1)])
def test_a_few_rows_tell_little(rows: int, leaning: float) -> None:
    """Two are always in order: by id, most chains with few dates would pass for runs."""
    assert Moments.of(range(rows)).leaning == leaning
    assert Moments.of(range(0, -rows, -1)).leaning == pytest.approx(-leaning, abs=1 / EVIDENCE)


@pytest.mark.parametrize(
    ("pages", "distance"),
    [
        (rising(), 400),
        (falling(), -400),
        (SAMPLES, 0),
        (SLOW[:3], 0),
        (SLOW, 440),
        ([page(0, 400), page(800, 875)], 634),
        ([page(0, 400), page(800, 850)], 0),
    ],
)
def test_pages_lie_one_after_the_other_or_upon_each_other(pages: list[Moments], distance: int) -> None:
    """A page that is much narrower than the others is none of them: a dense day begins."""
    assert drift(pages) == pytest.approx(distance, abs=1)


def test_samples_of_a_time_with_a_gap_do_not_run() -> None:
    """By id, with years of nothing in the middle: one thread would follow what looks like a run to its end."""
    earlier, later = page(0, 1_000).ordered, page(9_000, 10_000).ordered
    assert drift([Moments.of([*earlier, *later[:18]]), Moments.of([*earlier[:18], *later])]) == 0
    assert drift([Moments.of([7] * SIZE)] * 2) == 0


# Chains


def test_a_slice_that_is_read_again_shows_itself_anew() -> None:
    """The pages of the first reading would pass for samples, and the slice be cut for nothing."""
    made = chain(*rising())
    made.add(rising()[0], 1)
    assert made.pages == rising()[:1]


def test_a_chain_keeps_as_many_pages_as_it_needs() -> None:
    """Memory must not depend on how long a chain gets."""
    made = chain(*(Moments.of([number] * SIZE) for number in range(3 * KEPT)))
    assert len(made.pages) == KEPT
    assert made.pages[-1].start == made.length - 1 == 3 * KEPT - 1


def direction(*pages: Moments, **options: Any) -> int:
    """1 for a run forwards, -1 for one backwards, 0 for a sample."""
    match chain(*pages, **options).shows():
        case Run(ahead=(_, 10_000)):
            return 1
        case Run(ahead=(0, _)):
            return -1
        case shown:
            assert isinstance(shown, Sample)
            return 0


@pytest.mark.parametrize(
    ("first", "options", "runs"),
    [
        (page(0, 190), {}, 1),
        (page(9_800, 9_990), {}, -1),
        (page(1_000, 2_500), {}, 1),
        (page(1_000, 2_900), {}, 0),
        (page(0, 190), {"whole": True}, 0),
        (page(0, 190), {"open": True}, 0),
        (page(0, 190), {"expected": 100.0}, 0),
        (page(0, 190, -0.6), {}, 1),
        (page(0, 190, -0.8), {}, -1),
        (page(1_000, 9_000, -0.8), {"expected": 100.0}, -1),
        (page(1_000, 9_000, 0.8), {"open": True}, 1),
    ],
)
def test_a_first_page_runs_where_it_leans_or_from_the_end_that_it_is_near(
    first: Moments, options: dict[str, Any], runs: int
) -> None:
    """Where something is expected, a second page can be waited for; without a beginning, any page lies near one end."""
    assert 0.6 < SHARP < 0.8
    assert direction(first, **options) == runs


@pytest.mark.parametrize(
    ("first", "ahead"), [(page(90_000, 90_190), (90_170, 100_000)), (page(99_800, 99_990), (90_000, 99_820))]
)
def test_the_ends_are_those_of_the_slice(first: Moments, ahead: tuple[int, int]) -> None:
    made = Chain(90_000, 100_000, expected=None, whole=False, open=False)
    made.add(first, 1)
    run = made.shows()
    assert isinstance(run, Run)
    assert run.ahead == ahead


@pytest.mark.parametrize(
    ("pages", "options", "runs"),
    [
        ([SAMPLES[0], *rising()], {}, 1),
        ([SAMPLES[0], *rising(0.4)], {}, 1),
        (falling()[:2], {}, -1),
        (falling(-0.4)[:2], {}, -1),
        (rising(-0.4), {}, 0),
        ([*rising(0), page(600, 790), page(800, 990)], {}, 1),  # over many pages, their own order is of no weight
        ([*SAMPLES, *rising(0)[:2]], {}, 0),
        ([*SAMPLES, *rising(0.4)[:2]], {}, 0),
        ([*SAMPLES, *rising(0.6)[:2]], {}, 0),
        ([*SAMPLES, rising(0)[0], *rising(0.6)[1:]], {}, 1),
        ([*SAMPLES, *rising(0.2)], {}, 0),
        ([*SAMPLES, *rising(0.2)], {"whole": True}, 1),
        ([page(200, 390, 1), page(0, 190, 1)], {}, 0),
        (SLOW, {}, 1),
        (SLOW[:3], {}, 0),
    ],
)
def test_the_latest_pages_say_what_a_chain_is_doing(pages: list[Moments], options: dict[str, Any], runs: int) -> None:
    """In the order of changes, a narrow slice shows at first what was changed soon: not a run, and many times more."""
    assert 0.2 < LEANING <= 0.4 * 2 / LATEST
    assert direction(*pages, **options) == runs


@pytest.mark.parametrize(
    ("pages", "length", "passed", "ahead"),
    [
        (rising()[:1], 1, [(0, 20, 2), (20, 20, 0), (20, 170, 16)], (170, 10_000)),
        (rising(), 3, [(0, 20, 2), (20, 420, 40), (420, 570, 16)], (570, 10_000)),
        (falling(), 3, [(9_970, 10_000, 2), (9_570, 9_970, 40), (9_420, 9_570, 16)], (0, 9_420)),
        (rising(0.4), 3, [(0, 20, 2), (20, 500, 48)], (500, 10_000)),
        (rising(0.4)[:2], 2, [(0, 20, 2), (20, 300, 28)], (300, 10_000)),
        (falling(-0.4), 3, [(9_970, 10_000, 2), (9_500, 9_970, 48)], (0, 9_500)),
        (rising(), 50, [(0, 20, 2 + 47 * SIZE), (20, 420, 40), (420, 570, 16)], (570, 10_000)),
    ],
)
def test_a_run_tells_what_it_passed_and_what_is_ahead(
    pages: list[Moments], length: int, passed: list[tuple[int, int, float]], ahead: tuple[int, int]
) -> None:
    """Where it is in the order of creation, its latest page tells the density; where not, all pages together."""
    run = chain(*pages, length=length).shows()
    assert isinstance(run, Run)
    assert run.passed == passed
    assert run.ahead == ahead
    start, end, rows = passed[-1]
    assert run.density == pytest.approx(rows / (end - start))


def test_a_run_within_one_moment_has_a_density() -> None:
    """A division by nothing would end the sync."""
    assert Run([(5, 5, 16)], (5, 9)).density == 16


@pytest.mark.parametrize(
    ("pages", "options", "start", "end"),
    [
        (SAMPLES, {}, 0, 10_000),
        (SAMPLES, {"whole": True}, 0, 10_000),
        (LOCAL, {}, 4_100, 4_861),
        (LOCAL, {"whole": True}, 0, 10_000),
        (SAMPLES, {"open": True}, 1_000, 8_601),
        ([page(0, 190), *LOCAL], {}, 4_100, 4_861),
        ([page(1_000, 5_500)] * 2, {}, 1_473, 5_027),
        ([page(1_000, 7_500)] * 2, {}, 0, 10_000),
        ([*SAMPLES, LOCAL[0]], {}, 4_100, 4_851),
        ([*SAMPLES, LOCAL[0]], {"whole": True}, 4_100, 4_851),
    ],
)
def test_pages_are_a_sample_of_where_they_lie(
    pages: list[Moments], options: dict[str, Any], start: int, end: int
) -> None:
    """What lies beside a dense part is not dense: cut like that, it would cost a request for each cut."""
    moments = sorted(at for one in pages for at in one.ordered if start <= at < end)
    assert chain(*pages, **options).shows() == Sample(start, end, moments)


def test_a_slice_without_width_has_a_sample_all_the_same() -> None:
    """A clock that is days behind: everything was created in the future. A division by nothing would end the sync."""
    made = Chain(50, 50, expected=None, whole=False, open=False)
    for number in range(1, LATEST + 1):
        made.add(Moments.of([50] * SIZE), number)
    sample = Sample(50, 50, [50] * SIZE * LATEST)
    assert made.shows() == sample
    assert made.overdue(sample, 100.0, idle=False), "it is short"


def overdue(pages: list[Moments], expected: float | None = None, *, idle: bool = False, **options: Any) -> bool:
    made = chain(*pages, **options)
    sample = made.shows()
    assert isinstance(sample, Sample)
    return made.overdue(sample, expected, idle=idle)


NARROW = [page(4_000, 4_200), page(4_010, 4_210)]  # a sample of 168 of 10,000


@pytest.mark.parametrize(
    ("pages", "expected", "options", "given_up"),
    [
        (SAMPLES[:2], None, {"whole": True}, True),
        (SAMPLES[:2], None, {}, False),
        (SAMPLES, None, {"length": UNSURE - 1}, False),
        (SAMPLES, None, {"length": UNSURE}, True),
        (SAMPLES, None, {"length": UNSURE // 2, "idle": True}, False),
        (SAMPLES, None, {"length": UNSURE // 2 + 1, "idle": True}, True),
        (SAMPLES, 1e9, {"length": KEPT - 1}, False),
        (SAMPLES, 1e9, {"length": KEPT}, True),
        (SAMPLES, 4, {"length": OVERDUE * 4 - 1}, False),
        (SAMPLES, 4, {"length": OVERDUE * 4}, True),
        (SAMPLES, 4, {"length": OVERDUE * 2 - 1, "idle": True}, False),
        (SAMPLES, 4, {"length": OVERDUE * 2, "idle": True}, True),
        (LOCAL, 20, {"length": 19}, False),  # the last page may be the next
        (LOCAL, 20, {"length": 20}, True),
        (LOCAL[:2], 0, {}, True),
        (NARROW, 2 / OVERDUE / 0.0169, {}, True),
        (NARROW, 2 / OVERDUE / 0.0167, {}, False),
        (LOCAL[:2], 0, {"open": True}, False),
        ([page(1_000, 4_500)] * 2, 0, {}, False),
        ([page(1_000, 4_500)] * 3, 0, {}, True),
    ],
)
def test_a_slice_is_overdue_if_there_is_much_more_than_expected(
    pages: list[Moments], expected: float | None, options: dict[str, Any], given_up: bool
) -> None:
    """Given up too early or too late, its pages are read in vain."""
    assert overdue(pages, expected, **options) is given_up
