# SPDX-License-Identifier: Apache-2.0
"""docs/PROTOCOL.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.link.frames import OVERHEAD_BYTES, wire_bytes
from harness.link.messages import COUNTERS, DTYPES, REPLIES, ErrorCode, InferDone, InferRequest, WriteRequest
from harness.link.pacing import CLEAN_BEFORE_GROWTH, Timing
from tests.link.memory_device import FIRMWARE

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "PROTOCOL.md").read_text()
ROW = re.compile(r"^\| (\d+) \| (\d+) \| (\d+) \| ([\d.]+) % \| ([\d.]+) % \|$", re.MULTILINE)


def request_bytes(body: int) -> int:
    return wire_bytes(OVERHEAD_BYTES + body)


def reply_bytes(body: int) -> int:
    return 1 + wire_bytes(OVERHEAD_BYTES + body)


@pytest.mark.parametrize("row", ROW.findall(TEXT))
def test_efficiency(row: tuple[str, ...]) -> None:
    limit, inputs, outputs = (int(cell) for cell in row[:3])
    room = limit - OVERHEAD_BYTES - WriteRequest.LAYOUT.size
    writes = sum(
        request_bytes(WriteRequest.LAYOUT.size + min(room, inputs - at)) + reply_bytes(0)
        for at in range(0, inputs, room)
    )
    infer = request_bytes(InferRequest.LAYOUT.size) + reply_bytes(0)
    assert outputs <= limit - OVERHEAD_BYTES - InferDone.LAYOUT.size
    infer += reply_bytes(InferDone.LAYOUT.size + outputs)
    assert float(row[3]) == pytest.approx(100 * inputs / writes, abs=0.05)
    assert float(row[4]) == pytest.approx(100 * (inputs + outputs) / (writes + infer), abs=0.05)


def test_inputs_of_a_kilobyte_and_more_get_nine_tenths_of_the_line() -> None:
    rows = [row for row in ROW.findall(TEXT) if row[0] == "2048"]
    assert rows
    assert all(float(row[4]) >= 90 for row in rows)


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
        f"{timing.attempts} times in all",
        f"due {timing.infer_first_s:g} s later",
        f"{timing.infer_factor:g} times the slowest",
        f"({timing.infer_min_s:g} s\n  at least",
        f"after {CLEAN_BEFORE_GROWTH} exchanges",
    ):
        assert said in TEXT
