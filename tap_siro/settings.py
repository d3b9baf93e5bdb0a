"""Declarations of the settings, and their values once they have been checked.

`CONFIG` is what `--about` prints; what Meltano, its hub and the documentation say of a setting is made from it with
`python -m tools`. `Settings` is what the other modules use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from singer_sdk import typing as th

from tap_siro import timestamps
from tap_siro.credentials import read_agent, read_credentials, read_oauth_app, read_url

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_USER_API_URL = "https://api.siro.ai"
DEFAULT_API_URL = "https://functions.siro.ai/api-externalApi"
DEFAULT_AUTH_URL = "https://auth.siro.ai/oauth2/token"
CREDENTIALS = (("api_token",), ("client_id", "client_secret"))
"""Settings without which nothing can be read: all those of one group."""
PLUGIN_NAME = "tap-siro"


class Enrichment(NamedTuple):
    """A property that a recording has only if the request asks for it."""

    setting: str
    flag: str
    """The query parameter that asks for it."""
    property_name: str
    """The recording's property that holds it."""
    what: str


ENRICHMENTS = (
    Enrichment("show_crm_links", "showCrmLinks", "crm", "links to CRM records"),
    Enrichment("show_summary", "showSummary", "summary", "AI summaries"),
    Enrichment("show_entity_extractions", "showEntityExtractions", "entityExtractions", "extracted values"),
    Enrichment("show_evaluation_score", "showEvaluationScore", "evaluationScore", "scorecard evaluation scores"),
    Enrichment("show_followups", "showFollowups", "followups", "follow-ups"),
)

STATUS_FILTERS = {
    "is_processing_done": "isProcessingDone",
    "is_entity_extraction_done": "isEntityExtractionDone",
    "is_summary_done": "isSummaryDone",
}


def _title(name: str) -> str:
    words = name.replace("_", " ")
    for word in ("CRM", "API", "URL", "OAuth", "Siro"):
        words = words.replace(word.lower(), word)
    return words[0].upper() + words[1:]


def _setting(name: str, kind: th.JSONTypeHelper[Any], description: str, **options: Any) -> th.Property[Any]:
    return th.Property(name, kind, title=_title(name), description=description, **options)


_ORDINARY: tuple[th.Property[Any], ...] = (
    _setting(
        "api_token",
        th.StringType(),
        "Organization token, made by a Siro admin under the person icon, API Tokens.",
        secret=True,
    ),
    _setting(
        "client_id",
        th.StringType(),
        "Id of a client app at Siro: OAuth client credentials, used instead of `api_token`.",
        examples=["your-client-id"],
        secret=True,
    ),
    _setting(
        "client_secret",
        th.StringType(),
        "Secret of the client app in `client_id`.",
        examples=["your-client-secret"],
        secret=True,
    ),
    _setting(
        "auth_url",
        th.StringType(),
        "Address that issues access tokens for `client_id` and `client_secret`. Must be https, except for a loopback "
        "address.",
        default=DEFAULT_AUTH_URL,
    ),
    _setting(
        "api_url",
        th.StringType(),
        "Address of Siro's API. Must be https, except for a loopback address.",
        default=DEFAULT_API_URL,
    ),
    _setting(
        "start_date",
        th.DateTimeType(),
        "Date or date-time (UTC if it has no offset). The first sync reads recordings updated at or after it, or all "
        "if not set. Ignored once a stream has a bookmark.",
        examples=["2026-01-01"],
    ),
    _setting(
        "end_date",
        th.DateTimeType(),
        "Date or date-time. Only recordings updated before it are read, and the bookmark never passes it. If it is "
        "before the bookmark, nothing is read.",
        examples=["2026-02-01"],
    ),
    *(
        _setting(
            each.setting,
            th.BooleanType(),
            f"Request {each.what}. Ignored if nothing selected uses them.",
            default=True,
        )
        for each in ENRICHMENTS
    ),
    *(
        _setting(
            name,
            th.BooleanType(),
            f"Only recordings whose `{parameter}` has this value. If not set, all recordings.",
            examples=[True],
        )
        for name, parameter in STATUS_FILTERS.items()
    ),
    _setting(
        "exclude_siro_users",
        th.BooleanType(),
        "Leave out Siro's own staff and bots: users with an email address at Siro.",
        default=False,
    ),
    _setting(
        "created_after",
        th.DateTimeType(),
        "Only recordings created after this date or date-time.",
        examples=["2026-01-01T00:00:00Z"],
    ),
    _setting(
        "created_before",
        th.DateTimeType(),
        "Only recordings created before this date or date-time.",
        examples=["2027-01-01T00:00:00Z"],
    ),
    _setting(
        "user_api_url",
        th.StringType(),
        "Address of Siro's user host, which serves transcripts, scorecards, outcomes and the list of follow-ups. Must "
        "be https, except for a loopback address.",
        default=DEFAULT_USER_API_URL,
    ),
    _setting(
        "oauth_client_id",
        th.StringType(),
        "Id of an OAuth app at Siro, to sign in to the user host. Without it, the tap uses `client_id` and "
        "`client_secret`.",
        examples=["an-app-id"],
    ),
    _setting(
        "oauth_client_secret",
        th.StringType(),
        "Secret of the OAuth app in `oauth_client_id`.",
        secret=True,
        examples=["an-app-secret"],
    ),
    _setting(
        "oauth_user_id",
        th.StringType(),
        "Id of the Siro user that the OAuth app acts for. The user must be allowed to see all recordings.",
        examples=["a-user-id"],
    ),
)

