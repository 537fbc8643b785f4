# SPDX-License-Identifier: Apache-2.0
"""The STM32F4's port in QEMU, where a tick of TIM2 is an instruction."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.build import Firmware
from tests.firmware.conftest import MakeFirmware
from tests.firmware.fake_model import BYTES, work
from tests.firmware.qemu_runs import running, send_junk

pytestmark = pytest.mark.emulator

RING_BYTES = 4096


def test_hello_and_outputs(stm32f4: Firmware, tmp_path: Path) -> None:
    with running(stm32f4, tmp_path / "log") as (session, _):
        hello = session.hello()
        assert (hello.board, hello.counter) == ("stm32f4", "tim2")
        assert hello.cpu_hz == hello.counter_hz == 16_000_000  # no clock tree in QEMU: it stays on HSI
        assert hello.firmware_sha256 == stm32f4.firmware_sha256
        # QEMU's flash has no wait states, and no accelerator that could be switched on
        assert hello.settings == "clock=hsi;flash_ws=0;art=off;icache=off;dcache=off"
        data = bytes(4) + bytes(range(4, BYTES))
        assert session.infer([data]).outputs[0] == data[::-1]


def test_without_its_clock_a_board_with_hse_runs_all_the_same(firmware: MakeFirmware, tmp_path: Path) -> None:
    """QEMU's oscillator never starts, like that of a Nucleo whose ST-Link gives no clock."""
    with running(firmware("nucleo_f446re"), tmp_path / "log") as (session, _):
        hello = session.hello()
        assert hello.settings.startswith("clock=hsi;")
        assert hello.cpu_hz == 16_000_000
        assert session.infer([work(7)]).ticks > 0


def test_ticks_count_instructions(stm32f4: Firmware, tmp_path: Path) -> None:
    with running(stm32f4, tmp_path / "log") as (session, _):
        ticks = {turns: session.infer([work(turns)]).ticks for turns in (10, 11, 100, 5000, 1_000_000)}
    per_turn = ticks[11] - ticks[10]
    assert 2 <= per_turn <= 5
    assert all(count == ticks[10] + per_turn * (turns - 10) for turns, count in ticks.items())


def test_two_runs_give_the_same_ticks(stm32f4: Firmware, tmp_path: Path) -> None:
    runs = []
    for name in "ab":
        with running(stm32f4, tmp_path / name) as (session, _):
            runs.append([session.infer([work(turns, 3)]).ticks for turns in (0, 7, 40_000, 7)])
            assert session.status().empty_ticks == 0
    assert runs[0] == runs[1]
    assert runs[0][1] == runs[0][3]


def test_ring_takes_a_frame_while_nobody_reads(stm32f4: Firmware, tmp_path: Path) -> None:
    with running(stm32f4, tmp_path / "log") as (session, transport):
        for _ in range(5):
            send_junk(transport, RING_BYTES - 1)
            assert session.status().rx_lost == 0


def test_stack_stays_within_the_bound(stm32f4: Firmware, tmp_path: Path) -> None:
    with running(stm32f4, tmp_path / "log") as (session, _):
        session.infer([work(20_000)])
        used = session.status().stack_bytes
    assert 64 <= used <= stm32f4.sizes.stack_reserve_bytes
