"""Simulation of the slice planner against an API with threads, without a network or a clock.

`python -m benchmarks slicing`.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from benchmarks.tables import show
from tap_siro.timestamps import DAY, SECOND
from tests.support.planning import History, Row, Simulation, even, office_hours

if TYPE_CHECKING:
    from collections.abc import Iterator

THREADS = (4, 8)
ORDERS = ("newest created", "oldest updated", "newest updated", "by id")
YEAR = 365 * DAY


def simulate(history: History, threads: int) -> Simulation:
    """Simulate a full sync with a number of threads. All requests take the same time.

    Raises:
        AssertionError: Some recordings were read twice, or not at all.
    """
    simulation = Simulation(history, threads).run()
    assert simulation.planner.complete
    assert len(simulation.read) == len(history)
    return simulation


def cases(seed: int = 0) -> Iterator[tuple[str, list[Row]]]:
    """Yield full syncs of all shapes, by name. The seed determines the recordings."""

    def spread(count: int, days: int, *, ago: int = 0, number: int = 1) -> list[Row]:
        return even(count, days, ago=ago, seed=number + 10 * seed)

    yield "10,000 over 400 days", spread(10_000, 400)
    yield "10,000 over 400 days, in office hours", office_hours(10_000, 400, seed=2 + 10 * seed)
    yield "60,000 over 400 days, in office hours", office_hours(60_000, 400, seed=2 + 10 * seed)
    yield "10,000 over 400 days, then five years of nothing", spread(10_000, 400, ago=5 * YEAR)
    halves = spread(5_000, 200), spread(5_000, 200, ago=200 * DAY + 5 * YEAR, number=3)
    yield "10,000 with five years of nothing in the middle", halves[0] + halves[1]
    dense_day = spread(5_000, 1, ago=(700 + 97 * seed) % 1400 * DAY, number=3)
    yield "5,000 in one day among 5,000 over four years", spread(5_000, 1460) + dense_day
    yield "1,000 over 400 days", spread(1_000, 400)
    yield "200 over 400 days", spread(200, 400)
    yield "60 over 400 days", spread(60, 400)
    yield "nothing", []


def million() -> Iterator[tuple[str, list[Row]]]:
    """Return a million recordings, which takes minutes."""
    yield "1,000,000 over four years", even(1_000_000, 1460)


def run(histories: Iterator[tuple[str, list[Row]]]) -> None:
    """Print a table for each set of recordings."""
    for name, rows in histories:
        outcomes = [
            (order, simulate(History(rows, order), threads)) for threads in THREADS for order in ORDERS
        ]  # fmt: skip
        show(
            f"Slicing alone: {name}",
            ("order", "threads", "requests", "a page", "slices", "longest chain", "seconds", "of the ideal", "busy"),
            [
                (
                    order,
                    str(one.threads),
                    str(one.requests),
                    f"{one.requests / one.pages:.2f}",
                    str(one.slices),
                    str(one.longest),
                    f"{one.time / SECOND:.1f}",
                    f"{one.time / one.ideal:.2f}",
                    f"{one.busy / (one.time * one.threads):.0%}",
                )
                for order, one in outcomes
            ],
        )


def repeat(seeds: int) -> None:
    """Print a table for each number of threads: requests and times over many sets of recordings, in all orders."""
    outcomes: dict[int, dict[str, list[Simulation]]] = {threads: {} for threads in THREADS}
    for seed in range(seeds):
        for name, rows in cases(seed):
            histories = [History(rows, order) for order in ORDERS]
            for threads, named in outcomes.items():
                named.setdefault(name, []).extend(simulate(one, threads) for one in histories)
    for threads, named in outcomes.items():
        show(
            f"Slicing alone, {threads} threads: {seeds} sets of recordings, {len(ORDERS)} orders each",
            ("history", "requests a page", "at most", "time, of the ideal", "at most", "longest chain"),
            [
                (
                    name,
                    *_mean_and_most([one.requests / one.pages for one in several]),
                    *_mean_and_most([one.time / one.ideal for one in several]),
                    str(max(one.longest for one in several)),
                )
                for name, several in named.items()
            ],
        )


def _mean_and_most(figures: list[float]) -> tuple[str, str]:
    return f"{statistics.mean(figures):.2f}", f"{max(figures):.2f}"
