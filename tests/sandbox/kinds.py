"""Types that all stand-ins use."""

from tests.sandbox.faults import Answer
from tests.sandbox.oracle import Keys, Row, Rows
from tests.sandbox.routes import Request
from tests.sandbox.store import Recording
from tests.sandbox.streams import Details, Lists

__all__ = ["Answer", "Details", "Keys", "Lists", "Recording", "Request", "Row", "Rows"]
