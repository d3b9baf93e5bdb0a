"""Base class of the details of single recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from tests.sandbox.edge_cases import TEXT
from tests.sandbox.routes import Endpoint

if TYPE_CHECKING:
    from tests.sandbox.kinds import Answer, Details, Keys, Recording, Request, Row

SENTENCES = ("The price is what worries me.", "We can start next week.", "Let me ask my wife first.", TEXT)


class Detail(Endpoint):
    """Endpoint of a single recording: route, data, expected rows and keys of its streams.

    Its data is made from the recording's id and its list entry, so every data set has details.
    """

    keys: ClassVar[Keys]
    own: ClassVar[str]
    """Attribute of `Details` with a test's own data, by the recording's id."""

    def make(self, details: Details, recording: Recording) -> Any:
        """Make the recording's data."""
        raise NotImplementedError

    def answer(self, details: Details, request: Request) -> Answer:
        """Answer a request."""
        raise NotImplementedError

    def expected(self, details: Details, recording: Recording) -> dict[str, list[Row]]:
        """Compute the rows of a recording, without the columns that all streams of details have."""
        raise NotImplementedError