_ADVANCED: tuple[th.Property[Any], ...] = (
    _setting(
        "page_size",
        th.IntegerType(minimum=1, maximum=500),
        "Recordings per page. Default: 25 with evaluation scores, which Siro leaves out of larger pages, else 100. "
        "With scores, 25 is the maximum.",
        examples=[100],
    ),
    _setting("concurrency", th.IntegerType(minimum=1, maximum=16), "Maximum number of parallel requests.", default=4),
    _setting(
        "requests_per_minute",
        th.IntegerType(minimum=1, maximum=100_000),
        "Maximum number of requests per minute, retries included. Siro allows 1,000 per token.",
        default=900,
    ),
    _setting(
        "request_timeout",
        th.NumberType(exclusive_minimum=0, maximum=3_600),
        "Seconds to wait for a connection, and for each part of a response.",
        default=60,
    ),
    _setting(
        "max_retry_seconds",
        th.NumberType(minimum=0, maximum=86_400),
        "Seconds to retry a failing request before the sync fails.",
        default=600,
    ),
    _setting(
        "lookback_seconds",
        th.IntegerType(minimum=1, maximum=31_536_000),
        "Each incremental sync starts this many seconds before the bookmark, to catch late scores and summaries, which "
        "don't change `updatedAt`. The bookmark itself does not move back.",
        default=7_200,
    ),
    _setting(
        "daily_recheck_days",
        th.NumberType(minimum=0, maximum=3_650),
        "The first incremental sync of each UTC day starts this many days before the bookmark instead, to catch scores "
        "and summaries that came later still. 0 switches this off.",
        default=2,
    ),
    _setting(
        "emit_activate_version_messages",
        th.BooleanType(),
        "Send ACTIVATE_VERSION after each complete list, so that the target marks or deletes rows that were deleted at "
        "Siro. Set it to false if the target fails on these messages. `recordings` and its child streams send none.",
        default=True,
    ),
    _setting(
        "user_agent",
        th.StringType(),
        "User-Agent header of each request. Default: `tap-siro/<version>`.",
        examples=["our-pipeline/1.0"],
    ),
)
"""Settings that hardly anybody needs to touch."""

