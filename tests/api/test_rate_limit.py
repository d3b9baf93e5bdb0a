"""The vendor's limit holds across all threads."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pyrate_limiter

from tap_siro.api.rate_limit import RateLimit
from tap_siro.errors import StoppedError
from tests.sandbox import Sandbox
from tests.sandbox.data import recordings
from tests.support.process import config_for, run_tap

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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


def test_a_sync_keeps_below_a_limit_that_the_server_enforces(tmp_path: Path) -> None:
    """The server's limit is above ours, so it must not refuse a request."""
    with Sandbox(recordings(50), rate_limit=(40, 60)) as sandbox:
        run = run_tap(tmp_path, config_for(sandbox, page_size=5, requests_per_minute=40))
        assert {request.status for request in sandbox.requests} == {200}
    assert len(run.records["recordings"]) >= 50
