"""Directory of a run, and removal of the files of earlier runs.

A run holds a lock in its directory until it ends. It never removes its files itself, because the target may read them
later; the next run removes what is not locked. Nothing is ever removed that a run has not written.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import stat
import tempfile
import weakref
from pathlib import Path

from tap_siro.errors import TapSiroError

SUFFIX = ".jsonl.gz"
LOCK = "tap-siro.lock"
_is_file = re.compile(r"[A-Za-z0-9_-]+-\d+" + re.escape(SUFFIX)).fullmatch

logger = logging.getLogger(__name__)


class RunDirectory:
    """Directory for this run's files, which only its owner can read. Locked as long as the object lives."""

    def __init__(self, root: Path, prefix: str) -> None:
        """Create the directory below a root, which is created if missing. Raises OSError."""
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = Path(tempfile.mkdtemp(prefix=_name(prefix), dir=root))
        self._files = 0
        # Locked before it has the name by which other runs know it.
        new = self._path / f"{LOCK}.new"
        lock = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        weakref.finalize(self, os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        new.rename(self._path / LOCK)

    def new_file(self, stream: str) -> Path:
        """Return the path of a new file of a stream."""
        self._files += 1
        # Stream maps can give a stream any name.
        return self._path / f"{re.sub(r'[^A-Za-z0-9_-]', '_', stream)[:100]}-{self._files}{SUFFIX}"


def _name(prefix: str) -> str:
    return f"{prefix}tap-siro-"


def remove_leftovers(root: Path, prefix: str) -> None:
    """Remove the files and directories of runs that have ended."""
    is_ours = re.compile(re.escape(_name(prefix)) + "[a-z0-9_]{8}").fullmatch
    try:
        found = [entry for entry in root.iterdir() if is_ours(entry.name)]
    except FileNotFoundError:
        return
    except OSError as error:
        raise TapSiroError(
            f"`batch_config.storage.root` cannot be read ({error.strerror}). Set another directory, or its permissions."
        ) from None
    for directory in found:
        try:
            _remove(directory)
        except FileNotFoundError:
            pass  # it has no lock yet, or another run has just removed it
        except OSError as error:
            logger.warning(
                "Failed to remove the files of an earlier run in %s (%s). They hold recordings: remove them by hand.",
                directory, error.strerror,
            )  # fmt: skip


def _remove(directory: Path) -> None:
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        return
    lock = os.open(directory / LOCK, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pass  # that run has not ended
    else:
        for file in directory.iterdir():
            if _is_file(file.name):
                file.unlink(missing_ok=True)
        (directory / LOCK).unlink()
        with contextlib.suppress(OSError):  # somebody has put something else there
            directory.rmdir()
    finally:
        os.close(lock)
