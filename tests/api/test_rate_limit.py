"""The vendor's limit holds across all threads."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from tap_siro.api.rate_limit import RateLimit
from tests.sandbox import Sandbox
from tests.sandbox.data import recordings
from tests.support.process import config_for, run_tap

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self._lock = threading.Lock()

    def monotonic_ms(self) -> int:
        return int(self.seconds * 1000)

    def wait(self, seconds: float) -> None:
        with self._lock:
            self.seconds += seconds


def test_no_more_requests_within_any_minute_from_eight_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    limit = RateLimit(30)
    monkeypatch.setattr(limit._bucket, "now", clock.monotonic_ms)
    sent: list[float] = []
    lock = threading.Lock()
    try_acquire = limit._limiter.try_acquire

    def recorded(**options: Any) -> Any:
        with lock:
            if allowed := try_acquire(**options):
                sent.append(clock.seconds)
        return allowed

    monkeypatch.setattr(limit._limiter, "try_acquire", recorded)

    def work() -> None:
        for _ in range(20):
            limit.wait(clock.wait)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(sent) == 160
    for first, later in zip(sent, sent[30:], strict=False):
        assert later - first >= 59.9
    assert len(limit._bucket.items) <= 60, "what is over is forgotten"


def test_a_sync_keeps_below_a_limit_that_the_server_enforces(tmp_path: Path) -> None:
    """With a limit of its own above ours, the server has nothing to refuse."""
    with Sandbox(recordings(50), rate_limit=(40, 60)) as sandbox:
        run = run_tap(tmp_path, config_for(sandbox, page_size=5, requests_per_minute=40))
        assert {request.status for request in sandbox.requests} == {200}
    assert len(run.records["recordings"]) >= 50
