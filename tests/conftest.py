"""What all tests share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tap honours proxies; the sandbox is on the loopback address."""
    monkeypatch.setenv("NO_PROXY", "*")
