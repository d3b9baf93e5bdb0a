"""A stand-in for Siro's recordings endpoint, over real HTTP: for tests, benchmarks and a demo."""

from tests.sandbox.server import Request, Sandbox

__all__ = ["Request", "Sandbox"]
