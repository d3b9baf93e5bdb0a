"""A stand-in for Siro's API, over real HTTP: for tests, benchmarks and a demo."""

from tests.sandbox.routes import Request, Route
from tests.sandbox.server import Sandbox

__all__ = ["Request", "Route", "Sandbox"]
