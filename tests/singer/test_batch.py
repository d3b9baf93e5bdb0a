"""BATCH messages: the same rows as with RECORD, no STATE before its files, and private files."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import random
import signal
import sys
import tracemalloc
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tap_siro.errors import TapSiroError
from tap_siro.singer import run_directory
from tap_siro.singer.batch import BatchFiles
from tap_siro.singer.batch_config import BatchConfig
from tap_siro.singer.sdk import LineWriter
from tap_siro.tap import TapSiro
from tests.sandbox import Sandbox
from tests.sandbox.data import recordings
from tests.sandbox.expected import expected_rows
from tests.sandbox.streams import DETAIL_KEYS, KEYS, LIST_KEYS, Lists, expected_details, expected_lists
from tests.support.batch import METADATA, files, rows, unpacked
from tests.support.in_process import sync
from tests.support.process import Run, Warehouse, config_for, run_and_kill, run_tap, selecting, start_tap, user_host

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = recordings(150)
EXPECTED = expected_rows(DATA)
ONE_PAGE: dict[str, Any] = {"page_size": 500, "show_evaluation_score": False}


def config(sandbox: Sandbox, root: Path, *, size: int | None = None, **settings: Any) -> dict[str, Any]:
    storage = {"root": f"file://{root}"}
    batches = {"encoding": {"format": "jsonl", "compression": "gzip"}, "storage": storage}
    return config_for(sandbox, batch_config=batches | ({"batch_size": size} if size else {}), **settings)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(DATA) as sandbox:
        yield sandbox


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "files of ä"


def directories(root: Path) -> list[Path]:
    return sorted(root.iterdir()) if root.exists() else []


# The same rows


def deselected() -> dict[str, Any]:
    catalog: dict[str, Any] = TapSiro(config={"api_token": "t"}).catalog_dict
    left_out = {("recordings", "title"), ("recordings", "crm"), ("recording_crm_links", "externalId")}
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            name = entry["breadcrumb"][-1] if entry["breadcrumb"] else None
            if (stream["tap_stream_id"], name) in left_out or (stream["tap_stream_id"] == "recording_followups"):
                entry["metadata"]["selected"] = False
    return catalog


@pytest.mark.parametrize(
    ("root", "path"),
    [
        ("/var/x", "/var/x"), ("file:///var/x", "/var/x"), ("file:/var/x", "/var/x"), ("FILE:///var/x", "/var/x"),
        ("file://localhost/var/x", "/var/x"), (" file:///var/x\n", "/var/x"), ("file:///var/a:b", "/var/a:b"),
        ("~/x", "/home/me/x"), ("file://~/x", "/home/me/x"), ("file:~/x", "/home/me/x"), ("~", "/home/me"),
        ("$HOME/x", "/home/me/x"), ("file://${HOME}/x", "/home/me/x"), ("file:///var/~x", "/var/~x"),
        ("x/y", "{cwd}/x/y"), ("./x", "{cwd}/x"), ("file:x", "{cwd}/x"), ("file://x/y", "{cwd}/x/y"),
        *((refused, None) for refused in (
            "file:", "file://", "~nobody-of-this-name/x", "file:///var/~/x", "x/~/y", "$UNSET/x", "${UNSET}/x", "file:///a?b",
            "s3://bucket/x", "s3:/x", "s3:x", "gs://x", "http://x/y", "file+s3:///x", "file:s3://x",
        )),
    ],
)  # fmt: skip
def test_a_root_is_the_directory_that_is_meant_or_refused(
    monkeypatch: pytest.MonkeyPatch, root: str, path: str | None
) -> None:
    """Conversations would be in a directory named `~` or `file:`, perhaps in a repository."""
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("UNSET", raising=False)
    config, faults = BatchConfig.read({"batch_config": {"storage": {"root": root, "prefix": "p-"}}})
    assert len(faults) == (path is None)
    assert (str(config.root) if config else None) == (path and path.format(cwd=Path.cwd()))


def test_details_and_lists_come_in_files_too_and_hide_nothing(root: Path) -> None:
    """Rows from files have no version: after ACTIVATE_VERSION a target would hide all of them."""
    with Sandbox(DATA[:40], lists=Lists(DATA[:40])) as sandbox:
        run = sync(config(sandbox, root, **user_host(sandbox)), catalog=selecting(*KEYS, *DETAIL_KEYS, *LIST_KEYS))
        warehouse = Warehouse()
        warehouse.load(unpacked(run))
        assert {message["type"] for message in run.messages} == {"SCHEMA", "BATCH", "STATE"}
        assert warehouse.tables == expected_rows(DATA[:40])
        assert warehouse.details == expected_details(sandbox)
        assert warehouse.lists == expected_lists(sandbox.lists)
    assert all(warehouse.details.values())
    assert all(warehouse.lists.values())


MAPS: dict[str, Any] = {
    "recordings": {"title": "md5(title) if title else None", "__filter__": "result != 'LOST'"},
    "recording_crm_links": {"__alias__": "'links/../of'", "externalId": "__NULL__"},
    "extracts": {"__source__": "recording_entity_extractions", "name": "name"},
    "recording_summary_sections": "__NULL__",
}
WAYS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "flattened": {"flattening_enabled": True, "flattening_max_depth": 3},
    "stream maps": {"stream_maps": MAPS},
    "deselected": {"catalog": deselected()},
}


@pytest.mark.parametrize("way", WAYS)
def test_files_hold_what_record_messages_would(sandbox: Sandbox, root: Path, way: str) -> None:
    """Users who switch BATCH on would get other values than before."""
    options = dict(WAYS[way])
    catalog = options.pop("catalog", None)
    plain = sync(config_for(sandbox, **ONE_PAGE, **options), catalog=catalog)
    batched = sync(config(sandbox, root, size=70, **ONE_PAGE, **options), catalog=catalog)
    loaded = unpacked(batched)
    assert loaded.records == plain.records
    assert set(loaded.records) >= ({"links/../of", "extracts"} if way == "stream maps" else set())
    assert batched.schemas == plain.schemas
    assert batched.state == plain.state
    assert {message["type"] for message in batched.messages} == {"SCHEMA", "BATCH", "STATE"}
    for stream, records in plain.records.items():
        assert [len(rows(file)) for file in files(batched, stream)] == [
            len(list(group)) for _, group in groupby(range(len(records)), key=lambda number: number // 70)
        ]


def test_rows_have_the_columns_by_which_freshness_is_tested(sandbox: Sandbox, root: Path) -> None:
    """A freshness test would find null, because a target cannot fill these columns from a file."""
    run = sync(config(sandbox, root, **ONE_PAGE))
    for file in files(run):
        for row in rows(file):
            assert {name for name in row if name.startswith("_sdc_")} == METADATA
            assert row["_sdc_extracted_at"] <= row["_sdc_batched_at"]
            assert isinstance(row["_sdc_sequence"], int)


def test_a_test_writes_records_and_no_files(tmp_path: Path, sandbox: Sandbox, root: Path) -> None:
    """`--test` would leave conversations on the disk, and delete files that a target is reading."""
    left_over(root)
    run = run_tap(tmp_path, config(sandbox, root), arguments=("--test",))
    assert set(run.count().values()) == {1}
    assert "BATCH" not in {message["type"] for message in run.messages}
    assert [file.name for file in directories(root)] == ["tap-siro-12345678"]


def test_a_relative_root_is_below_where_the_tap_runs_and_a_prefix_is_part_of_the_name(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """The target, which may run elsewhere, would not find the files."""
    settings = config(sandbox, tmp_path)
    settings["batch_config"]["storage"] = {"root": "file://some/where", "prefix": "of/ours-"}
    run = run_tap(tmp_path, settings)
    assert {file.parents[1] for file in files(run)} == {tmp_path / "some/where/of"}
    assert {file.parent.name.rpartition("-")[0] for file in files(run)} == {"ours-tap-siro"}
    assert {row["id"] for row in unpacked(run).records["recordings"]} == {row["id"] for row in DATA}


def test_files_are_for_their_owner_alone(tmp_path: Path, sandbox: Sandbox, root: Path) -> None:
    """All users of the machine could read the conversations."""
    mask = os.umask(0)
    try:
        run = sync(config(sandbox, root))
    finally:
        os.umask(mask)
    (directory,) = directories(root)
    assert {file.parent for file in files(run)} == {directory}
    assert {file.stat().st_mode & 0o777 for file in directory.iterdir()} == {0o600}
    assert [path.stat().st_mode & 0o777 for path in (root, directory)] == [0o700, 0o700]


def test_a_poll_with_nothing_new_leaves_nothing(sandbox: Sandbox, root: Path) -> None:
    """Each schedule's run would leave an empty directory."""
    catalog = selecting(*KEYS)  # lists are read in full each time
    state = sync(config_for(sandbox), catalog=catalog).state
    for name in [recording["id"] for recording in DATA]:
        sandbox.remove(name)
    assert not sync(config(sandbox, root), state=state, catalog=catalog).records
    assert not directories(root)


