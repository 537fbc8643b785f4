# SPDX-License-Identifier: Apache-2.0
"""Host seconds that pass only when somebody lets them."""

from __future__ import annotations


class VirtualTime:
    """A HostTime for tests."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def now(self) -> float:
        """See HostTime."""
        return self._now_s

    def sleep(self, seconds: float) -> None:
        """See HostTime."""
        self._now_s += max(0.0, seconds)
