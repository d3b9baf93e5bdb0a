"""Settings on their way through Meltano to the tap."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from demo.meltano import Meltano
from tap_siro.settings import ADVANCED, ORDINARY
from tap_siro.tap import TapSiro
from tests.sandbox import Sandbox
from tests.support.in_process import sync
from tests.targets import project

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.targets
NEEDED = {"api_token", "api_url"}
"""Set a token and the sandbox's address."""


def passed_on(directory: Path, meltano: Path, environment: dict[str, str]) -> dict[str, Any]:
    """Return the settings that the tap gets from Meltano."""
    tap = project.extractor() | {"config": {"show_followups": False, "request_timeout": 2.5}}
    project.write(directory, {"extractors": [tap]}, environments=[{"name": "dev"}])
    ran = Meltano(meltano, directory, directory, {"MELTANO_ENVIRONMENT": "dev", **environment})
    assert ran.run("dump", "invoke", "--no-install", "--dump=config", "tap-siro") == 0, ran.tail("dump")
    text = ran.log("dump").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text[text.index("\n{\n") :].partition("\n}")[0] + "}")
    return found


def test_a_blank_variable_is_not_set_and_a_wrong_word_is_refused(meltano: Path, tmp_path: Path) -> None:
    """In CI, an unset variable is blank: Meltano would turn it into a filter, and most recordings would be missing."""
    names = [name for name in (*ORDINARY, *ADVANCED) if name not in NEEDED]
    with Sandbox([]) as sandbox:
        access = {"TAP_SIRO_API_TOKEN": sandbox.token, "TAP_SIRO_API_URL": sandbox.url}
        blank = {f"TAP_SIRO_{name.upper()}": "" for name in names}
        more = (
            "FLATTENING_ENABLED",
            "BATCH_CONFIG_BATCH_SIZE",
            "BATCH_CONFIG_STORAGE_ROOT",
            "BATCH_CONFIG_ENCODING_FORMAT",
        )
        config = passed_on(tmp_path / "blank", meltano, access | blank | {f"TAP_SIRO_{name}": "" for name in more})
        assert config["batch_config"]["storage"] == {"root": ""}
        assert {name for name in names if config.get(name) == ""} >= {"is_summary_done", "page_size", "start_date"}
        sync(config)
        sync({name: config[name] for name in NEEDED})
        from_blank, from_nothing = sandbox.requests
        assert from_blank.params.items() >= from_nothing.params.items() - {"updatedAt:gte"}
    files = {
        "TAP_SIRO_BATCH_CONFIG_BATCH_SIZE": "10000",
        "TAP_SIRO_BATCH_CONFIG_STORAGE_ROOT": (tmp_path / "b").as_uri(),
    }
    word = {"TAP_SIRO_IS_SUMMARY_DONE": "enabled", "TAP_SIRO_PAGE_SIZE": "many"}
    config = passed_on(tmp_path / "word", meltano, access | word | files)
    assert (config["show_followups"], config["request_timeout"]) == (False, 2.5)
    batches = TapSiro(config=config | {"is_summary_done": "true", "page_size": "50"}).batch_config
    assert batches
    assert (batches.root, batches.records) == (tmp_path / "b", 10_000)
    with pytest.raises(Exception, match="Invalid configuration") as error:
        TapSiro(config=config)
    assert getattr(error.value, "errors", []) == [
        "`is_summary_done` must be true or false.",
        "`page_size` must be of type integer.",
    ]
