# SPDX-License-Identifier: Apache-2.0
"""Seeded schedules of everything that goes wrong on a desk: a number is right, or there is none."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Final
from unittest import mock

import numpy as np
import pytest

from harness.desk import Attachment, reserve
from harness.errors import (
    DeviceResetError,
    HangError,
    LineLostError,
    NoReplyError,
    QuantrigError,
    RemoteProtocolError,
    WrongFirmwareError,
)
from harness.measure import measure
from harness.records import Measurement
from tests.bad_hardware.bad_line import BadLine
from tests.bad_hardware.devices import (
    STRANGERS_DIGEST,
    TICKS_BELOW,
    MemoryBoard,
    NativeBoard,
    compile_still,
    with_digest,
)
from tests.bad_hardware.schedule import Mishap, Schedule
from tests.bad_hardware.virtual_time import VirtualTime
from tests.link.memory_device import (
    MemoryDevice,
    fake_inputs,
    fake_outputs,
    fake_ticks,
)

BOARD: Final = Attachment(id="bad", board="native", url=f"socket://127.0.0.1:{os.getpid()}")

SAMPLES: Final = 20
DIGEST: Final = "00" * 32
INPUTS: Final = [fake_inputs(sample) for sample in range(SAMPLES)]
ARRAYS: Final = [np.array([np.frombuffer(sample[i], np.int8) for sample in INPUTS]) for i in range(2)]
OUTPUTS: Final = np.array([np.frombuffer(b"".join(fake_outputs(sample)), np.int8) for sample in INPUTS])
TICKS: Final = tuple(fake_ticks(sample) % TICKS_BELOW for sample in INPUTS)

#: What a schedule may end in instead of numbers.
GIVEN_UP: Final = (DeviceResetError, HangError, LineLostError, NoReplyError, RemoteProtocolError)

#: However bad the hardware, host seconds until a measurement has ended: the troubles that a policy bears,
#: each at most the time-outs of a hang and of a HELLO.
LONGEST_S: Final = 600.0


def run(line: BadLine, time: VirtualTime) -> Measurement | QuantrigError:
    """Measure over a bad line; what comes of it.

    The sessions' nonces follow from the schedule, too, so that the same bytes are hit in every run. The board
    is reserved as a sweep reserves it, so a lock that was left behind would refuse the next schedule.
    """
    nonces = random.Random(line.schedule.seed)
    try:
        with (
            reserve([BOARD], wait=False),
            mock.patch("harness.link.session.secrets.randbits", nonces.getrandbits),
        ):
            return measure(line, expected_digest=DIGEST, inputs=ARRAYS, time=time)
    except (*GIVEN_UP, WrongFirmwareError) as error:
        return error


def check(result: Measurement | QuantrigError, line: BadLine, time: VirtualTime) -> None:
    """No wrong number, no stranger's number, no hang."""
    assert time.now() < LONGEST_S
    if isinstance(result, Measurement):
        assert np.array_equal(result.outputs, OUTPUTS)
        assert result.ticks == TICKS
        assert result.warmup_ticks == TICKS[:3]
        assert not line.struck[Mishap.STRANGER]
    elif isinstance(result, WrongFirmwareError):
        assert line.struck[Mishap.STRANGER]
        assert STRANGERS_DIGEST in str(result)


@pytest.fixture(scope="module")
def firmwares(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The native firmware and a stranger."""
    folder = tmp_path_factory.mktemp("native")
    usual = compile_still(folder)
    return usual, with_digest(usual, folder / "stranger", STRANGERS_DIGEST)


def on_native(firmwares: tuple[Path, Path], seed: int) -> tuple[Measurement | QuantrigError, BadLine, float]:
    """The schedule of `seed` before a native process: result, line, virtual seconds."""
    time = VirtualTime()
    board = NativeBoard(*firmwares, time=time)
    line = BadLine(board, Schedule.draw(seed), time=time)
    try:
        result = run(line, time)
        check(result, line, time)
    finally:
        board.close()
    return result, line, time.now()


def children_of_ours() -> set[str]:
    """Process ids of whatever this process has started and not yet seen the end of."""
    found: set[str] = set()
    for task in Path("/proc/self/task").iterdir():
        found.update((task / "children").read_text().split())
    return found


def open_files() -> int:
    """How many files this process has open, in this very moment."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def run_seeds(firmwares: tuple[Path, Path], seeds: range) -> tuple[int, int]:
    """How many schedules ended in numbers, and how many mishaps struck."""
    before, files = children_of_ours(), open_files()
    measured = struck = 0
    for seed in seeds:
        try:
            result, line, _ = on_native(firmwares, seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {Schedule.draw(seed)}") from error
        measured += isinstance(result, Measurement)
        struck += line.struck.total()
        assert children_of_ours() == before, f"seed {seed}"
        assert open_files() == files, f"seed {seed}"
    return measured, struck


def test_fifty_schedules_on_native_processes(firmwares: tuple[Path, Path]) -> None:
    measured, struck = run_seeds(firmwares, range(50))
    assert measured >= 35, "so much should be survived"
    assert struck >= 50


def test_five_hundred_schedules_in_memory(devices: tuple[MemoryDevice, MemoryDevice]) -> None:
    measured = 0
    for seed in range(1000, 1500):
        time = VirtualTime()
        line = BadLine(MemoryBoard(*devices, time=time), Schedule.draw(seed), time=time)
        result = run(line, time)
        check(result, line, time)
        measured += isinstance(result, Measurement)
    assert measured >= 350


def test_a_schedule_does_the_same_in_every_run(firmwares: tuple[Path, Path]) -> None:
    for seed in (2, 20, 50):
        (one, line, seconds), (other, again, as_many) = on_native(firmwares, seed), on_native(firmwares, seed)
        assert (line.frames, line.struck, seconds) == (again.frames, again.struck, as_many)
        assert isinstance(one, Measurement)
        assert isinstance(other, Measurement)
        assert one.link == other.link
        assert one.link.retries


@pytest.mark.fuzz
def test_a_thousand_schedules_on_native_processes(firmwares: tuple[Path, Path]) -> None:
    measured, struck = run_seeds(firmwares, range(1000))
    print(f"\n{measured} of 1,000 schedules measured, {struck} mishaps")
    assert measured >= 700
