"""BATCH messages: records in files of gzipped JSON lines, which a target loads without looking at each record."""

from __future__ import annotations

import contextlib
import os
import time
import weakref
import zlib
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from tap_siro import timestamps
from tap_siro.errors import TapSiroError
from tap_siro.singer.run_directory import RunDirectory, remove_leftovers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tap_siro.singer.batch_config import BatchConfig

COMPRESSION_LEVEL = 1
"""Of compression: the SDK's would take three times the CPU for files that are a quarter smaller."""
WRITE_BYTES = 128 * 1024
"""Bytes that are compressed and written at once."""
ENCODING = {"format": "jsonl", "compression": "gzip"}


class BatchFiles:
    """Files of one run, one at a time for each stream, and their BATCH messages."""

    def __init__(
        self,
        config: BatchConfig,
        *,
        encode_lines: Callable[[Sequence[Any]], bytes],
        write_lines: Callable[[bytes], None],
    ) -> None:
        """Remove the files of earlier runs."""
        self._config = config
        self._encode_lines = encode_lines
        self._write_lines = write_lines
        self._directory: RunDirectory | None = None
        self._open: dict[str, _File] = {}
        self._fault: TapSiroError | None = None
        remove_leftovers(config.root, config.prefix)

    def write(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Write the records of RECORD messages into files, and a BATCH message for each file that is full.

        Raises:
            TapSiroError: A file cannot be written.
        """
        sequence = time.time_ns() // 1_000_000
        for stream, group in groupby(messages, key=itemgetter("stream")):
            records = list(group)
            while records:
                with self._explain_errors():
                    file = self._open.get(stream) or self._begin(stream)
                    part = records[: self._config.records - file.records]
                    # A target makes these of what it knows of a RECORD; of a BATCH it cannot.
                    lines = [
                        {
                            "_sdc_extracted_at": message["time_extracted"],
                            "_sdc_batched_at": file.begun,
                            "_sdc_sequence": sequence,
                            **message["record"],
                        }
                        for message in part
                    ]
                    file.write(self._encode_lines(lines), len(lines))
                if file.records >= self._config.records:
                    self._end(stream)
                records = records[len(part) :]

    def flush(self) -> None:
        """Complete all files and write their BATCH messages. Called before each STATE.

        Raises:
            TapSiroError: A file cannot be written, or could not before: no STATE may count on it.
        """
        if self._fault is not None:
            raise self._fault
        for stream in list(self._open):
            self._end(stream)

    def _begin(self, stream: str) -> _File:
        if self._directory is None:
            self._directory = RunDirectory(self._config.root, self._config.prefix)
        self._open[stream] = _File(self._directory.new_file(stream))
        return self._open[stream]

    def _end(self, stream: str) -> None:
        file = self._open.pop(stream)
        with self._explain_errors():
            file.close()
        # One file in a message: of a key that comes again, Snowflake's target takes the last row of a file, but of
        # several files any. Its name is not quoted, because the SDK's targets take it as it is.
        message = {"type": "BATCH", "stream": stream, "encoding": ENCODING, "manifest": [f"file://{file.path}"]}
        self._write_lines(self._encode_lines([message]))

    @contextlib.contextmanager
    def _explain_errors(self) -> Iterator[None]:
        """Turn an error of a file into one for the user, and remember it."""
        try:
            yield
        except OSError as error:
            self._fault = TapSiroError(
                f"Failed to write batch files below {self._config.root} ({error.strerror}). Free disk space, or set "
                "another `batch_config.storage.root`. The next run continues from the last state."
            )
            raise self._fault from None


class _File:
    """File of gzipped lines that is being written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = 0
        self.begun = timestamps.text(timestamps.of(datetime.now(UTC)))
        self._lines = bytearray()
        self._gzip = zlib.compressobj(COMPRESSION_LEVEL, wbits=31)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._close = weakref.finalize(self, os.close, self._file)

    def write(self, lines: bytes, records: int) -> None:
        """Add lines that hold a number of records."""
        self.records += records
        self._lines += lines
        if len(self._lines) >= WRITE_BYTES:
            self._put(self._gzip.compress(self._lines))
            self._lines.clear()

    def close(self) -> None:
        """Write the rest.

        Not synced to the disk: if the machine goes down before a target has loaded the file, its STATE is not kept.
        """
        try:
            self._put(self._gzip.compress(self._lines) + self._gzip.flush())
        finally:
            self._close()

    def _put(self, content: bytes) -> None:
        left = memoryview(content)
        while left:
            left = left[os.write(self._file, left) :]  # a disk that is nearly full takes a part
