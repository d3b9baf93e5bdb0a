"""Page size of recordings: Siro leaves the evaluation scores out of large pages, without saying so.

A client in production saw that above some 40 recordings a page. Whether it counts those asked for or those returned is
not known, so the vendor's documented default is asked for while scores are.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

SCORE_FLAG, SCORE = "showEvaluationScore", "evaluationScore"
SCORED_PAGE = 25
"""Recordings on a page at most, while evaluation scores are asked for."""
USUAL_PAGE = 100
"""Recordings on a page otherwise, unless a setting says how many."""
ENOUGH = 500
"""Processed recordings of which at least one should have a score. Short recordings are often never scored."""

logger = logging.getLogger(__name__)


class PageSizeSetting:
    """Number of recordings to request with each page of a pass."""

    def __init__(self, setting: int | None) -> None:
        """Take the setting; None is what is best for each pass."""
        self._setting = setting
        self._warned = False

    def of(self, flags: Collection[str]) -> int:
        """The page size of a pass that sends these flags. Warns, once in a run, if the setting is too large."""
        if SCORE_FLAG not in flags:
            return self._setting or USUAL_PAGE
        if self._setting is None or self._setting <= SCORED_PAGE:
            return self._setting or SCORED_PAGE
        if not self._warned:
            self._warned = True
            logger.warning(
                "`page_size` is %d, but pages have %d recordings while evaluation scores are requested, because Siro "
                "leaves the scores out of large pages. For larger pages, deselect `recordings.evaluationScore` or "
                "turn `show_evaluation_score` off; otherwise, set `page_size` to %d or less.",
                self._setting, SCORED_PAGE, SCORED_PAGE,
            )  # fmt: skip
        return SCORED_PAGE


class MissingScores:
    """Warns, once in a run, of a pass in which many recordings were processed and not one had a score."""

    def __init__(self) -> None:
        self._asked_for = self._seen = self._warned = False
        self._processed = 0

    def begin(self, flags: Collection[str]) -> None:
        """Begin with a pass."""
        self._asked_for = SCORE_FLAG in flags
        self._seen = False
        self._processed = 0

    def add(self, records: Iterable[Any]) -> None:
        """Look at the recordings of a page, as they came."""
        if not self._asked_for or self._seen:
            return
        recordings = [record for record in records if isinstance(record, dict)]
        self._seen = any(record.get(SCORE) is not None for record in recordings)
        self._processed += sum(record.get("isProcessingDone") is True for record in recordings)

    def end(self) -> None:
        """Warn, if there is a reason to."""
        if self._asked_for and not self._seen and not self._warned and self._processed >= ENOUGH:
            self._warned = True
            logger.warning(
                "Evaluation scores were requested, but none of %d processed recordings has one. If your organization "
                "scores its recordings, report it to Siro; if not, turn `show_evaluation_score` off, and pages are "
                "four times as large.",
                self._processed,
            )
