# SPDX-License-Identifier: Apache-2.0
"""Time-outs and sizes, without a line."""

from __future__ import annotations

import random

import pytest

from harness.link import Timing
from harness.link.frames import MIN_FRAME_BYTES, OVERHEAD_BYTES
from harness.link.pacing import RoundTrip, Wait
from harness.link.sizing import EXCHANGE_BYTES, FrameLimit


def test_frames_shrink_where_bytes_are_damaged_and_grow_again() -> None:
    limit = FrameLimit()
    limit.allow(2048)
    assert (limit.bytes, limit.troubled) == (2048, False)
    sizes = []
    for _ in range(8):
        limit.bad(limit.bytes + 30)
        sizes.append(limit.bytes)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == MIN_FRAME_BYTES
    while limit.troubled:
        limit.good(limit.bytes + 30)
        sizes.append(limit.bytes)
    assert sizes[8:] == sorted(sizes[8:])
    assert limit.bytes == 2048
    assert limit.payload(5) == 2048 - OVERHEAD_BYTES - 5


@pytest.mark.parametrize("damaged", [0.001, 0.003, 0.01, 0.03])
def test_frames_come_near_the_best_size(damaged: float) -> None:
    """Against the best of all sizes, tried out: what one byte of data costs at that rate of damage."""

    def cost(data: int) -> float:
        line = data + EXCHANGE_BYTES
        return line / data / (1 - damaged) ** line

    chance = random.Random(1)
    limit = FrameLimit()
    limit.allow(2048)
    costs = []
    for attempt in range(600):
        line = limit.payload(0) + EXCHANGE_BYTES
        (limit.good if chance.random() < (1 - damaged) ** line else limit.bad)(line)
        if attempt > 50:
            costs.append(cost(limit.payload(0)))
    assert sum(costs) / len(costs) < 1.35 * min(cost(data) for data in range(30, 2000))


def test_data_are_cut_evenly_or_sent_whole_where_that_is_cheaper() -> None:
    limit = FrameLimit()
    limit.allow(124)
    assert limit.piece(64, 7) == 64
    assert limit.piece(1000, 5) == 110
    for _ in range(10):
        limit.bad(80)
        limit.good(80)
    assert limit.payload(7) < 64
    assert limit.piece(64, 7) == 64
    assert limit.piece(300, 7) < 64


class Clock:
    """A HostTime that a test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_patience() -> None:
    time = Clock()
    wait = Wait(time)
    wait.sent(3.0, quiet_s=0.5, copies=1)
    assert wait.left_s(partial=False) == pytest.approx(3.0)
    assert wait.left_s(partial=True) == pytest.approx(0.5)
    time.seconds = 2.9
    wait.heard()
    assert wait.left_s(partial=True) == pytest.approx(0.1)
    time.seconds = 3.1
    # one more look at the line for a process that was held up, then no more
    assert wait.left_s(partial=False) == 0.0
    assert wait.left_s(partial=False) is None
    assert wait.section_s() is None
    wait.inferring(60.0, certain=True)
    assert wait.left_s(partial=False) == pytest.approx(60.0)
    time.seconds = 4.1
    wait.heard()
    wait.resumed()
    assert wait.section_s() == pytest.approx(4.1 - 2.9)


def test_a_line_that_still_speaks_is_heard_out() -> None:
    time = Clock()
    wait = Wait(time)
    wait.sent(3.0, quiet_s=0.5, copies=2)
    assert not wait.answered_badly()
    assert wait.answered_badly()
    wait.come_to_rest(0.0)
    assert wait.left_s(partial=True) == pytest.approx(0.5)
    assert wait.left_s(partial=False) == 0.0
    assert wait.left_s(partial=False) is None


def test_round_trips_make_the_time_outs_of_a_bad_line() -> None:
    trip = RoundTrip(Timing())
    assert trip.reply_s(hurried=True, silences=0) == 2.0
    for _ in range(20):
        trip.note(0.001)
    assert trip.reply_s(hurried=False, silences=0) == 2.0
    assert trip.reply_s(hurried=True, silences=0) == pytest.approx(0.03)
    assert trip.reply_s(hurried=True, silences=3) == pytest.approx(0.24)
    assert trip.reply_s(hurried=True, silences=30) == 2.0
    assert trip.quiet_s(hurried=False) == 0.5
    assert trip.quiet_s(hurried=True) == pytest.approx(0.03)
    for seconds in (0.1, 0.3) * 10:
        trip.note(seconds)
    assert 0.3 < trip.reply_s(hurried=True, silences=0) < 0.8


@pytest.mark.parametrize(("slowest_s", "expected_s"), [(None, 60), (0.001, 0.5), (1.0, 10), (50.0, 60)])
def test_inferences_get_a_multiple_of_the_slowest(slowest_s: float | None, expected_s: float) -> None:
    assert Timing().inference_s(slowest_s) == expected_s


@pytest.mark.parametrize("wrong", [{"baud": 0}, {"attempts": 0}, {"hello_every_s": 0.0}])
def test_timing_checks_itself(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        Timing(**wrong)
