# SPDX-License-Identifier: Apache-2.0
"""A damaged byte never changes a number: it is retried, or reported."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from harness.link import PipeTransport, Timing
from harness.measure import measure
from harness.records import Measurement
from tests.link.memory_device import (
    Fault,
    FlipOnce,
    MemoryDevice,
    MemoryTransport,
    fake_inputs,
    fake_outputs,
    fake_ticks,
)

SAMPLES = 20
NO_DIGEST = "00" * 32
INPUTS = [fake_inputs(sample) for sample in range(SAMPLES)]
ARRAYS = [np.array([np.frombuffer(sample[i], np.int8) for sample in INPUTS]) for i in range(2)]
OUTPUTS = np.array([np.frombuffer(b"".join(fake_outputs(sample)), np.int8) for sample in INPUTS])
TICKS = tuple(fake_ticks(sample) for sample in INPUTS)

CHANGES: dict[str, Callable[[int], int]] = {
    "one-bit": lambda byte: byte ^ 0x10,
    "all-bits": lambda byte: byte ^ 0xFF,
    "to-delimiter": lambda byte: 0 if byte else 1,
}


class Counter:
    """Counts what passes."""

    def __init__(self) -> None:
        self.bytes = 0

    def __call__(self, data: bytes) -> bytes:
        self.bytes += len(data)
        return data


def exchange(
    device: MemoryDevice, *, to_device: Fault | None = None, to_host: Fault | None = None
) -> Measurement:
    device.restart()
    transport = MemoryTransport(device, to_device=to_device, to_host=to_host)
    return measure(transport, expected_digest=NO_DIGEST, inputs=ARRAYS, warmup=0)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("direction", ["to_device", "to_host"])
def test_each_byte_flipped_in_turn(device: MemoryDevice, direction: str, change: str) -> None:
    counter = Counter()
    exchange(device, **{direction: counter})
    assert counter.bytes > SAMPLES * 40
    for position in range(counter.bytes):
        measured = exchange(device, **{direction: FlipOnce(position, CHANGES[change])})
        assert measured.ticks == TICKS, position
        assert np.array_equal(measured.outputs, OUTPUTS), position
        # the window of the start, and no sample ran again: the repeated request got the kept reply
        assert device.runs == SAMPLES + 1, position


class FlippingPipe(PipeTransport):
    """A line to a process that damages one byte in one direction."""

    def __init__(self, process: subprocess.Popen[bytes], *, to_device: Fault, to_host: Fault) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        super().__init__(process.stdin.fileno(), process.stdout.fileno())
        self._to_device, self._to_host = to_device, to_host

    def write(self, data: bytes) -> None:
        super().write(self._to_device(data))

    def read(self, timeout_s: float) -> bytes:
        return self._to_host(super().read(timeout_s))


@pytest.mark.parametrize("direction", ["to_device", "to_host"])
def test_each_byte_flipped_on_the_way_to_a_process(native_firmware: Path, direction: str) -> None:
    """The same with the native target's own process and real time-outs, short ones."""
    timing = Timing(
        baud=10_000_000,
        reply_s=0.03,
        quiet_s=0.005,
        hello_every_s=0.05,
        infer_first_s=0.5,
        infer_min_s=0.1,
        attempts=40,
    )
    with subprocess.Popen(
        [native_firmware], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:

        def outputs(fault: Fault) -> npt.NDArray[Any]:
            there, back = (fault, bytes) if direction == "to_device" else (bytes, fault)
            line = FlippingPipe(process, to_device=there, to_host=back)
            measured = measure(line, expected_digest=NO_DIGEST, inputs=ARRAYS, warmup=0, timing=timing)
            return measured.outputs

        counter = Counter()
        assert np.array_equal(outputs(counter), OUTPUTS)
        for position in range(counter.bytes):
            flip = FlipOnce(position, CHANGES["all-bits"])
            assert np.array_equal(outputs(flip), OUTPUTS), position
        process.kill()
