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

from harness.link import LinkStats, PipeTransport, Session, Timing
from harness.measure import measure
from harness.records import Measurement
from tests.link.memory_device import (
    FAKE_BYTES,
    Fault,
    FlipOnce,
    MemoryDevice,
    MemoryTransport,
    fake_inputs,
    fake_outputs,
    fake_ticks,
)

SAMPLES = 20
AHEAD_SAMPLES = 5
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
    runs = device.runs
    assert runs == SAMPLES + 1  # one that warms up and is not kept
    for position in range(counter.bytes):
        measured = exchange(device, **{direction: FlipOnce(position, CHANGES[change])})
        assert measured.ticks == TICKS, position
        assert np.array_equal(measured.outputs, OUTPUTS), position
        # no sample ran again: the repeated request got the kept reply
        assert device.runs == runs, position


class Trickle(MemoryTransport):
    """The device's bytes come one by one, so that the host can send ahead while they do."""

    unfinished = 0

    def write(self, data: bytes) -> None:
        self.unfinished += data[-1] != 0
        super().write(data)

    def read(self, timeout_s: float) -> bytes:
        data = super().read(timeout_s)
        self._arrived = data[1:]
        return data[:1]


Sizes = tuple[int, ...]
#: What goes ahead: a WRITE of the first of two inputs, or the whole next INFER.
AHEAD: dict[str, Sizes] = {"write": FAKE_BYTES, "infer": (30,)}


def infer_all(transport: MemoryTransport, sizes: Sizes) -> LinkStats:
    """Inferences in a row, each announced to the one before, each right."""
    session = Session(transport, nonce=0x1234_5678, time=transport)
    samples = [fake_inputs(sample, sizes) for sample in range(AHEAD_SAMPLES)]
    for inputs, following in zip(samples, [*samples[1:], None], strict=True):
        reply = session.infer(inputs, following=following)
        assert (reply.outputs, reply.ticks) == (fake_outputs(inputs), fake_ticks(inputs))
        assert not reply.disturbed
    return session.stats


class Twice:
    """Doubles the byte at `position` of everything that passes; with `lose`, drops it."""

    def __init__(self, position: int, *, lose: bool) -> None:
        self._left = position
        self._times = 0 if lose else 2

    def __call__(self, data: bytes) -> bytes:
        position, self._left = self._left, self._left - len(data)
        if not 0 <= position < len(data):
            return data
        return data[:position] + self._times * data[position : position + 1] + data[position + 1 :]


FAULTS: dict[str, Callable[[int], Fault]] = {
    "flipped": lambda position: FlipOnce(position, CHANGES["one-bit"]),
    "to-delimiter": lambda position: FlipOnce(position, CHANGES["to-delimiter"]),
    "doubled": lambda position: Twice(position, lose=False),
    "lost": lambda position: Twice(position, lose=True),
}


@pytest.mark.parametrize("ahead", AHEAD)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("direction", ["to_device", "to_host"])
def test_each_byte_damaged_in_turn_while_requests_are_sent_ahead(
    make_device: Callable[..., MemoryDevice], direction: str, fault: str, ahead: str
) -> None:
    sizes = AHEAD[ahead]
    device = make_device(QR_FRAME_BYTES=124, FAKE_BYTES_0=sizes[0], FAKE_BYTES_1=sum(sizes[1:]))
    counter = Counter()
    clean = Trickle(device, **{direction: counter})
    infer_all(clean, sizes)
    # every sample but the first came in two parts
    assert clean.unfinished == AHEAD_SAMPLES - 1
    for position in range(counter.bytes):
        device.restart()
        transport = Trickle(device, **{direction: FAULTS[fault](position)})
        stats = infer_all(transport, sizes)
        assert device.runs == AHEAD_SAMPLES, position
        assert stats.retries <= 3, position
        assert transport.now_s < 6, position


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
