# SPDX-License-Identifier: Apache-2.0
"""Trying a case again: what may pass, and how often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from harness.errors import ReasonCode
from harness.records import Attempt, Result, Status

#: What may befall a board or its line, and may not befall it the next time. A wrong output is no such thing.
PASSING: Final = frozenset(
    {
        ReasonCode.UPLOAD,
        ReasonCode.NO_BOARD,
        ReasonCode.BUSY,
        ReasonCode.NO_REPLY,
        ReasonCode.WRONG_FIRMWARE,
        ReasonCode.LINK,
        ReasonCode.RESET,
        ReasonCode.HANG,
        ReasonCode.FAULT,
        ReasonCode.TARGET,
    }
)


def try_again(once: Callable[[], Result], *, retries: int, on_failure: Callable[[str], None]) -> Result:
    """The result of the last try at a case, with the failed tries before it; its time is that of all.

    Args:
        once: one try.
        retries: how many tries may follow the first, as long as what it failed by may pass.
        on_failure: told the reason code before each further try.
    """
    attempts: list[Attempt] = []
    first = last = once()
    while (
        len(attempts) < retries
        and last.outcome.status is Status.FAILED
        and last.outcome.reason_code in PASSING
    ):
        code, reason = last.outcome.reason_code, last.outcome.reason
        attempts.append(Attempt(reason_code=code, reason=reason, seconds=last.seconds, link=last.link))
        on_failure(code)
        last = once()
    seconds = last.seconds + sum(attempt.seconds for attempt in attempts)
    return replace(last, attempts=tuple(attempts), started_at=first.started_at, seconds=seconds)
