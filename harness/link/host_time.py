# SPDX-License-Identifier: Apache-2.0
"""The host's time, as a thing that a test can replace: time-outs, waits and retries ask it, nothing else."""

from __future__ import annotations

import time
from typing import Final, Protocol


class HostTime(Protocol):
    """Seconds that only go up, and a way to let them pass."""

    def now(self) -> float:
        """Seconds since some moment."""

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""


class _System:
    """This computer's."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))


SYSTEM: Final[HostTime] = _System()
