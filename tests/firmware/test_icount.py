# SPDX-License-Identifier: Apache-2.0
"""What the ports for QEMU's own machines have in common: their ticks are instructions, to the last one."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from harness.build import Firmware
from harness.errors import NoReplyError
from harness.link.pacing import Timing
from tests.firmware.conftest import MakeFirmware
from tests.firmware.fake_model import BYTES, work
from tests.firmware.qemu_runs import logged_instructions, running, send_junk
from tests.firmware.test_stm32f4 import RING_BYTES

pytestmark = pytest.mark.emulator

#: Board -> its CPU clock, and the -icount shift that its port asks for.
PORTS = {"mps2_an386": (25_000_000, 7), "mps2_an500": (25_000_000, 7), "lm3s6965evb": (12_500_000, 8)}


@pytest.fixture(params=PORTS)
def machine(request: pytest.FixtureRequest, firmware: MakeFirmware) -> Firmware:
    return firmware(request.param)


def test_hello_and_outputs(machine: Firmware, tmp_path: Path) -> None:
    cpu_hz, shift = PORTS[machine.board.name]
    with running(machine, tmp_path / "log") as (session, _):
        hello = session.hello()
        assert (hello.board, hello.counter) == (machine.board.name, "instructions")
        assert (hello.cpu_hz, hello.counter_hz) == (cpu_hz, 10**9 >> shift)
        assert hello.firmware_sha256 == machine.firmware_sha256
        data = bytes(4) + bytes(range(4, BYTES))
        assert session.infer([data]).outputs[0] == data[::-1]


def test_ticks_equal_the_execution_log(machine: Firmware, tmp_path: Path) -> None:
    counts = logged_instructions(machine, tmp_path, [work(0), work(7, 5), work(1234, 3), work(20_000)])
    assert [ticks for ticks, _ in counts] == [count for _, count in counts]
    assert counts[3][0] > 40_000


def test_every_length_is_exact(machine: Firmware, tmp_path: Path) -> None:
    """A turn is two instructions; 500 sections meet the timer in all its phases."""
    with running(machine, tmp_path / "log") as (session, _):
        empty = session.infer([work(0)]).ticks
        for turns in range(500):
            assert session.infer([work(turns)]).ticks == empty + 2 * turns
        assert session.status().empty_ticks == 0


def test_long_sections_are_exact(machine: Firmware, tmp_path: Path) -> None:
    chance = random.Random(1)
    with running(machine, tmp_path / "log") as (session, _):
        empty = session.infer([work(0)]).ticks
        for turns in [chance.randrange(8_000_000) for _ in range(40)]:
            assert session.infer([work(turns)]).ticks == empty + 2 * turns


@pytest.mark.parametrize("board", PORTS)
def test_another_shift_gives_no_number(firmware: MakeFirmware, board: str, tmp_path: Path) -> None:
    """Start-up counts a known loop; what does not count instructions does not answer."""
    for shift in (6, 9):
        with (
            pytest.raises(NoReplyError),
            running(firmware(board), tmp_path / "log", shift=shift, timing=Timing(hello_total_s=0.5)),
        ):
            pass


def test_ring_takes_a_frame_while_nobody_reads(machine: Firmware, tmp_path: Path) -> None:
    with running(machine, tmp_path / "log") as (session, transport):
        for _ in range(5):
            send_junk(transport, RING_BYTES - 1)
            assert session.status().rx_lost == 0


def test_stack_stays_within_the_bound(machine: Firmware, tmp_path: Path) -> None:
    with running(machine, tmp_path / "log") as (session, _):
        session.infer([work(20_000)])
        status = session.status()
    assert 32 <= status.stack_bytes <= status.any_stack_bytes <= machine.sizes.stack_reserve_bytes


def test_waiting_costs_the_host_nothing(machine: Firmware, tmp_path: Path) -> None:
    with running(machine, tmp_path / "log"):
        before = cpu_seconds(machine.elf)
        time.sleep(0.5)
        assert cpu_seconds(machine.elf) - before <= 0.1


def cpu_seconds(program: Path) -> float:
    """CPU time of the emulator that runs `program` (Linux)."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if os.fsencode(program) in words and words[0].endswith(b"qemu-system-arm"):
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    raise AssertionError(f"no emulator runs {program}")
