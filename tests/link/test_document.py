# SPDX-License-Identifier: Apache-2.0
"""docs/PROTOCOL.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.link.card import COUNTERS, DTYPES
from harness.link.exchange import STRAY_BYTES
from harness.link.frames import MIN_FRAME_BYTES, OVERHEAD_BYTES, wire_bytes
from harness.link.messages import REPLIES, ErrorCode, InferDone
from harness.link.pacing import Timing
from harness.link.requests import InferRequest, WriteRequest
from tests.link.memory_device import FIRMWARE

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "PROTOCOL.md").read_text()
ROW = re.compile(r"^\| (\d+) \| (\d+) \| (\d+) \| ([\d.]+) % \| ([\d.]+) % \|$", re.MULTILINE)

RUNNING = 1 + wire_bytes(OVERHEAD_BYTES)
DONE = 1 + wire_bytes(OVERHEAD_BYTES)


def requests(limit: int, inputs: int) -> list[int]:
    """Bytes on the wire of each request of one sample; the last is INFER."""
    room = limit - OVERHEAD_BYTES
    sizes = []
    while inputs > room - InferRequest.HEAD_BYTES:
        piece = min(inputs, room - WriteRequest.LAYOUT.size)
        sizes.append(wire_bytes(OVERHEAD_BYTES + WriteRequest.LAYOUT.size + piece))
        inputs -= piece
    body = InferRequest.HEAD_BYTES + inputs if inputs else InferRequest.LAYOUT.size
    return [*sizes, wire_bytes(OVERHEAD_BYTES + body)]


@pytest.mark.parametrize("row", ROW.findall(TEXT))
def test_efficiency(row: tuple[str, ...]) -> None:
    limit, inputs, outputs = (int(cell) for cell in row[:3])
    sizes = requests(limit, inputs)
    result = 1 + wire_bytes(OVERHEAD_BYTES + InferDone.LAYOUT.size + outputs)
    assert outputs <= limit - OVERHEAD_BYTES - InferDone.LAYOUT.size
    alone = sum(sizes) + DONE * (len(sizes) - 1) + RUNNING + result
    # the next sample's first request goes out, but for two bytes, once two bytes of the result have come
    in_a_row = alone - result - (sizes[0] - 2) + 2 + max(result - 2, sizes[0] - 2)
    assert float(row[3]) == pytest.approx(100 * (inputs + outputs) / alone, abs=0.05)
    assert float(row[4]) == pytest.approx(100 * (inputs + outputs) / in_a_row, abs=0.05)


def test_what_is_promised_of_the_line() -> None:
    rows = ROW.findall(TEXT)
    assert all(float(row[4]) >= 90 for row in rows if row[0] == "2048")
    assert any(row[:3] == ("124", "64", "10") and float(row[4]) >= 75 for row in rows)
    assert {int(row[1]) >= 1024 for row in rows if row[0] == "2048"} == {True}


def test_numbers_of_types_errors_and_counters() -> None:
    assert set(re.findall(r"0x([0-9a-f]{2}) \|", TEXT)) >= {f"{kind:02x}" for kind in REPLIES}
    assert re.findall(r"^\| (\d+) \| ([A-Z_]+) \|", TEXT, re.MULTILINE) == [
        (str(code.value), code.name) for code in ErrorCode
    ]
    for number, name in COUNTERS.items():
        assert f"{number} `{name}`" in TEXT
    for number, (name, _) in DTYPES.items():
        assert f"{number} {name}" in TEXT
    header = (FIRMWARE / "lib" / "link" / "qr_protocol.h").read_text()
    assert [int(code) for code in re.findall(r"QR_ERR_\w+ = -(\d+)", header)] == list(ErrorCode)


def test_time_outs() -> None:
    timing = Timing()
    for said in (
        f"every {timing.hello_every_s} s, for {timing.hello_total_s:g} s",
        f"within {timing.reply_s:g} s",
        f"for {timing.quiet_s} s",
        f"least {timing.hurried_s:g} s, doubled",
        f"{timing.attempts} times in silence, {timing.damaged_attempts} times in all",
        f"due {timing.infer_first_s:g} s later",
        f"{timing.infer_factor:g} times the slowest",
        f"({timing.infer_min_s:g} s at least",
        f"{STRAY_BYTES} bytes or fewer after RUNNING",
        f"never less than frames of {MIN_FRAME_BYTES}",
    ):
        assert said in " ".join(TEXT.split())
