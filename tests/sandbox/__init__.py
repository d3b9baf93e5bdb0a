"""A stand-in for Siro's API, over real HTTP: for tests, benchmarks and a demo."""

from tests.sandbox.server import Request, Route, Sandbox

__all__ = ["Request", "Route", "Sandbox"]
