# SPDX-License-Identifier: Apache-2.0
"""Link efficiency, promised in docs/PROTOCOL.md: exact in simulated time, so the tests assert it too.

`./run bench` prints the whole table; the ordinary tests hold the promises only.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.bench.efficiency import (
    BAUDS,
    DIGITS,
    LARGE,
    SHAPES,
    TURNAROUNDS_S,
    Row,
    Shape,
    compare,
    outputs_of,
    quantrig_share,
)
from tests.bench.hex_host import HexHost
from tests.bench.line import LineDevice, LineTransport, compile_device, compile_hex_device
from tests.link.test_document import ROW, TEXT

#: Shape -> share of the line's rate without turnaround, and times the hex scheme's at any.
PROMISES = {DIGITS: (0.75, 2.5), **dict.fromkeys(LARGE, (0.90, 2.2))}

#: In one process, so that a model is compiled once.
one_process = pytest.mark.xdist_group("link-efficiency")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("line")


def _check(row: Row) -> None:
    least, times = PROMISES.get(row.shape, (0.0, 0.0))
    if not row.turnaround_s:
        assert row.ours.of_line_rate >= least
    assert row.ratio >= times


@one_process
@pytest.mark.parametrize("baud", BAUDS)
@pytest.mark.parametrize("shape", PROMISES, ids=lambda shape: shape.name)
def test_the_promised_shares(shape: Shape, baud: int, folder: Path) -> None:
    for turnaround_s in TURNAROUNDS_S:
        _check(compare(shape, baud, turnaround_s, folder))


@one_process
@pytest.mark.parametrize("cells", ROW.findall(TEXT), ids=" ".join)
def test_the_table_of_the_protocol(cells: tuple[str, ...], folder: Path) -> None:
    frame_bytes, input_bytes, output_bytes = (int(cell) for cell in cells[:3])
    shape = Shape(
        name="a row of docs/PROTOCOL.md",
        input_bytes=input_bytes,
        output_bytes=output_bytes,
        frame_bytes=frame_bytes,
        ring_bytes=4096 if frame_bytes == 2048 else 128,
        samples=3,
    )
    for cell, in_a_row in zip(cells[3:], (False, True), strict=True):
        share = quantrig_share(shape, 1_000_000, 0.0, folder, in_a_row=in_a_row)
        assert 100 * share.of_line_rate == pytest.approx(float(cell), abs=0.06)


@pytest.mark.bench
def test_the_whole_table(folder: Path) -> None:
    print("\nPayload (inputs and outputs) in % of the line's rate, computing not counted; bytes per sample.")
    heads = ("in > out", "baud", "turnaround", "quantrig", "bytes", "hex + ack", "bytes", "ratio")
    print("{:>24} {:>12} {:>8} {:>10} {:>9} {:>8} {:>9} {:>8} {:>6}".format("", *heads))
    for shape, baud, turnaround_s in itertools.product(SHAPES, BAUDS, TURNAROUNDS_S):
        row = compare(shape, baud, turnaround_s, folder)
        print(_text(row))
        _check(row)


def _text(row: Row) -> str:
    sizes = f"{row.shape.input_bytes} > {row.shape.output_bytes}"
    cells = [f"{100 * share.of_line_rate:7.1f} % {share.wire_bytes:8.0f}" for share in (row.ours, row.hexed)]
    line = f"{row.shape.name:>24} {sizes:>12} {row.baud:>8} {1000 * row.turnaround_s:>7.0f} ms"
    return f"{line} {' '.join(cells)} {row.ratio:>6.2f}"


# --- the yardstick itself ---------------------------------------------------------------------------

#: One byte at 1,000,000 baud, ten bits.
BYTE_S = 10e-6


def _hex_line(folder: Path, turnaround_s: float = 0.0, inputs: int = 64) -> LineTransport:
    library = compile_hex_device(folder, inputs=inputs, outputs=10)
    return LineTransport(LineDevice(library, 1_000_000), baud=1_000_000, turnaround_s=turnaround_s)


def _read_all(line: LineTransport, count: int) -> list[tuple[float, bytes]]:
    """Reads until `count` bytes have come: when each read returned, and what."""
    reads: list[tuple[float, bytes]] = []
    while sum(len(data) for _, data in reads) < count:
        data = line.read(1.0)
        assert data
        reads.append((line.now(), data))
    return reads


@one_process
def test_a_byte_takes_ten_bits_there_and_back(folder: Path) -> None:
    line = _hex_line(folder)
    line.write(b"db 00%")
    reads = _read_all(line, len(b"m-ready\r\n"))
    assert b"".join(data for _, data in reads) == b"m-ready\r\n"
    assert [at for at, _ in reads] == pytest.approx([(6 + i) * BYTE_S for i in range(1, 10)])


@one_process
def test_a_read_that_gets_nothing_takes_its_time(folder: Path) -> None:
    line = _hex_line(folder)
    line.write(b"db 00%")
    assert line.read(6.5 * BYTE_S) == b""
    assert line.now() == pytest.approx(6.5 * BYTE_S)
    assert line.read(BYTE_S) == b"m"
    assert line.now() == pytest.approx(7 * BYTE_S)


@one_process
def test_what_is_written_in_two_goes_as_if_in_one(folder: Path) -> None:
    """The second write queues behind the first, and the device takes both though it is sending meanwhile."""
    line = _hex_line(folder)
    line.write(b"db 00%d")
    assert line.read(1.0) == b"m"
    line.write(b"b 00%")
    reads = _read_all(line, 17)
    assert b"".join(data for _, data in reads) == b"-ready\r\nm-ready\r\n"
    # the first reply ends at 15 bytes, the second command, whose rest queued from 7 on, at 12
    assert reads[-1][0] == pytest.approx(24 * BYTE_S)


@one_process
@pytest.mark.parametrize(
    ("idle_s", "arrival_s"),
    # the latency timer runs on while nothing comes: what counts is when it next runs out
    [(0.0, 0.016), (0.0158, 0.016), (0.016, 0.032), (0.1, 0.112)],
)
def test_a_bridge_hands_on_what_it_has_when_its_timer_runs_out(
    idle_s: float, arrival_s: float, folder: Path
) -> None:
    line = _hex_line(folder, turnaround_s=0.016)
    line.sleep(idle_s)
    line.write(b"db 00%")
    assert line.read(1.0) == b"m-ready\r\n"
    assert line.now() == pytest.approx(arrival_s)


@one_process
def test_a_bridge_may_cut_what_belongs_together(folder: Path) -> None:
    line = _hex_line(folder, turnaround_s=0.016)
    line.sleep(0.0159)
    line.write(b"db 00%")
    assert line.read(1.0) == b"m-re"
    assert line.now() == pytest.approx(0.016)
    assert line.read(0.01) == b""
    assert line.read(1.0) == b"ady\r\n"
    assert line.now() == pytest.approx(0.032)


@one_process
def test_a_bridge_hands_a_full_packet_on_at_once(folder: Path) -> None:
    line = _hex_line(folder, turnaround_s=0.016)
    line.write(b"infer 1 0%")
    assert len(line.read(1.0)) == 62
    assert line.now() == pytest.approx((10 + 62) * BYTE_S)
    line.read(1.0)
    assert line.now() == pytest.approx((10 + 62 + 62) * BYTE_S)


@one_process
def test_a_full_ring_loses_bytes(folder: Path) -> None:
    """Each damaged stretch of 2 bytes is answered with 14: a host that does not wait is soon ahead."""
    library = compile_device(folder, inputs=64, outputs=10, frame_bytes=124, ring_bytes=128)
    line = LineTransport(LineDevice(library, 1_000_000), baud=1_000_000)
    line.write(b"\1\0" * 100)
    while line.read(0.1):
        pass
    assert line.device.rx_lost > 0


@one_process
def test_the_hex_scheme_says_what_it_should(folder: Path) -> None:
    """Commands and replies of one sample, as the public description of the scheme has them."""
    log: list[tuple[str, bytes]] = []

    class Tapped(LineTransport):
        def write(self, data: bytes) -> None:
            log.append(("host", data))
            super().write(data)

        def read(self, timeout_s: float) -> bytes:
            data = super().read(timeout_s)
            log.append(("device", data))
            return data

    library = compile_hex_device(folder, inputs=64, outputs=10)
    sample = bytes((7 * i) % 256 for i in range(64))
    line = Tapped(LineDevice(library, 1_000_000), baud=1_000_000)
    results = HexHost(line).infer(sample)
    said = {who: b"".join(data for by, data in log if by == who).decode() for who in ("host", "device")}
    chunks = [sample[at : at + 31].hex() for at in (0, 31, 62)]
    assert said["host"] == f"db load 64%db {chunks[0]}%db {chunks[1]}%db {chunks[2]}%infer 1 0%"
    numbers = ",".join(f"{value / 256:.3f}" for value in outputs_of(sample, 10))
    lines = said["device"].split("\r\n")
    laps = [line for line in lines if line.startswith("m-lap-us-")]
    assert len(laps) == 2
    assert lines == [
        *("m-[Expecting 64 bytes]", "m-ready", "m-ready", "m-ready", "m-load-done", "m-ready"),
        *("m-warmup-start-0", "m-warmup-done", "m-infer-start-1", *laps, "m-infer-done"),
        *(f"m-results-[{numbers}]", "m-ready", ""),
    ]
    assert results == [float(number) for number in numbers.split(",")]
