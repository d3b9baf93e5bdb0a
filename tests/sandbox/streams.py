"""The registry of stand-ins: one module per stream, and one line here."""

from __future__ import annotations

import functools
import pickle
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Self

from tests.sandbox import expected
from tests.sandbox.connections import Connections
from tests.sandbox.data import ORGANIZATION, recordings
from tests.sandbox.engagements import Engagements
from tests.sandbox.followups import Followups
from tests.sandbox.mobile_events import MobileEvents
from tests.sandbox.opportunities import Opportunities
from tests.sandbox.oracle import moment
from tests.sandbox.recording_followup_details import FollowupDetails
from tests.sandbox.recording_outcomes import Outcomes
from tests.sandbox.recording_scorecards import Evaluations
from tests.sandbox.recording_utterances import Utterances
from tests.sandbox.routes import Request, Route
from tests.sandbox.scorecards import Scorecards
from tests.sandbox.teams import IDENTITY, ORGANIZATIONS, Teams, identity, organizations
from tests.sandbox.users import Users

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.sandbox import Sandbox
    from tests.sandbox.detail import Detail
    from tests.sandbox.faults import Answer
    from tests.sandbox.listing import Listing
    from tests.sandbox.oracle import Keys, Rows
    from tests.sandbox.store import Recording, Store

LISTS: tuple[Listing, ...] = (
    Users(), Teams(), Connections(), Engagements(), Opportunities(), MobileEvents(),
    Followups(), Scorecards(), Outcomes(),
)  # fmt: skip
DETAILS: tuple[Detail, ...] = (FollowupDetails(), Utterances(), Evaluations())

KEYS = expected.KEYS
"""The key columns of `recordings` and of each stream that is derived from it."""
DETAIL_KEYS: Keys = {stream: key for each in DETAILS for stream, key in each.keys.items()}
"""The key columns of the streams with one request per recording."""
LIST_KEYS: Keys = {stream: key for each in LISTS for stream, key in each.keys.items()}
"""The key columns of the lists."""
DEFAULT = tuple(stream for each in LISTS if each.default for stream in each.keys)
"""The lists that are selected by default."""
PATHS = {each.name: each.label or each.path for each in LISTS}
"""The address of each list."""


class Lists:
    """The rows of each list as the API sends them, as attributes named after the streams; and options for sending."""

    def __init__(self, data: Iterable[Recording] = (), **options: Any) -> None:
        """Make the rows that some recordings refer to, and a few that nothing refers to.

        Args:
            data: The recordings.
            options: Attributes to set.
        """
        self.organization = ORGANIZATION
        self.group: list[str] = []
        """Organizations of a token for a group of organizations."""
        self.refused: set[str] = set()
        """Organizations whose teams the token may not read."""
        self.page_size = 100
        """Maximum page size, and the page size of lists without the parameter `pageSize`."""
        self.disabled_apart = False
        """True if disabled users come with `disabled=true` alone."""
        self.bare = False
        """True if lists come without `data` around them; events, as a list in that list."""
        if unknown := options.keys() - vars(self).keys():
            raise TypeError(f"lists have no {', '.join(sorted(unknown))}")
        vars(self).update(options)
        data = [each for each in data if isinstance(each.get("id"), str)]
        for each in LISTS:
            setattr(self, each.name, each.make(self, data))

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    @classmethod
    def default(cls) -> Lists:
        """Make the lists of a small data set."""
        made: Lists = pickle.loads(_default())  # noqa: S301
        return made

    def copy(self) -> Self:
        """Return a copy that can be changed."""
        return deepcopy(self)

    def routes(self, allows: Callable[[Request], bool]) -> list[Route]:
        """Return the routes that serve the lists as they are at the time of a request.

        Args:
            allows: Returns True if a request may read the user host.
        """
        answers: dict[str, Callable[[Lists, Request], Answer]] = {IDENTITY: identity, ORGANIZATIONS: organizations}
        routes = [Route(path, functools.partial(answer, self)) for path, answer in answers.items()]
        return routes + [each.route(functools.partial(each.answer, self), allows) for each in LISTS]


@functools.cache
def _default() -> bytes:
    """Pickled, because that is ten times as fast to copy: each sandbox has its own."""
    return pickle.dumps(Lists(recordings(60, odd=False)))


def expected_lists(lists: Lists) -> dict[str, Rows]:
    """Compute the rows of all lists, by their keys."""
    return {stream: rows for each in LISTS for stream, rows in each.expected(lists).items()}


class Details:
    """Details of single recordings: `sandbox.details`."""

    def __init__(self, store: Store, lists: Lists) -> None:
        """Take the recordings, and the lists that have the scorecards."""
        self.gone: set[str] = set()
        """Recordings whose details are answered with 410, besides deleted ones."""
        self.utterances_a_page = 5
        """Maximum number of utterances on a page; the documentation says 100,000."""
        self.unevaluated = 0.0
        """The share of recordings with a score whose evaluation is missing."""
        self.lists = lists
        self._store = store
        for each in DETAILS:
            setattr(self, each.own, {})

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    def of(self, detail: Detail, recording: Recording) -> Any:
        """Return a test's own data of a recording, or default data."""
        own: dict[str, Any] = getattr(self, detail.own)
        return own[recording["id"]] if recording["id"] in own else detail.make(self, recording)

    def recording(self, recording_id: str) -> Recording | None:
        """Return a copy of a recording, if there is one."""
        return self._store.get(recording_id)

    def is_gone(self, recording: Recording) -> bool:
        """Return True if requests for the recording's details are refused."""
        return recording["id"] in self.gone or recording.get("deleted") is True

    def routes(self, allows: Callable[[Request], bool]) -> list[Route]:
        """Return the routes.

        Args:
            allows: Returns True if a request may read the user host.
        """
        return [each.route(functools.partial(each.answer, self), allows) for each in DETAILS]


def expected_details(sandbox: Sandbox, details: Iterable[Detail] = DETAILS) -> dict[str, Rows]:
    """Compute the rows of all details of the current recordings, by their keys.

    Recordings that are not processed yet, or deleted, have none.
    """
    found: dict[str, Rows] = {stream: {} for detail in details for stream in detail.keys}
    for recording in sandbox.recordings:
        name = recording.get("id")
        if not isinstance(name, str) or recording.get("isProcessingDone") is False:
            continue
        if sandbox.details.is_gone(recording):
            continue
        parent = {"recordingId": name, "recordingUpdatedAt": moment(recording.get("updatedAt"))}
        for detail in details:
            for stream, rows in detail.expected(sandbox.details, recording).items():
                for row in rows:
                    whole = parent | row
                    found[stream][tuple(whole[column] for column in detail.keys[stream])] = whole
    return found
