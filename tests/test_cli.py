"""The command line: options that work without a token, and messages about invalid settings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tap_siro.settings import CONFIG, Settings
from tap_siro.singer.log_level import DEBUG_ONLY
from tap_siro.tap import TapSiro
from tests.sandbox import Sandbox
from tests.sandbox.data import recordings
from tests.sandbox.streams import DEFAULT, DETAIL_KEYS, KEYS, LIST_KEYS
from tests.support.process import config_for, run_tap, selecting, start_tap

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "canary-7f3a"
DEFAULTS = {name: each["default"] for name, each in CONFIG["properties"].items() if "default" in each}


def output(directory: Path, *arguments: str) -> str:
    with start_tap(directory, {}, arguments=arguments) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


def test_discovery_needs_neither_token_nor_network(tmp_path: Path) -> None:
    catalog = selecting()
    assert {
        entry["tap_stream_id"]: tuple(entry["key_properties"]) for entry in catalog["streams"]
    } == KEYS | DETAIL_KEYS | LIST_KEYS
    keys = dict.fromkeys(LIST_KEYS) | {"recordings": "updatedAt", "mobile_events": "createdAt"}
    keys["recording_outcomes"] = "dateCreated"
    for entry in catalog["streams"]:
        expected = keys.get(entry["tap_stream_id"], "recordingUpdatedAt")
        assert entry.get("replication_key") == expected


def test_about_in_all_formats_and_version(tmp_path: Path) -> None:
    about = json.loads(output(tmp_path, "--about", "--format=json"))
    assert about["capabilities"] == [
        "catalog", "state", "discover", "about", "stream-maps", "schema-flattening", "batch", "activate-version",
        "structured-logging",
    ]  # fmt: skip
    assert about["settings"]["properties"]["api_token"]["secret"] is True
    assert {"encoding", "storage"} < about["settings"]["properties"]["batch_config"]["properties"].keys()
    assert "| api_token | False |" in output(tmp_path, "--about", "--format=markdown")
    assert "Name: tap-siro" in output(tmp_path, "--about")
    assert output(tmp_path, "--version").startswith("tap-siro v")


def test_test_mode_makes_one_request_and_moves_no_bookmark(tmp_path: Path) -> None:
    with Sandbox(recordings(60)) as sandbox:
        run = run_tap(tmp_path, config_for(sandbox, page_size=10), arguments=("--test",))
        assert len(sandbox.requests) == 1
    assert set(run.count().values()) == {1}
    assert set(run.count()) == {*KEYS, *DEFAULT}
    assert "replication_key_value" not in json.dumps(run.states)
    assert "ERROR" not in run.stderr


def test_test_mode_asks_for_what_a_sync_would(tmp_path: Path) -> None:
    """A filter or scope that the API refuses would only be noticed in the first sync."""
    with Sandbox(recordings(60)) as sandbox:
        limits = {"start_date": "2025-03-01", "created_after": "2025-02-01", "is_summary_done": True}
        run_tap(tmp_path, config_for(sandbox, show_followups=False, **limits), arguments=("--test",))
        (request,) = sandbox.requests
    assert request.params == {
        "updatedAt:gte": "2025-03-01T00:00:00.000Z",
        "createdAt:gt": "2025-02-01T00:00:00.000Z",
        "isSummaryDone": "true",
        "pageSize": "25",
        **dict.fromkeys(("showCrmLinks", "showSummary", "showEntityExtractions", "showEvaluationScore"), "true"),
    }


def test_test_schema_writes_schemas(tmp_path: Path) -> None:
    run = run_tap(tmp_path, {"api_token": "t"}, arguments=("--test=schema",))
    assert set(run.schemas) == {*KEYS, *DETAIL_KEYS, *LIST_KEYS}


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "blank token": ({"api_token": "  "}, "`api_token` is not set"),
    "no token": ({"api_token": None}, "`api_token` is not set"),
    "only a prefix": ({"api_token": "Bearer "}, "`api_token` is blank"),
    "token with a space": ({"api_token": f"{TOKEN} {TOKEN}"}, "`api_token` contains spaces"),
    "token of the wrong type": ({"api_token": [TOKEN]}, "`api_token` must be of type string"),
    "impossible date": ({"start_date": "2026-02-30"}, "`start_date` is not a date"),
    "yesterday": ({"created_after": "yesterday"}, "`created_after` is not a date"),
    "empty range": (
        {"created_after": "2026-01-01T00:00:00.000Z", "created_before": "2026-01-01T00:00:00.001Z"},
        "`created_after` must be before `created_before`",
    ),
    "http to a remote host": ({"api_url": "http://api.example.test"}, "`api_url` must be https"),
    "no address": ({"api_url": "functions.siro.ai"}, "`api_url` is not a web address"),
    "password in the address": ({"api_url": f"https://me:{TOKEN}@example.test"}, "must not contain a user name"),
    "page size too large": ({"page_size": 501}, "`page_size` must be at most 500"),
    "page size of zero": ({"page_size": 0}, "`page_size` must be at least 1"),
    "too many threads": ({"concurrency": 17}, "`concurrency` must be at most 16"),
    "no lookback": ({"lookback_seconds": 0}, "`lookback_seconds` must be at least 1"),
    "no time": ({"request_timeout": 0}, "`request_timeout` must be more than 0"),
    "files nowhere": ({"batch_config": {"encoding": {"format": "jsonl"}}}, "`batch_config.storage.root` must be a"),
    "files in a bucket": (
        {"batch_config": {"storage": {"root": "s3://bucket"}}},
        "`batch_config.storage.root` must be a directory",
    ),
    "files of another format": (
        {"batch_config": {"encoding": {"format": "parquet"}, "storage": {"root": "file:///x"}}},
        "`batch_config.encoding.format` must be `jsonl`",
    ),
    "empty files": (
        {"batch_config": {"storage": {"root": "file:///x"}, "batch_size": 0}},
        "`batch_config.batch_size` must be at least 1",
    ),
    "not a flag": ({"show_summary": "perhaps"}, "`show_summary` must be true or false"),
    "not a flag of the SDK's": ({"flattening_enabled": "t"}, "`flattening_enabled` must be true or false"),
    "not a number": ({"request_timeout": float("nan")}, "`request_timeout` must be of type number"),
    "not a number as text": ({"daily_recheck_days": "NaN"}, "`daily_recheck_days` must be of type number"),
    "infinity": ({"max_retry_seconds": float("inf")}, "`max_retry_seconds` must be of type number"),
    "not a whole number": ({"page_size": float("nan")}, "`page_size` must be of type integer"),
    "another protocol": ({"api_url": "ftp://127.0.0.1/x"}, "`api_url` is not a web address"),
    "address a number": ({"api_url": 5}, "`api_url` must be of type string"),
    "date a number": ({"start_date": 20250101}, "`start_date` "),
    "page size a word": ({"page_size": "all"}, "`page_size` must be of type integer"),
    "page size a fraction": ({"page_size": 1.5}, "`page_size` must be of type integer"),
    "no threads": ({"concurrency": 0}, "`concurrency` must be at least 1"),
    "no requests": ({"requests_per_minute": 0}, "`requests_per_minute` must be at least 1"),
    "negative patience": ({"max_retry_seconds": -1}, "`max_retry_seconds` must be at least 0"),
    "negative recheck": ({"daily_recheck_days": -1}, "`daily_recheck_days` must be at least 0"),
    "filter a number": ({"is_summary_done": 2}, "`is_summary_done` must be true or false"),
    "not a map": ({"stream_maps": "recordings"}, "`stream_maps` must be of type object"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_settings_are_told_in_a_sentence_before_the_first_request(
    case: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings, sentence = BAD[case]
    with pytest.raises(Exception) as error:  # noqa: PT011 - its sentences are what is checked
        TapSiro(config={"api_token": TOKEN, "api_url": "http://127.0.0.1:9", **settings})
    (told,) = error.value.errors  # type: ignore[attr-defined]
    assert sentence in told
    assert TOKEN not in told + caplog.text + str(error.value)


@pytest.mark.parametrize(
    "host",
    ["a..b", ".siro.test", "siro.test..", "*.siro.test", f"{'a' * 64}.test", f"{'é' * 64}.test", "siro test",
     "si\nro.test",
     "\u2026.test", "[v1.x]", "[::1", "siro.test:x", "siro.test:99999"],
)  # fmt: skip
@pytest.mark.parametrize("setting", ["api_url", "auth_url", "user_api_url"])
def test_an_address_that_no_request_can_go_to_is_named(host: str, setting: str) -> None:
    """A typing error would end in a traceback, at the first request."""
    config = DEFAULTS | {"api_token": TOKEN, setting: f"https://{host}/x"}
    assert Settings.read(config, version="1")[1] == [
        f"`{setting}` is not a web address. An example is {DEFAULTS[setting]}."
    ]


def test_a_bad_setting_ends_the_process_with_one_line(tmp_path: Path) -> None:
    for arguments in ((), ("--test",)):
        run = run_tap(tmp_path, {"api_token": TOKEN, "page_size": 0}, status=1, arguments=arguments)
        errors = [line for line in run.stderr.splitlines() if "ERROR" in line]
        assert len(errors) == 1
        assert "`page_size` must be at least 1." in errors[0]
        assert TOKEN not in run.stderr
        assert "Traceback" not in run.stderr


@pytest.mark.parametrize("token", [f"Bearer {TOKEN}", f"bearer  {TOKEN} ", f"\n{TOKEN}\r\n", f"\t{TOKEN}"])
def test_what_is_copied_with_the_token_is_taken_off(token: str) -> None:
    settings, faults = Settings.read({**DEFAULTS, "api_token": token}, version="1")
    assert not faults
    assert settings
    assert settings.api_token == TOKEN


@pytest.mark.parametrize(
    ("value", "timestamp"),
    [
        ("2026-01-31", "2026-01-31T00:00:00.000Z"),
        ("2026-01-31T08:00:00Z", "2026-01-31T08:00:00.000Z"),
        ("2026-01-31T08:00:00+02:00", "2026-01-31T06:00:00.000Z"),
        ("2026-05-22T16:34:47.887661", "2026-05-22T16:34:47.887Z"),
        ("1900-01-01", "1900-01-01T00:00:00.000Z"),
    ],
)
def test_dates_are_understood_and_sent_as_the_api_wants_them(tmp_path: Path, value: str, timestamp: str) -> None:
    with Sandbox([]) as sandbox:
        run_tap(tmp_path, config_for(sandbox, start_date=value))
        assert sandbox.requests[0].params["updatedAt:gte"] == timestamp


@pytest.mark.parametrize(
    ("text", "sent"),
    [("true", "true"), ("TRUE", "true"), ("1", "true"), ("false", "false"), ("0", "false"), ("", None)],
)
def test_settings_from_the_environment(tmp_path: Path, text: str, sent: str | None) -> None:
    """The SDK reads a blank variable as false, which would silently leave out recordings."""
    with Sandbox(recordings(5)) as sandbox:
        environment = {
            "TAP_SIRO_API_TOKEN": sandbox.token,
            "TAP_SIRO_API_URL": sandbox.url,
            "TAP_SIRO_IS_SUMMARY_DONE": text,
            "TAP_SIRO_SHOW_CRM_LINKS": "off",
            "TAP_SIRO_PAGE_SIZE": "7",
            "TAP_SIRO_REQUEST_TIMEOUT": "2.5",
        }
        run_tap(tmp_path, {}, arguments=("--config", "ENV"), environment=environment)
        params = sandbox.requests[0].params
    assert params.get("isSummaryDone") == sent
    assert "showCrmLinks" not in params
    assert params["pageSize"] == "7"


def test_null_means_the_default(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"show_summary": None, "page_size": None, "is_summary_done": None}
    with Sandbox([]) as sandbox:
        run_tap(tmp_path, config_for(sandbox, **settings))
        params = sandbox.requests[0].params
    assert params["showSummary"] == "true"
    assert params["pageSize"] == "25"
    assert "isSummaryDone" not in params


BLANK = {name: "" for name in CONFIG["properties"] if not name.startswith("api_")}


def test_blank_means_the_default(tmp_path: Path) -> None:
    """An unset variable of a CI system would leave out recordings, or end the sync."""
    blank: dict[str, Any] = BLANK | dict.fromkeys(("stream_maps", "flattening_enabled", "flattening_max_depth"), " ")
    blank["faker_config"] = {"seed": " "}
    blank["batch_config"] = {"batch_size": "", "storage": {"root": " ", "prefix": ""}, "encoding": {"format": ""}}
    with Sandbox(recordings(5)) as sandbox:
        run_tap(tmp_path, config_for(sandbox, **blank))
        (blank_request,) = sandbox.requests
        sandbox.clear()
        run_tap(tmp_path, config_for(sandbox))
        (request,) = sandbox.requests
    assert blank_request.params == request.params
    assert blank_request.user_agent == request.user_agent


def test_files_with_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    """Editors and PowerShell on Windows write a byte-order mark; the message would call the file invalid UTF-8."""
    catalog = selecting("recordings")
    with Sandbox(recordings(5)) as sandbox:
        bookmark = {"bookmarks": {"recordings": {"replication_key_value": "2025-01-01T00:00:00.000Z"}}}
        files = {"config": config_for(sandbox), "catalog": catalog, "state": bookmark}
        for name, content in files.items():
            (tmp_path / f"{name}-bom.json").write_text(json.dumps(content), encoding="utf-8-sig")
        arguments = tuple(part for name in files for part in (f"--{name}", f"{name}-bom.json"))
        run = run_tap(tmp_path, None, arguments=arguments)
        assert sandbox.requests[0].params["updatedAt:gte"].startswith("2024-12-31T")
    assert set(run.records) == {"recordings"}


@pytest.mark.parametrize(
    ("shell", "file", "sent"),
    [
        ("from-the-shell", "from-the-file", "from-the-shell"),
        ("from-the-shell", "", "from-the-shell"),
        ("from-the-shell", None, "from-the-shell"),
        (None, "from-the-file", "from-the-file"),
        (" ", "from-the-file", "from-the-file"),
    ],
)
def test_the_environment_wins_over_a_dot_env(tmp_path: Path, shell: str | None, file: str | None, sent: str) -> None:
    """The token of another organization in a file would be sent."""
    environment = {} if shell is None else {"TAP_SIRO_API_TOKEN": shell, "TAP_SIRO_USER_AGENT": shell}
    with Sandbox(recordings(5), token=sent) as sandbox:
        lines = [] if file is None else [f"TAP_SIRO_API_TOKEN={file}", f"TAP_SIRO_USER_AGENT={file}"]
        (tmp_path / ".env").write_text("\n".join([*lines, f"TAP_SIRO_API_URL={sandbox.url}", ""]))
        run = run_tap(tmp_path, {}, arguments=("--config", "ENV"), environment=environment)
        (request,) = sandbox.requests
    assert len(run.records["recordings"]) == 5
    assert request.user_agent == sent.strip()


def test_a_dot_env_is_read_or_refused_in_a_sentence(tmp_path: Path) -> None:
    """A byte-order mark would hide the first setting, and another encoding would end in a traceback."""
    with Sandbox(recordings(5)) as sandbox:
        text = f"TAP_SIRO_API_TOKEN={sandbox.token}\nTAP_SIRO_API_URL={sandbox.url}\nTAP_SIRO_USER_AGENT=é"
        (tmp_path / ".env").write_text(text.replace("é", "e"), encoding="utf-8-sig")
        assert len(run_tap(tmp_path, {}, arguments=("--config", "ENV")).records["recordings"]) == 5
        for encoding in ("latin-1", "utf-16"):
            (tmp_path / ".env").write_text(text, encoding=encoding)
            run = run_tap(tmp_path, {}, arguments=("--config", "ENV"), status=1)
            (error,) = [line for line in run.stderr.splitlines() if "ERROR" in line]
            assert "The file `.env` is not UTF-8" in error
            assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("LOGLEVEL", "", 0), ("TAP_SIRO_LOGLEVEL", " ", 0), ("SINGER_SDK_LOG_CONFIG", "", 0),
        ("SINGER_SDK_LOG_CONFIG", ".", 1),
    ],
)  # fmt: skip
def test_logging_is_set_up_or_refused_in_a_sentence(tmp_path: Path, name: str, value: str, status: int) -> None:
    """A traceback before the first log line looks like a bug of the tap."""
    with start_tap(tmp_path, {}, arguments=("--version",), environment={name: value}) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == status
    messages = [line.rpartition(" | ")[2].partition(" (")[0] for line in err.splitlines()]
    assert messages == (["Failed to set up logging"] if status else [])


@pytest.mark.parametrize(
    ("value", "lowest"),
    [("warning", "WARNING"), ("10", "DEBUG"), ("0", "DEBUG"), ("20", "INFO"), ("25", "WARNING"), ("100", None)],
)
@pytest.mark.parametrize("name", ["LOGLEVEL", "TAP_SIRO_LOGLEVEL"])
def test_a_log_level_is_a_name_or_a_number(tmp_path: Path, name: str, value: str, lowest: str | None) -> None:
    with Sandbox([]) as sandbox:
        run = run_tap(tmp_path, config_for(sandbox, strat_date="x"), environment={name: value})
    levels = {line.split(" | ")[1].strip() for line in run.stderr.splitlines() if " | " in line}
    names = ["DEBUG", "INFO", "WARNING"]
    assert levels == (set(names[names.index(lowest) :]) if lowest else set())


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_misleading_lines_of_the_sdk_are_shown_at_debug_only(tmp_path: Path, level: str) -> None:
    """Sixteen false lines at the start would hide the first useful one."""
    with Sandbox([]) as sandbox:
        run = run_tap(tmp_path, config_for(sandbox), environment={"LOGLEVEL": level})
    levels = {
        message: {line.split(" | ")[1].strip() for line in run.stderr.splitlines() if pattern in line}
        for message in DEBUG_ONLY
        for pattern in [message.partition("%s")[0]]
    }
    assert levels == dict.fromkeys(DEBUG_ONLY, {"DEBUG"} if level == "DEBUG" else set())
    assert "| INFO     | tap-siro " in run.stderr, "its other lines stay"


@pytest.mark.parametrize("value", ["trace", "Verbose", "7x", "-5", "9" * 5_000], ids=lambda value: value[:9])
@pytest.mark.parametrize("name", ["LOGLEVEL", "TAP_SIRO_LOGLEVEL", ".env"])
def test_an_unknown_log_level_is_info_and_told(tmp_path: Path, name: str, value: str) -> None:
    """The variable is often set for other programs, with levels that Python does not have."""
    environment = {"LOGLEVEL": "error", name: value, "TAP_SIRO_API_TOKEN": "t"}
    if name == ".env":
        (tmp_path / name).write_text(f"LOGLEVEL={value}")
        environment, name = {"TAP_SIRO_API_TOKEN": "t"}, "LOGLEVEL"
    run = run_tap(tmp_path, {}, arguments=("--test=schema", "--config=ENV"), environment=environment)
    levels = [line.split(" | ")[1].strip() for line in run.stderr.splitlines() if " | " in line]
    assert levels.count("WARNING") == 1
    assert "INFO" in levels
    assert f"Unknown log level in `{name}`. The tap logs at INFO." in run.stderr
    assert "Traceback" not in run.stderr


def test_a_misspelt_setting_is_told(tmp_path: Path) -> None:
    with Sandbox([]) as sandbox:
        run = run_tap(tmp_path, config_for(sandbox, strat_date="2026-01-01"))
    assert "Unknown setting `strat_date` is ignored" in run.stderr
