# SPDX-License-Identifier: Apache-2.0
"""How steady a real board's time is: windows of many inferences, and its clock against the host's.

Nothing is judged here either (docs/METHOD.md tells what the report makes of it).
"""

from __future__ import annotations

import math
from typing import Final

from harness.errors import RemoteProtocolError
from harness.link import Session
from harness.link.recovery import Recovery
from harness.link.session import WindowReply
from harness.marks import MAX_CLOCK_ERROR, MIN_HOST_CHECK_S, MIN_WINDOW_S, MIN_WINDOWS, clock_error
from harness.records import HostCheck, Window

#: Aimed above the least, since the inputs of a window are not those of the samples.
_MARGIN: Final = 1.15

#: A section is made longer by at most so much at a time: a clock that is wrong must not cost hours.
_GROWTH: Final = 4.0

#: How often a section is run that turns out too short, disturbed, or without a time of the host's.
_ATTEMPTS: Final = 8

#: How often the clocks are compared before a difference is believed: a host that was held up for a moment
#: makes one, too.
_COMPARISONS: Final = 3

_MOST: Final = 2**32 - 1


def time_windows(recovery: Recovery, *, inferences_per_s: float, counter_hz: int) -> tuple[Window, ...]:
    """MIN_WINDOWS of at least MIN_WINDOW_S each.

    Args:
        inferences_per_s: by the device's counter, as the samples have shown.

    Raises:
        As `measure`.
    """
    least = math.ceil(MIN_WINDOW_S * counter_hz)
    count = _count(MIN_WINDOW_S * inferences_per_s)
    windows: list[Window] = []
    for _ in range(MIN_WINDOWS):
        reply = _run(recovery, count, count / inferences_per_s)
        for _ in range(_ATTEMPTS - 1):
            if reply.ticks >= least:
                break
            count = _count(count * min(_GROWTH, least / max(1, reply.ticks)))
            reply = _run(recovery, count, count / inferences_per_s)
        windows.append(Window(ticks=reply.ticks, inferences=count))
    return tuple(windows)


def check_clock(recovery: Recovery, *, inferences_per_s: float, counter_hz: int) -> HostCheck | None:
    """A section of at least MIN_HOST_CHECK_S by both clocks; None where the line lets no time be taken.

    Where the clocks differ by more than MAX_CLOCK_ERROR, that of a few in which they differ least.

    Args:
        inferences_per_s: by the device's counter, as the samples have shown.
        counter_hz: its nominal rate.

    Raises:
        As `measure`.
    """
    checks: list[HostCheck] = []
    while len(checks) < _COMPARISONS:
        check = _compare_clocks(recovery, inferences_per_s)
        if check is None:
            break
        checks.append(check)
        if _difference(check, counter_hz) <= MAX_CLOCK_ERROR:
            break
    return min(checks, key=lambda check: _difference(check, counter_hz), default=None)


def _difference(check: HostCheck, counter_hz: int) -> float:
    return abs(clock_error(check, counter_hz) or 0.0)


def _compare_clocks(recovery: Recovery, inferences_per_s: float) -> HostCheck | None:
    count = _count(MIN_HOST_CHECK_S * inferences_per_s)
    for _ in range(_ATTEMPTS):
        reply = _run(recovery, count, count / inferences_per_s)
        if reply.host_s is None:
            continue
        if reply.host_s >= MIN_HOST_CHECK_S:
            return HostCheck(ticks=reply.ticks, host_s=reply.host_s)
        # a counter that runs fast by as much as this is what the check is for
        count = _count(count * min(_GROWTH, MIN_HOST_CHECK_S / max(reply.host_s, 1e-3)))
    return None


def _run(recovery: Recovery, count: int, expected_s: float) -> WindowReply:
    """One section that no byte disturbed."""

    def work(session: Session) -> WindowReply:
        for _ in range(_ATTEMPTS):
            reply = session.window(count, expected_s=expected_s)
            if not reply.disturbed:
                return reply
        raise RemoteProtocolError(
            f"Bytes reached the device in each of {_ATTEMPTS} windows.",
            cause="Another program writes to its serial port, or the line picks up noise.",
            fix="Close that program or check the cable, then run again.",
        )

    reply = recovery.steadily(work)
    recovery.progress()
    return reply


def _count(inferences: float) -> int:
    return max(1, min(_MOST, math.ceil(_MARGIN * inferences)))
