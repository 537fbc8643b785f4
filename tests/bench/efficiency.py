# SPDX-License-Identifier: Apache-2.0
"""How much of a line's rate is payload: our protocol and the hex scheme over the same simulated line."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.link import Session
from tests.bench.hex_host import HexHost
from tests.bench.line import BITS_PER_BYTE, LineDevice, LineTransport, compile_device, compile_hex_device

BAUDS: Final = (115_200, 1_000_000)
TURNAROUNDS_S: Final = (0.0, 0.001, 0.016)

#: Samples before the first that counts: nothing was sent ahead for the first, and after HELLO the device ends
#: a few frames with a delimiter more.
UNCOUNTED: Final = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """A model's inputs and outputs, and the board that holds it."""

    name: str
    input_bytes: int
    output_bytes: int
    frame_bytes: int = 2048
    ring_bytes: int = 4096
    samples: int = 8

    @property
    def payload_bytes(self) -> int:
        """Of one inference."""
        return self.input_bytes + self.output_bytes


def _on_uno(name: str, input_bytes: int, output_bytes: int) -> Shape:
    return Shape(
        name=f"{name} on the Uno",
        input_bytes=input_bytes,
        output_bytes=output_bytes,
        frame_bytes=124,
        ring_bytes=128,
        samples=40,
    )


DIGITS: Final = _on_uno("digits int8", 64, 10)
#: From 1 KB on, with frames of 2048 bytes.
LARGE: Final = (
    Shape(name="1 KB", input_bytes=1024, output_bytes=10),
    Shape(name="MLPerf ad", input_bytes=2560, output_bytes=4),
    Shape(name="MLPerf ic", input_bytes=3072, output_bytes=10),
    Shape(name="MLPerf vww", input_bytes=27648, output_bytes=2, samples=3),
)
#: Shown, nothing is promised for them.
OTHERS: Final = (
    _on_uno("gesture int8", 150, 4),
    _on_uno("digits float32", 256, 40),
    Shape(name="digits int8", input_bytes=64, output_bytes=10, samples=40),
    Shape(name="MLPerf kws", input_bytes=490, output_bytes=12),
)
SHAPES: Final = (DIGITS, *LARGE, *OTHERS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """What one protocol made of the line."""

    of_line_rate: float
    """Payload bits per second of the simulation, by the line's rate."""
    wire_bytes: float
    """Per sample, both directions together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of the table."""

    shape: Shape
    baud: int
    turnaround_s: float
    ours: Share
    hexed: Share

    @property
    def ratio(self) -> float:
        """How many times the hex scheme's."""
        return self.ours.of_line_rate / self.hexed.of_line_rate


def quantrig_share(
    shape: Shape, baud: int, turnaround_s: float, folder: Path, *, in_a_row: bool = True
) -> Share:
    """Our session with our firmware, from the last output of an early sample to that of the last.

    Args:
        shape, baud, turnaround_s: of the line.
        folder: for what is compiled.
        in_a_row: tell the session what comes next, as a measurement does.
    """
    library = compile_device(
        folder,
        inputs=shape.input_bytes,
        outputs=shape.output_bytes,
        frame_bytes=shape.frame_bytes,
        ring_bytes=shape.ring_bytes,
    )
    line = LineTransport(LineDevice(library, baud), baud=baud, turnaround_s=turnaround_s)
    session = Session(line, nonce=0x1234_5678, time=line)
    session.hello()
    samples = _samples(shape)

    def work(begin: int, end: int) -> None:
        for number in range(begin, end):
            # after the last one, too: as many bytes go ahead at the end as had gone at the beginning
            following = [samples[(number + 1) % len(samples)]] if in_a_row else None
            reply = session.infer([samples[number]], following=following)
            assert reply.outputs == (outputs_of(samples[number], shape.output_bytes),)
            assert not reply.disturbed

    work(0, UNCOUNTED)
    share = _share(line, shape, lambda: work(UNCOUNTED, len(samples)))
    assert (session.stats.retries, session.stats.damaged, session.stats.dropped) == (0, 0, 0)
    return share


def hex_share(shape: Shape, baud: int, turnaround_s: float, folder: Path) -> Share:
    """The hex scheme with the same model over the same line."""
    library = compile_hex_device(folder, inputs=shape.input_bytes, outputs=shape.output_bytes)
    line = LineTransport(LineDevice(library, baud), baud=baud, turnaround_s=turnaround_s)
    host = HexHost(line)

    def work() -> None:
        for sample in _samples(shape)[UNCOUNTED:]:
            expected = outputs_of(sample, shape.output_bytes)
            for got, byte in zip(host.infer(sample), expected, strict=True):
                assert abs(got - byte / 256) <= 0.000501

    return _share(line, shape, work)


def outputs_of(sample: bytes, count: int) -> bytes:
    """What the model of the yardstick makes of an input."""
    return bytes((i + sum(sample[i::count])) % 256 for i in range(count))


def compare(shape: Shape, baud: int, turnaround_s: float, folder: Path) -> Row:
    """Both over the same line."""
    return Row(
        shape=shape,
        baud=baud,
        turnaround_s=turnaround_s,
        ours=quantrig_share(shape, baud, turnaround_s, folder),
        hexed=hex_share(shape, baud, turnaround_s, folder),
    )


def _samples(shape: Shape) -> list[bytes]:
    """Those that are not counted, then the rest; without zeros, which is where COBS costs the most."""
    generator = random.Random(shape.name)
    return [
        bytes(generator.choices(range(1, 256), k=shape.input_bytes)) for _ in range(UNCOUNTED + shape.samples)
    ]


def _share(line: LineTransport, shape: Shape, work: Callable[[], None]) -> Share:
    started_s, bytes_before = line.now(), line.wire_bytes
    work()
    assert line.device.rx_lost == 0
    assert line.baud is not None
    possible = (line.now() - started_s) * line.baud / BITS_PER_BYTE
    return Share(
        of_line_rate=shape.payload_bytes * shape.samples / possible,
        wire_bytes=(line.wire_bytes - bytes_before) / shape.samples,
    )
