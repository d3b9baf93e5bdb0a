"""Log levels: `LOGLEVEL`, and the SDK's lines that are shown at DEBUG only.

Other programs read `LOGLEVEL` too. The SDK fails on a level for which Python's `logging` has no name.
"""

from __future__ import annotations

import logging
import os

DEFAULT = "INFO"
MAX_LEVEL_DIGITS = 9
"""Digits of a level that is given as a number."""
DEBUG_ONLY = (
    "Added '%s' as child stream to '%s'",
    "Skipping deselected stream '%s'.",
    "Skipping parse of env var settings...",
)
"""Misleading messages of the SDK: lists are no children of recordings, and a deselected stream needs no line."""

logger = logging.getLogger(__name__)


def prepare_logging(prefix: str) -> str | None:
    """Replace the level in the environment by its name in `logging`. A blank variable counts as not set.

    Args:
        prefix: The prefix of the tap's own variables.

    Returns:
        The variable that held an unknown level and now says INFO, or None.
    """
    if not os.environ.get("SINGER_SDK_LOG_CONFIG", "").strip():
        os.environ.pop("SINGER_SDK_LOG_CONFIG", None)
    for variable in (f"{prefix}LOGLEVEL", "LOGLEVEL"):
        level = os.environ.pop(variable, "").strip().upper()
        if not level:
            continue
        if level.isascii() and level.isdigit() and len(level) <= MAX_LEVEL_DIGITS:
            number, level = int(level), logging.getLevelName(int(level)).upper()
            if level not in logging.getLevelNamesMapping():
                logging.addLevelName(number, level)
        known = level in logging.getLevelNamesMapping()
        os.environ[variable] = level if known else DEFAULT
        return None if known else variable
    return None


def quiet_sdk(name: str) -> None:
    """Show the messages in `DEBUG_ONLY` at DEBUG only.

    Args:
        name: The name of the SDK's logger for the tap.
    """
    logging.getLogger(name).addFilter(_lower_level)


def _lower_level(record: logging.LogRecord) -> bool:
    """Lower the level of a message in `DEBUG_ONLY`, and return False if its logger does not log at that level."""
    if record.msg not in DEBUG_ONLY:
        return True
    record.levelno, record.levelname = logging.DEBUG, logging.getLevelName(logging.DEBUG)
    return logging.getLogger(record.name).isEnabledFor(logging.DEBUG)


def warn_of_log_level(variable: str | None) -> None:
    """Warn of a variable that held an unknown level."""
    if variable is not None:
        logger.warning(
            "Unknown log level in `%s`. The tap logs at %s. Set DEBUG, INFO, WARNING, ERROR, CRITICAL or a number.",
            variable, DEFAULT,
        )  # fmt: skip
