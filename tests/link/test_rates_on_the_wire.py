# SPDX-License-Identifier: Apache-2.0
"""A host that was killed leaves its device at a raised rate: the next one gets through all the same.

Bit by bit: what a UART makes of bytes that are sent at another rate than its own.
"""

from __future__ import annotations

import bisect
import random

import pytest

from harness.link.frames import DELIMITER, Frame, encode
from harness.link.pacing import Timing
from harness.link.protocol import Link
from harness.link.requests import BaudRequest, EchoRequest, HelloRequest
from harness.measure import BAUDS
from tests.link.memory_device import MemoryDevice

#: Rates after reset of the boards in boards.yaml, and rates to which one may raise them.
RATES = [(start, raised) for start in (115_200, 1_000_000) for raised in BAUDS if raised > start]


def sent(data: bytes, baud: int) -> list[tuple[float, int]]:
    """When the line takes which level, for bytes one after another; then it is idle."""
    bits = [bit for byte in data for bit in (0, *(byte >> n & 1 for n in range(8)), 1)]
    return [(at / baud, bit) for at, bit in enumerate(bits)]


def received(levels: list[tuple[float, int]], baud: int) -> list[tuple[int, bool]]:
    """The bytes that a UART hears, each sampled in the middle of its bits; True: its stop bit was none."""
    starts = [moment for moment, _ in levels]
    free_at, heard = -1.0, []
    for at, (moment, level) in enumerate(levels):
        fell = level == 0 and (at == 0 or levels[at - 1][1] == 1)
        if not fell or moment < free_at:
            continue
        start, *bits, stop = (
            levels[bisect.bisect_right(starts, moment + (n + 0.5) / baud) - 1][1] for n in range(10)
        )
        if start == 0:
            heard.append((sum(bit << n for n, bit in enumerate(bits)), not stop))
            free_at = moment + 9.5 / baud
    return heard


def test_a_uart_at_the_right_rate_hears_what_is_sent() -> None:
    data = bytes(range(256))
    for baud in (112_900, 115_200, 117_500):
        assert received(sent(data, 115_200), baud) == [(byte, False) for byte in data]


def raise_rate(device: MemoryDevice, baud: int) -> None:
    """What a host did that was killed when the new rate had proved good."""
    for number, (kind, body) in enumerate(
        [
            (HelloRequest.TYPE, HelloRequest(nonce=1, offset=0, limit=20).body()),
            (BaudRequest.TYPE, BaudRequest(baud=baud).body()),
            (EchoRequest.TYPE, b"proof"),
        ]
    ):
        assert device.serve(encode(Frame(type=kind, sequence=number, body=body)))
    assert device.baud == baud


@pytest.mark.parametrize("counts_errors", [True, False])
@pytest.mark.parametrize(("start", "raised"), RATES)
def test_hellos_at_the_rate_after_reset_bring_the_device_back(
    device: MemoryDevice, start: int, raised: int, counts_errors: bool
) -> None:
    """In half the time that HELLO is repeated for; also where a core drops bytes without a word."""
    timing = Timing()
    for seed in range(20):
        device.restart()
        raise_rate(device, raised)
        link = Link(first_sequence=seed)
        nonce = random.Random(seed).getrandbits(32)
        data = link.send(HelloRequest(nonce=nonce, offset=0, limit=37))
        hellos = 0
        while device.baud:
            hellos += 1
            for byte, damaged in received(sent(data + DELIMITER, start), raised):
                if damaged and counts_errors:
                    device.lose(1)
                device.serve(bytes([byte]))
            data = link.resend()
            assert hellos * timing.hello_every_s < timing.hello_total_s / 2