CONFIG: dict[str, Any] = th.PropertiesList(*_ORDINARY, *_ADVANCED).to_dict()
ORDINARY, ADVANCED = ([each.name for each in group] for group in (_ORDINARY, _ADVANCED))
"""The names of the settings. `CONFIG` gets those of the SDK too, once a tap has been made."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings, checked and in the code's units. Timestamps and durations are in milliseconds."""

    api_token: str
    """Blank if there are client credentials."""
    client_id: str
    client_secret: str
    auth_url: str
    api_url: str
    user_api_url: str
    oauth_client_id: str
    """Blank if there is no OAuth app."""
    oauth_client_secret: str
    oauth_user_id: str
    user_agent: str
    start: int | None
    end: int | None
    flags: frozenset[str]
    """The query flags that may be sent."""
    created_after: int | None
    created_before: int | None
    filters: Mapping[str, str]
    """The status filters, as query parameters."""
    exclude_siro_users: bool
    page_size: int | None
    """Recordings a page; None leaves it to each pass."""
    concurrency: int
    requests_per_minute: int
    request_timeout: float
    max_retry_seconds: float
    lookback: int
    daily_recheck: int

    @classmethod
    def read(cls, config: Mapping[str, Any], *, version: str) -> tuple[Settings | None, list[str]]:
        """Check the settings.

        Args:
            config: The settings by name, of the right JSON types and with their defaults.
            version: The tap's version, for the default user agent.

        Returns:
            The settings, or None and what is wrong with them: a sentence each, which never holds the token.
        """
        errors: list[str] = []
        credentials = read_credentials(config, errors)
        auth_url = read_url(config.get("auth_url"), "auth_url", DEFAULT_AUTH_URL, errors)
        api_url = read_url(config.get("api_url"), "api_url", DEFAULT_API_URL, errors)
        user_api_url = read_url(config.get("user_api_url"), "user_api_url", DEFAULT_USER_API_URL, errors)
        app = read_oauth_app(config, errors)
        after = _timestamp(config, "created_after", errors)
        before = _timestamp(config, "created_before", errors)
        if after is not None and before is not None and after + 1 >= before:
            errors.append("`created_after` must be before `created_before`. Swap them, or widen the range.")
        agent = read_agent(config.get("user_agent") or f"{PLUGIN_NAME}/{version}", errors)
        start = _timestamp(config, "start_date", errors)
        end = _timestamp(config, "end_date", errors)
        if start is not None and end is not None and start >= end:
            errors.append("`start_date` must be before `end_date`. Swap them, or widen the range.")
        if errors:
            return None, errors
        return cls(
            **credentials,
            auth_url=auth_url,
            api_url=api_url,
            user_api_url=user_api_url,
            **app,
            user_agent=agent,
            start=start,
            end=end,
            flags=frozenset(each.flag for each in ENRICHMENTS if config.get(each.setting, True)),
            created_after=after,
            created_before=before,
            filters=_filters(config),
            exclude_siro_users=bool(config.get("exclude_siro_users")),
            page_size=None if config.get("page_size") is None else int(config["page_size"]),
            concurrency=int(config["concurrency"]),
            requests_per_minute=int(config["requests_per_minute"]),
            request_timeout=float(config["request_timeout"]),
            max_retry_seconds=float(config["max_retry_seconds"]),
            lookback=int(config["lookback_seconds"]) * timestamps.SECOND,
            daily_recheck=int(float(config["daily_recheck_days"]) * timestamps.DAY),
        ), []

    def describe_range(self, until: int | None) -> str:
        """Return range and filters as query parameters, but for `start_date`: what the state keeps of a pass."""
        parts = dict(self.filters)
        if self.created_after is not None:
            parts["createdAt:gt"] = timestamps.text(self.created_after)
        if self.created_before is not None:
            parts["createdAt:lt"] = timestamps.text(self.created_before)
        if until is not None:
            parts["updatedAt:lt"] = timestamps.text(until)
        return "&".join(f"{name}={parts[name]}" for name in sorted(parts))


def _filters(config: Mapping[str, Any]) -> dict[str, str]:
    given = {parameter: config.get(name) for name, parameter in STATUS_FILTERS.items()}
    return {parameter: "true" if value else "false" for parameter, value in given.items() if value is not None}


def _timestamp(config: Mapping[str, Any], name: str, errors: list[str]) -> int | None:
    value = config.get(name)
    if value is None:
        return None
    timestamp = timestamps.parse(value.strip()) if isinstance(value, str) else None
    if timestamp is None:
        errors.append(f"`{name}` is not a date. Write it as 2026-01-31 or 2026-01-31T08:00:00Z.")
        return None
    return timestamp