# Nothing lost


@pytest.mark.thorough
@pytest.mark.parametrize("moment", range(5))
def test_a_tap_killed_at_any_moment_loses_nothing_of_what_a_state_counts_on(
    tmp_path: Path, root: Path, moment: int
) -> None:
    """The next run would continue after rows that are only in an unfinished file."""
    rng = random.Random(moment)
    with Sandbox(DATA, latency=0.002) as sandbox:
        settings = config(
            sandbox, root, size=rng.choice([30, 200, 100_000]), page_size=4, concurrency=rng.choice([1, 4])
        )
        warehouse = Warehouse()
        for _ in range(2):
            at = rng.randrange(1, 40)
            killed = run_and_kill(tmp_path, settings, sandbox, at_request=at, state=warehouse.state or None)
            warehouse.load(unpacked(killed))
        warehouse.load(unpacked(run_tap(tmp_path, settings, state=warehouse.state or None)))
        assert warehouse.tables == EXPECTED
        left = [directory for directory in directories(root) if list(directory.glob("*.jsonl.gz"))]
        assert len(left) == 1, "what the killed runs left is still there"


def test_the_first_state_waits_for_minutes_and_a_signal_does_not(tmp_path: Path, root: Path) -> None:
    """Each STATE makes a warehouse merge six files, but a stopped run must not lose rows."""
    with Sandbox(DATA, latency=0.01) as sandbox:
        settings = config(sandbox, root, page_size=2, concurrency=2)
        with start_tap(tmp_path, settings, constants={"tap_siro.sync.recordings.STATE_SECONDS": 0.0}) as tap:
            sandbox.hook = lambda _, request: tap.send_signal(signal.SIGTERM) if request.number == 40 else None
            out, err = tap.communicate(timeout=60)
            sandbox.hook = None
        assert tap.returncode == 143
        first = unpacked(Run([json.loads(line) for line in out.splitlines()], err, 143))
        assert len(first.states) == 1
        assert first.messages[-1]["type"] == "STATE"
        assert first.records["recordings"]
        warehouse = Warehouse()
        warehouse.load(first)
        warehouse.load(unpacked(run_tap(tmp_path, settings, state=first.state)))
    assert warehouse.tables == EXPECTED


