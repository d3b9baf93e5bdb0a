"""The vendor's limit holds across all threads."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import pyrate_limiter

from tap_siro.api.rate_limit import RateLimit
from tap_siro.errors import StoppedError
from tests.sandbox import Sandbox
from tests.sandbox.data import recordings
from tests.support.in_process import Clock as SyncClock
from tests.support.in_process import sync
from tests.support.process import config_for, selecting

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


class Clock:
    """Clock that advances only by waits."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self._lock = threading.Lock()

    def now(self) -> int:
        return int(self.seconds * 1000)

    def wait(self, seconds: float) -> None:
        with self._lock:
            self.seconds += seconds


def in_eight_threads(work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in threads)


def test_no_more_requests_at_once_than_the_limit_from_eight_threads() -> None:
    limit, sent, paused = RateLimit(30), list[int](), list[float]()

    def pause(seconds: float) -> None:
        paused.append(seconds)
        raise StoppedError

    def work() -> None:
        try:
            while True:
                limit.wait(pause)
                sent.append(1)
        except StoppedError:
            pass

    in_eight_threads(work)
    limit.close()
    assert len(sent) == 30
    assert len(paused) == 8
    assert all(0 < seconds < 1 for seconds in paused)


def test_no_more_requests_within_any_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(pyrate_limiter.MonotonicClock, "now", lambda _: clock.now())
    limit, sent = RateLimit(30), list[float]()
    for _ in range(160):
        limit.wait(clock.wait)
        sent.append(clock.seconds)
    limit.close()
    for first, later in zip(sent, sent[30:], strict=False):
        assert 59.9 <= later - first <= 61


def test_a_sync_keeps_below_the_limit_and_says_that_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Siro would refuse its requests, and those of all others who use the token; and it would seem to hang."""
    clock = SyncClock()
    monkeypatch.setattr(pyrate_limiter.MonotonicClock, "now", lambda _: int(clock.monotonic() * 1000))
    with Sandbox(recordings(60)) as sandbox:
        config = config_for(sandbox, page_size=5, concurrency=1, requests_per_minute=10)
        run = sync(config, clock=clock, catalog=selecting("recordings"))
        requests = len(sandbox.requests)
    assert requests > 20
    assert clock.slept >= 60 * ((requests - 1) // 10) - 1
    assert len([line for line in run.told(logging.INFO) if "Reached 10 requests in a minute" in line]) == 1
    assert len(run.records["recordings"]) >= 60


def test_the_library_does_not_log_how_it_counts(caplog: pytest.LogCaptureFixture) -> None:
    """Each run would begin with a line about a bucket."""
    with caplog.at_level(logging.INFO):
        RateLimit(30).close()
    assert caplog.messages == []
