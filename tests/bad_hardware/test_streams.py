# SPDX-License-Identifier: Apache-2.0
"""Models that remember, on bad hardware: whatever is lost on the way, each sample finds what it should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.measure import measure
from tests.bad_hardware.bad_line import BadLine
from tests.bad_hardware.devices import MemoryBoard
from tests.bad_hardware.schedule import Event, Mishap, Schedule
from tests.bad_hardware.test_schedules import ARRAYS, DIGEST, GIVEN_UP, OUTPUTS, SAMPLES
from tests.bad_hardware.virtual_time import VirtualTime
from tests.link.memory_device import MemoryDevice, compile_library

STREAM = (OUTPUTS.astype(np.int16) + np.arange(SAMPLES)[:, np.newaxis]).astype(np.int8)


@pytest.fixture(scope="module")
def remembering(tmp_path_factory: pytest.TempPathFactory) -> MemoryDevice:
    """Adds to every output how many inferences came before it since the last reset."""
    folder: Path = tmp_path_factory.mktemp("memory")
    return MemoryDevice(compile_library(folder, QR_FRAME_BYTES=124, FAKE_STATE=1))


def outputs(device: MemoryDevice, schedule: Schedule, *, stream: bool) -> np.ndarray | None:
    """What is measured; None where the device is given up."""
    device.restart()
    time = VirtualTime()
    line = BadLine(MemoryBoard(device, device, time=time), schedule, time=time)
    try:
        measured = measure(
            line, expected_digest=DIGEST, inputs=ARRAYS, stateful=True, stream=stream, time=time
        )
    except GIVEN_UP:
        return None
    assert line.struck.total() == len(schedule.once)
    return measured.outputs


@pytest.mark.parametrize("mishap", [Mishap.RESET, Mishap.HANG, Mishap.DISCONNECT, Mishap.DROP_OUT])
@pytest.mark.parametrize("stream", [False, True])
def test_a_device_that_forgot_is_brought_back(
    remembering: MemoryDevice, mishap: Mishap, stream: bool
) -> None:
    events = tuple(Event(mishap=mishap, frame=frame, offset_bytes=5) for frame in (31, 60, 75))
    schedule = Schedule(seed=1, once=events, power_switch=True, away_s=0.5)
    found = outputs(remembering, schedule, stream=stream)
    assert found is not None
    assert np.array_equal(found, STREAM if stream else OUTPUTS)


@pytest.mark.parametrize("stream", [False, True])
def test_a_line_that_damages_bytes(remembering: MemoryDevice, stream: bool) -> None:
    found = [outputs(remembering, Schedule(seed=seed, byte_faults=0.004), stream=stream) for seed in range(8)]
    right = [np.array_equal(one, STREAM if stream else OUTPUTS) for one in found if one is not None]
    assert all(right)
    assert len(right) >= 6