class FullDisk:
    """`os.write` on a disk with room for a number of bytes: the last write is partial."""

    def __init__(self, room: int) -> None:
        self.room = room

    def __call__(self, file: int, content: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = WRITE(file, content[: self.room])
        self.room -= written
        return written


WRITE = os.write


@pytest.mark.parametrize("room", [0, 3_000, 30_000, 150_000])
def test_a_full_disk_ends_the_run_without_a_state_that_counts_on_a_cut_file(
    sandbox: Sandbox, root: Path, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target would fail on the file or lose the rest of it, and the next run would not send the rows again."""
    for name in ("STATE_SECONDS", "BATCH_STATE_SECONDS"):
        monkeypatch.setattr(f"tap_siro.sync.recordings.{name}", 0.0)
    settings = config(sandbox, root, page_size=10, concurrency=1)
    monkeypatch.setattr(os, "write", FullDisk(room))
    failed = sync(settings, status=1)
    monkeypatch.setattr(os, "write", WRITE)
    assert len(failed.errors) == 1
    assert "(No space left on device). Free disk space" in failed.errors[0]
    warehouse = Warehouse()
    warehouse.load(unpacked(failed))
    assert bool(warehouse.state) == (room > 100_000), "the case is not what it should be"
    warehouse.load(unpacked(sync(settings, state=warehouse.state or None)))
    assert warehouse.tables == EXPECTED


def test_a_real_process_with_too_little_room_says_so(tmp_path: Path, sandbox: Sandbox, root: Path) -> None:
    """The operating system's limit differs from a mock."""
    limited = ("bash", "-c", 'ulimit -f 4; exec "$@"', "tap", sys.executable, "-B", "-m", "tap_siro")
    failed = run_tap(tmp_path, config(sandbox, root), executable=limited, status=1)
    assert "Traceback" not in failed.stderr
    assert "(File too large). Free disk space" in failed.stderr
    assert not failed.states
    unpacked(failed)  # announced files are complete
    warehouse = Warehouse()
    warehouse.load(unpacked(run_tap(tmp_path, config(sandbox, root))))
    assert warehouse.tables == EXPECTED


def test_no_state_follows_a_file_that_could_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller that catches the error would write a STATE, as a failing sync does."""
    written: list[bytes] = []
    made = batch_files(tmp_path, written)
    monkeypatch.setattr(os, "write", FullDisk(10))
    made.write(messages(10))
    for _ in range(2):
        with pytest.raises(TapSiroError, match="No space left"):
            made.flush()
    assert not written


def batch_files(root: Path, written: list[bytes], size: int = 100_000) -> BatchFiles:
    return BatchFiles(BatchConfig(root, "", size), encode_lines=LineWriter.encode_lines, write_lines=written.append)


def messages(count: int) -> list[dict[str, Any]]:
    rng = random.Random(count)
    return [
        {"stream": "recordings", "record": {"id": rng.randbytes(1_000).hex()}, "time_extracted": "2026-01-01T00:00:00Z"}
        for _ in range(count)
    ]


def test_records_are_not_held_in_memory(tmp_path: Path) -> None:
    """A full sync would not fit into memory."""
    written: list[bytes] = []
    made = batch_files(tmp_path, written, size=10_000)
    page = messages(100)
    tracemalloc.start()
    try:
        for _ in range(300):
            made.write(page)
        made.flush()
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
    assert len(written) == 3
    assert sum(file.stat().st_size for file in tmp_path.glob("*/*.gz")) > 15_000_000


# Leftover files


def left_over(root: Path, name: str = "tap-siro-12345678") -> Path:
    """Make the directory of a killed run, with another file in it."""
    directory = root / name
    directory.mkdir(parents=True)
    for file in (run_directory.LOCK, "recordings-1.jsonl.gz", "recording_crm_links-12.jsonl.gz"):
        (directory / file).write_bytes(b"")
    return directory


def test_what_an_earlier_run_left_is_removed_and_nothing_else(tmp_path: Path, sandbox: Sandbox, root: Path) -> None:
    """Conversations would accumulate on the disk, or the tap would delete other files."""
    run_tap(tmp_path, config(sandbox, root))
    (first,) = directories(root)
    killed = left_over(root)
    mixed = left_over(root, "tap-siro-abcdefgh")
    others = [
        mixed / "notes.txt",
        mixed / "recordings-1.jsonl.gz.bak",
        left_over(root, "tap-siro-1234567") / "recordings-1.jsonl.gz",
        left_over(root, "our-tap-siro-12345678") / "recordings-1.jsonl.gz",
        root / "recordings-1.jsonl.gz",
        root / "tap-siro-87654321",
    ]
    elsewhere = left_over(tmp_path / "elsewhere")
    unlocked = root / "tap-siro-unlocked"
    unlocked.mkdir()
    others += [elsewhere / "recordings-1.jsonl.gz", unlocked / "recordings-1.jsonl.gz"]
    for other in others:
        other.write_text("not ours")
    (root / "tap-siro-linkedto").symlink_to(elsewhere, target_is_directory=True)
    state = sync(config_for(sandbox)).state
    run_tap(tmp_path, config(sandbox, root), state=state)
    assert not first.exists()
    assert not killed.exists()
    assert sorted(path.name for path in mixed.iterdir()) == ["notes.txt", "recordings-1.jsonl.gz.bak"]
    assert [other.read_text() for other in others] == ["not ours"] * len(others)
    assert len(list(elsewhere.iterdir())) == 3


def test_two_runs_at_once_do_not_disturb_each_other(tmp_path: Path, root: Path) -> None:
    """The second run would delete files of the first, whose target would then fail."""
    with Sandbox(DATA, latency=0.005) as sandbox:
        slow = config(sandbox, root, size=20, page_size=5, concurrency=1, user_agent="slow")
        second: list[Run] = []
        (tmp_path / "second").mkdir()

        def between(_: Sandbox, request: Any) -> None:
            if request.user_agent == "slow" and request.number > 20 and not second:
                second.append(Run([], "", 0))
                second[0] = run_tap(tmp_path / "second", config(other, root, size=20))

        with Sandbox(DATA) as other, start_tap(tmp_path, slow) as tap:
            sandbox.hook = between
            out, err = tap.communicate(timeout=60)
        assert tap.returncode == 0, err
        first = Run([json.loads(line) for line in out.splitlines()], err, 0)
        assert second
        for run in (first, second[0]):
            warehouse = Warehouse()
            warehouse.load(unpacked(run))
            assert warehouse.tables == EXPECTED
    assert len(directories(root)) == 2


def test_a_directory_is_locked_before_another_run_knows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that starts at the same time would delete the directory."""
    seen: list[list[str]] = []
    flock = fcntl.flock

    def locked(file: int, how: int) -> None:
        if not seen:
            seen.append([])
            run_directory.remove_leftovers(tmp_path, "")
            seen[0] += [path.name for path in tmp_path.glob("*/*")]
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", locked)
    made = run_directory.RunDirectory(tmp_path, "")
    run_directory.remove_leftovers(tmp_path, "")
    assert seen == [[f"{run_directory.LOCK}.new"]]
    assert made.new_file("recordings").parent.exists()
    path = made.new_file("recordings").parent
    del made
    run_directory.remove_leftovers(tmp_path, "")
    assert not path.exists()
