# SPDX-License-Identifier: Apache-2.0
"""One kind of bad hardware at a time: what is done about it, what is given up, what is recorded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.errors import (
    DeviceResetError,
    HangError,
    LineLostError,
    NoReplyError,
    QuantrigError,
    ReasonCode,
    RemoteProtocolError,
    WrongFirmwareError,
)
from harness.link.recovery import RecoveryPolicy
from harness.measure import BAUDS, measure
from harness.records import Measurement
from tests.bad_hardware.bad_line import BadLine
from tests.bad_hardware.devices import MemoryBoard
from tests.bad_hardware.schedule import Event, Mishap, Schedule
from tests.bad_hardware.test_schedules import ARRAYS, DIGEST, check
from tests.bad_hardware.virtual_time import VirtualTime
from tests.link.memory_device import MemoryDevice

Devices = tuple[MemoryDevice, MemoryDevice]

#: A frame in the midst of the samples.
LATE = 60


def once(*mishaps: Mishap, frame: int = LATE) -> tuple[Event, ...]:
    return tuple(
        Event(mishap=mishap, frame=frame + 20 * n, offset_bytes=5) for n, mishap in enumerate(mishaps)
    )


def survive(devices: Devices, schedule: Schedule) -> Measurement:
    time = VirtualTime()
    line = BadLine(MemoryBoard(*devices, time=time), schedule, time=time)
    result = measure(line, expected_digest=DIGEST, inputs=ARRAYS, time=time)
    check(result, line, time)
    assert line.struck.total() == len(schedule.once)
    return result


def give_up(
    devices: Devices, schedule: Schedule, *, policy: RecoveryPolicy | None = None
) -> tuple[QuantrigError, float]:
    """The error, and after how many seconds."""
    time = VirtualTime()
    line = BadLine(MemoryBoard(*devices, time=time), schedule, time=time)
    with pytest.raises(QuantrigError) as caught:
        measure(line, expected_digest=DIGEST, inputs=ARRAYS, time=time, policy=policy)
    return caught.value, time.now()


def test_a_clean_line_needs_nothing(devices: Devices) -> None:
    link = survive(devices, Schedule(seed=1)).link
    assert (link.retries, link.resets, link.reconnects, link.power_cycles) == (0, 0, 0, 0)


def test_a_reset_is_found_at_once(devices: Devices) -> None:
    link = survive(devices, Schedule(seed=1, once=once(Mishap.RESET, Mishap.RESET))).link
    assert (link.resets, link.reconnects, link.power_cycles) == (2, 0, 0)


def test_a_hung_board_with_a_switch_is_power_cycled(devices: Devices) -> None:
    link = survive(devices, Schedule(seed=1, once=once(Mishap.HANG), power_switch=True, boot_s=1.6)).link
    assert (link.resets, link.reconnects, link.power_cycles) == (0, 0, 1)


def test_a_hung_board_that_opening_resets_is_opened_anew(devices: Devices) -> None:
    link = survive(devices, Schedule(seed=1, once=once(Mishap.HANG), resets_on_open=True)).link
    assert (link.resets, link.reconnects, link.power_cycles) == (0, 1, 0)


def test_a_hung_board_that_nothing_resets_is_given_up(devices: Devices) -> None:
    error, seconds = give_up(devices, Schedule(seed=1, once=once(Mishap.HANG)))
    assert isinstance(error, HangError)
    assert error.reason_code is ReasonCode.HANG
    assert "given up after 3 troubles in a row, 2 times opened anew" in str(error)
    assert "answered, then fell silent (given up" in str(error)
    assert "`power_cycle`" in str(error)
    assert "does not run our firmware" not in str(error)
    assert seconds < 90


def test_a_board_that_never_answers_does_not_hang(devices: Devices) -> None:
    error, seconds = give_up(devices, Schedule(seed=1, once=once(Mishap.HANG, frame=1)))
    assert isinstance(error, NoReplyError)
    assert error.reason_code is ReasonCode.NO_REPLY
    assert seconds < 60


@pytest.mark.parametrize("mishap", [Mishap.DISCONNECT, Mishap.DROP_OUT])
def test_a_board_that_comes_back_under_another_name_goes_on(devices: Devices, mishap: Mishap) -> None:
    link = survive(devices, Schedule(seed=1, once=once(mishap, mishap), away_s=1.5)).link
    assert (link.resets, link.reconnects, link.power_cycles) == (0, 2, 0)


def test_a_board_that_stays_away_is_given_up(devices: Devices) -> None:
    error, seconds = give_up(devices, Schedule(seed=1, once=once(Mishap.DISCONNECT), away_s=1e6))
    assert isinstance(error, LineLostError)
    assert error.reason_code is ReasonCode.NO_BOARD
    assert seconds < 60


def test_another_firmware_in_its_place_gives_no_number(devices: Devices) -> None:
    error, _ = give_up(devices, Schedule(seed=1, once=once(Mishap.STRANGER)))
    assert isinstance(error, WrongFirmwareError)


def test_a_board_that_resets_all_the_time_is_given_up(devices: Devices) -> None:
    error, _ = give_up(devices, Schedule(seed=1, every=((Mishap.RESET, 9),)))
    assert isinstance(error, DeviceResetError)
    assert error.reason_code is ReasonCode.RESET
    assert "given up after" in str(error)


def test_a_line_that_carries_nothing_whole_is_given_up(devices: Devices) -> None:
    error, seconds = give_up(devices, Schedule(seed=1, byte_faults=0.3))
    assert isinstance(error, NoReplyError | HangError | RemoteProtocolError)
    assert seconds < 600


def test_no_progress_for_too_long_is_the_end(devices: Devices) -> None:
    schedule = Schedule(seed=1, once=once(Mishap.DISCONNECT, Mishap.DISCONNECT, frame=3), away_s=1.5)
    error, _ = give_up(devices, schedule, policy=RecoveryPolicy(stalled_s=1.0))
    assert isinstance(error, LineLostError)


def test_foreign_chatter_is_no_trouble(devices: Devices) -> None:
    link = survive(devices, Schedule(seed=1, once=once(Mishap.CHATTER, Mishap.CHATTER))).link
    assert (link.resets, link.reconnects, link.power_cycles) == (0, 0, 0)


# --- the line's rate ------------------------------------------------------------------------------------


def at_rates(
    devices: Devices, schedule: Schedule, notes: list[str] | None = None
) -> tuple[Measurement, BadLine]:
    time = VirtualTime()
    board = MemoryBoard(*devices, time=time, start_baud=115_200, inference_s=0.004)
    line = BadLine(board, schedule, time=time, baud=115_200)
    result = measure(
        line,
        expected_digest=DIGEST,
        inputs=ARRAYS,
        time=time,
        real_time=True,
        note=notes.append if notes is not None else lambda _: None,
    )
    check(result, line, time)
    assert board.baud == line.baud == result.link.baud
    return result, line


def test_the_rate_is_raised_to_the_best_that_both_ends_know(devices: Devices) -> None:
    result, _ = at_rates(devices, Schedule(seed=1))
    assert (result.link.start_baud, result.link.baud) == (115_200, 2_000_000)
    assert len(result.windows) == 5
    assert all(window.ticks >= 1_600_000 for window in result.windows)
    assert result.host_check is not None
    assert result.host_check.host_s >= 2


@pytest.mark.parametrize("highest", [500_000, 460_800, 200_000])
def test_a_rate_that_does_not_hold_is_left_for_one_that_does(devices: Devices, highest: int) -> None:
    notes: list[str] = []
    result, _ = at_rates(devices, Schedule(seed=1, highest_baud=highest), notes)
    for baud in BAUDS:
        assert any(f"not hold {baud} baud" in note for note in notes) == (baud > highest)
    holding = [baud for baud in (*BAUDS, 115_200) if baud <= highest]
    assert (result.link.start_baud, result.link.baud) == (115_200, holding[0])


@pytest.mark.parametrize("mishap", [Mishap.RESET, Mishap.DISCONNECT, Mishap.DROP_OUT, Mishap.HANG])
def test_after_trouble_the_rate_is_raised_again(devices: Devices, mishap: Mishap) -> None:
    schedule = Schedule(seed=1, highest_baud=500_000, power_switch=True, resets_on_open=True)
    _, line = at_rates(devices, schedule)
    # in the midst of what comes after the rates were tried
    late = replace(schedule, once=once(mishap, frame=line.frames - 30))
    notes: list[str] = []
    result, line = at_rates(devices, late, notes)
    assert line.struck[mishap] == 1
    assert result.link.baud in (500_000, 460_800)
    assert any("Trouble on the link" in note for note in notes)
    assert ("500000 baud are not tried again." in notes) == (result.link.baud == 460_800)


def test_a_reset_at_a_raised_rate_is_not_taken_for_a_hang(devices: Devices) -> None:
    """Not even where nothing that the device says can be understood, and each question costs seconds."""
    schedule = Schedule(seed=1, power_switch=True, resets_on_open=True)
    _, clean = at_rates(devices, schedule)
    for back in range(20, 120, 20):
        late = replace(schedule, once=once(Mishap.RESET, frame=clean.frames - back))
        result, line = at_rates(devices, late)
        assert line.struck[Mishap.RESET] == 1
        assert (result.link.reconnects, result.link.power_cycles) == (0, 0)
