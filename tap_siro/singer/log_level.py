"""`LOGLEVEL`, which other programs read too: the SDK fails on a level for which Python's `logging` has no name."""

from __future__ import annotations

import logging
import os

DEFAULT = "INFO"
LONGEST_NUMBER = 9
"""Digits of a level that is given as a number."""

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
        if level.isascii() and level.isdigit() and len(level) <= LONGEST_NUMBER:
            number, level = int(level), logging.getLevelName(int(level)).upper()
            if level not in logging.getLevelNamesMapping():
                logging.addLevelName(number, level)
        known = level in logging.getLevelNamesMapping()
        os.environ[variable] = level if known else DEFAULT
        return None if known else variable
    return None


def warn_of_log_level(variable: str | None) -> None:
    """Warn of a variable that held an unknown level."""
    if variable is not None:
        logger.warning(
            "Unknown log level in `%s`. The tap logs at %s. Set DEBUG, INFO, WARNING, ERROR, CRITICAL or a number.",
            variable, DEFAULT,
        )  # fmt: skip
