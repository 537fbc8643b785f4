# SPDX-License-Identifier: Apache-2.0
"""Resets, steps and peeks as the session sees them, on good lines and on bad ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.errors import LocalProtocolError
from harness.link import Session
from tests.link.memory_device import Fault, FlipOnce, MemoryDevice, MemoryTransport, fake_inputs

#: The arena of the fake model is 305 bytes; step n doubles its byte n.
BYTES = 300
STEPS = 3
CHANGES: dict[str, Callable[[int], int]] = {
    "one-bit": lambda byte: byte ^ 0x10,
    "to-delimiter": lambda byte: 0 if byte else 1,
}


@pytest.fixture
def stepwise(make_device: Callable[..., MemoryDevice]) -> MemoryDevice:
    """More arena than fits a frame."""
    return make_device(QR_FRAME_BYTES=124, QR_MODEL_STEPS=STEPS, FAKE_BYTES_0=BYTES)


def arena_after(steps: int) -> bytes:
    """The second input comes first."""
    first, second = fake_inputs(1, (BYTES, 5))
    data = bytearray(second + first)
    for step in range(steps):
        data[step] = 2 * data[step] % 256
    return bytes(data)


def look(device: MemoryDevice, **faults: Fault) -> None:
    """One sample step by step, everything seen right, everything run once."""
    device.restart()
    transport = MemoryTransport(device, **faults)
    session = Session(transport, nonce=0x1234_5678, time=transport)
    session.load(fake_inputs(1, (BYTES, 5)))
    assert session.peek(0, BYTES + 5) == arena_after(0)
    for step in range(STEPS):
        session.step(step)
        assert session.peek(0, 7) == arena_after(step + 1)[:7]
    assert session.peek(200, 105) == arena_after(STEPS)[200:]
    session.reset()
    assert device.runs == STEPS


def test_an_inference_step_by_step(stepwise: MemoryDevice) -> None:
    look(stepwise)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("direction", ["to_device", "to_host"])
def test_each_byte_flipped_in_turn(stepwise: MemoryDevice, direction: str, change: str) -> None:
    passed = 0

    def count(data: bytes) -> bytes:
        nonlocal passed
        passed += len(data)
        return data

    look(stepwise, **{direction: count})
    assert passed > BYTES
    for position in range(passed):
        look(stepwise, **{direction: FlipOnce(position, CHANGES[change])})


def test_inputs_of_a_wrong_size_are_ours(stepwise: MemoryDevice) -> None:
    transport = MemoryTransport(stepwise)
    with pytest.raises(LocalProtocolError, match="300, 5"):
        Session(transport, time=transport).load([b"x", b"y"])


ASKED: dict[str, Callable[[Session], object]] = {
    "step": lambda session: session.step(0),
    "peek": lambda session: session.peek(0, 1),
}


@pytest.mark.parametrize("asked", ASKED)
def test_a_firmware_that_cannot_says_so(device: MemoryDevice, asked: str) -> None:
    transport = MemoryTransport(device)
    with pytest.raises(LocalProtocolError, match="TYPE"):
        ASKED[asked](Session(transport, time=transport))


def test_a_step_out_of_turn_is_ours(stepwise: MemoryDevice) -> None:
    transport = MemoryTransport(stepwise)
    session = Session(transport, time=transport)
    session.load(fake_inputs(1, (BYTES, 5)))
    with pytest.raises(LocalProtocolError, match="RANGE"):
        session.step(1)


def test_an_arena_that_ends_before_is_ours(stepwise: MemoryDevice) -> None:
    transport = MemoryTransport(stepwise)
    with pytest.raises(LocalProtocolError, match="RANGE"):
        Session(transport, time=transport).peek(300, 6)
