# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from harness.errors import RemoteProtocolError
from harness.link.recovery import Recovery
from harness.link.session import WindowReply
from harness.records import HostCheck
from harness.windows import check_clock, time_windows

COUNTER_HZ = 16_000_000


class Board:
    """A session and what recovers it, for a board whose inferences are known.

    Args:
        ticks: of one inference in a window, by its counter.
        fast: how many of its seconds pass in one of the host's.
        disturbed: these sections, from 0, are.
        hidden: the host's time of these is not known.
        late: the host takes a tenth longer over these, as it did something else.
    """

    def __init__(
        self,
        ticks: int,
        *,
        fast: float = 1.0,
        disturbed: range = range(0),
        hidden: range = range(0),
        late: range = range(0),
    ) -> None:
        self._ticks, self._fast = ticks, fast
        self._disturbed, self._hidden, self._late = disturbed, hidden, late
        self.counts: list[int] = []
        self.progressed = 0

    def window(self, count: int, **_: Any) -> WindowReply:
        number = len(self.counts)
        self.counts.append(count)
        ticks = count * self._ticks
        taken_s = ticks / COUNTER_HZ / self._fast * (1.1 if number in self._late else 1.0)
        host_s = None if number in self._hidden else taken_s
        return WindowReply(ticks=ticks, disturbed=number in self._disturbed, host_s=host_s)

    def steadily(self, work: Callable[[Board], WindowReply]) -> WindowReply:
        return work(self)

    def progress(self) -> None:
        self.progressed += 1

    @property
    def recovery(self) -> Recovery:
        return cast("Recovery", self)


@pytest.mark.parametrize("ticks", [1, 546_000, 1_599_999, 1_600_001, 90_000_000])
@pytest.mark.parametrize("told", [0.2, 1.0, 3.0])
def test_windows_are_long_enough_whatever_the_samples_told(ticks: int, told: float) -> None:
    board = Board(ticks)
    windows = time_windows(board.recovery, inferences_per_s=told * COUNTER_HZ / ticks, counter_hz=COUNTER_HZ)
    assert len(windows) == 5
    assert all(window.ticks == ticks * window.inferences >= COUNTER_HZ // 10 for window in windows)
    # not much longer than they must be, either
    assert all(window.ticks <= max(2 * ticks, 5 * COUNTER_HZ // 10) for window in windows)


def test_a_window_that_stays_too_short_has_the_inferences_that_it_ran() -> None:
    """A counter so slow that 8 attempts do not reach the least: its marks are told elsewhere."""
    board = Board(1)
    windows = time_windows(board.recovery, inferences_per_s=0.1, counter_hz=10**9)
    assert windows[0].ticks < 10**8
    assert [window.inferences for window in windows] == [window.ticks for window in windows]


def test_a_disturbed_window_is_timed_again() -> None:
    board = Board(546_000, disturbed=range(1, 3))
    assert len(time_windows(board.recovery, inferences_per_s=29.3, counter_hz=COUNTER_HZ)) == 5
    assert len(board.counts) == 7
    assert board.progressed == 5


def test_a_line_that_never_rests_gives_no_window() -> None:
    board = Board(546_000, disturbed=range(1000))
    with pytest.raises(RemoteProtocolError, match="each of 8 windows"):
        time_windows(board.recovery, inferences_per_s=29.3, counter_hz=COUNTER_HZ)


@pytest.mark.parametrize("fast", [0.5, 1.0, 1.02, 8.0])
def test_the_clock_is_checked_over_two_seconds_of_the_hosts(fast: float) -> None:
    check = check_clock(
        Board(546_000, fast=fast).recovery, inferences_per_s=COUNTER_HZ / 546_000, counter_hz=COUNTER_HZ
    )
    assert isinstance(check, HostCheck)
    assert check.host_s >= 2
    assert check.ticks / COUNTER_HZ / check.host_s == pytest.approx(fast)


@pytest.mark.parametrize("late", [1, 2, 3])
def test_a_host_that_is_held_up_for_a_moment_makes_no_clock_wrong(late: int) -> None:
    board = Board(546_000, late=range(late))
    check = check_clock(board.recovery, inferences_per_s=COUNTER_HZ / 546_000, counter_hz=COUNTER_HZ)
    assert check is not None
    error = check.ticks / COUNTER_HZ / check.host_s - 1
    assert error == pytest.approx(0.0 if late < 3 else -1 / 11, abs=0.001)
    assert len(board.counts) == min(3, late + 1)


def test_a_check_whose_time_is_hidden_is_made_again_and_then_left() -> None:
    rate = COUNTER_HZ / 546_000
    assert (
        check_clock(Board(546_000, hidden=range(3)).recovery, inferences_per_s=rate, counter_hz=COUNTER_HZ)
        is not None
    )
    assert (
        check_clock(Board(546_000, hidden=range(1000)).recovery, inferences_per_s=rate, counter_hz=COUNTER_HZ)
        is None
    )


def test_a_clock_that_is_all_wrong_costs_no_hours() -> None:
    board = Board(546_000, fast=1e9)
    assert check_clock(board.recovery, inferences_per_s=29.3, counter_hz=COUNTER_HZ) is None
    assert max(board.counts) < 4**8 * 100
