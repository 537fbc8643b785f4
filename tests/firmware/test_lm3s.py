# SPDX-License-Identifier: Apache-2.0
"""The lm3s port: a timer that wraps early, and a CPU that lacks what the others have."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.firmware.conftest import MakeFirmware
from tests.firmware.fake_model import work
from tests.firmware.qemu_runs import running

pytestmark = pytest.mark.emulator

#: SysTick wraps after 2^24 ticks of 80 ns, of which an instruction takes 3.2; a second is 1e9 / 2^8.
WRAP_INSTRUCTIONS = 2**24 * 80 // 256
SECOND_INSTRUCTIONS = 10**9 // 256

#: A chain of multiplications that the compiler cannot shorten.
FLOATS = """
volatile float factor = 1.000001f;
float product = (float)qr_arena[5];
for (uint8_t i = 0; i < 100; i++)
    product *= factor;
turns += product > 1e9f;
"""


@pytest.mark.parametrize("turn", [WRAP_INSTRUCTIONS, SECOND_INSTRUCTIONS])
def test_around_a_turn_of_either_timer(firmware: MakeFirmware, tmp_path: Path, turn: int) -> None:
    with running(firmware("lm3s6965evb"), tmp_path / "log") as (session, _):
        empty = session.infer([work(0)]).ticks
        for turns in [times * turn // 2 + off for times in (1, 2, 5) for off in range(-60, 60, 7)]:
            assert session.infer([work(turns)]).ticks == empty + 2 * turns


def test_hundreds_of_turns(firmware: MakeFirmware, tmp_path: Path) -> None:
    with running(firmware("lm3s6965evb"), tmp_path / "log") as (session, _):
        empty = session.infer([work(0)]).ticks
        turns = 150 * WRAP_INSTRUCTIONS + 12_345
        assert session.infer([work(turns)]).ticks == empty + 2 * turns


def test_a_float_costs_what_the_library_takes(firmware: MakeFirmware, tmp_path: Path) -> None:
    """One FPU instruction becomes a call of libgcc's multiplication: tens of instructions."""
    cost = {}
    for board in ("mps2_an386", "lm3s6965evb"):
        with running(firmware(board, inside=FLOATS), tmp_path / "log") as (session, _):
            with_floats = session.infer([work(0)]).ticks
            used, bound = session.status().any_stack_bytes, firmware(board, inside=FLOATS).sizes
        with running(firmware(board), tmp_path / "log") as (session, _):
            cost[board] = with_floats - session.infer([work(0)]).ticks
        assert used <= bound.stack_reserve_bytes
    assert cost["mps2_an386"] < 100 * 10
    assert cost["lm3s6965evb"] > 100 * 25
