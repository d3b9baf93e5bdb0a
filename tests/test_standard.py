"""The SDK's own tests for taps, against the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from tap_siro.tap import TapSiro
from tests.sandbox import Sandbox
from tests.sandbox.data import recordings
from tests.sandbox.streams import DETAIL_KEYS, KEYS, LIST_KEYS
from tests.support.process import selecting, user_host

if TYPE_CHECKING:
    from collections.abc import Iterator

# The address is set when the tests run, because collecting them must not start a server.
CONFIG: dict[str, Any] = {
    "api_token": "sandbox-token",
    "api_url": "http://127.0.0.1:9",
    **dict.fromkeys(("oauth_client_id", "oauth_client_secret", "oauth_user_id"), "app"),
}


@pytest.fixture(scope="class", autouse=True)
def _sandbox() -> Iterator[None]:
    with Sandbox(recordings(90)) as sandbox:
        CONFIG.update(api_url=sandbox.url, **user_host(sandbox))
        yield


TestTapSiro = get_tap_test_class(
    TapSiro,
    config=CONFIG,
    catalog=selecting(*KEYS, *LIST_KEYS, *DETAIL_KEYS),
    # The details of the one requested recording may be empty.
    suite_config=SuiteConfig(ignore_no_records_for_streams=[*DETAIL_KEYS]),
)
