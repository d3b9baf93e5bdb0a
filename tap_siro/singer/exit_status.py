"""End of the process: a message instead of a traceback, and the right exit status."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from singer_sdk.exceptions import ConfigValidationError, SingerSDKError

from tap_siro.errors import StoppedError, TapSiroError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_siro.clock import Clock

logger = logging.getLogger(__name__)


def keep_status() -> None:
    """Protect the exit status of a finished run from signals and from a log that cannot be written."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        sys.stderr.flush()
    except (AttributeError, OSError):  # it is closed, or its disk is full
        sys.stderr = None


def exit_without_logging(error: Exception) -> NoReturn:
    """End the process because logging cannot be set up."""
    logger.error(  # to stderr, by Python's last resort
        "Failed to set up logging (%s). `SINGER_SDK_LOG_CONFIG` must name a logging configuration in YAML.",
        type(error).__name__,
    )
    raise SystemExit(1) from None


@contextlib.contextmanager
def exit_with_status(clock: Clock | None) -> Iterator[None]:
    """End the process with a message instead of a traceback, and with the right exit status."""
    try:
        yield
    except StoppedError:
        number = (clock.signal if clock else None) or signal.SIGTERM
        logger.warning("Stopped by a signal. The next run continues from here.")
        raise SystemExit(128 + number) from None
    except BrokenPipeError:
        logger.error("The target closed its input. See its own messages. The next run continues from the last state.")
        raise SystemExit(1) from None
    except ConfigValidationError as error:
        for fault in error.errors or [str(error)]:
            logger.error("%s", fault)
        raise SystemExit(1) from None
    except (TapSiroError, SingerSDKError) as error:
        logger.error("%s", error)
        raise SystemExit(1) from None
    except OSError as error:
        logger.error("Failed to read or write a file: %s", error)
        raise SystemExit(1) from None
