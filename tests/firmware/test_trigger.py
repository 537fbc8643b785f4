# SPDX-License-Identifier: Apache-2.0
"""The trigger pin: what the firmware writes to it, and that a number is the same with it and without."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from harness.boards import load_boards
from harness.build import Firmware, build
from harness.link.session import Session
from harness.targets import simavr
from tests.firmware import fake_model
from tests.firmware.fake_model import work
from tests.firmware.qemu_runs import running

WORK = [work(turns) for turns in (0, 10, 3000)]

#: GPIOB of an STM32F405, from the reference manual: what QEMU's log calls it, and BSRR within it.
BSRR, PB7 = 0x18, 1 << 7


def with_pin(board: str, pin: str, cache: Path) -> Firmware:
    entry = replace(load_boards()[board], trigger_pin=pin)
    return build(fake_model.source(), entry, case_id=f"trigger/{pin}@{board}", cache=cache)


@pytest.mark.emulator
def test_stm32f4_pin_is_high_around_each_inference(stm32f4: Firmware, tmp_path: Path) -> None:
    """QEMU has no pins, but it logs who writes to them."""
    built, log = with_pin("stm32f4", "PB7", tmp_path / "cache"), tmp_path / "unimp.log"
    with running(built, tmp_path / "log", "-d", "unimp", "-D", str(log)) as (session, _):
        ticks = [session.infer([data]).ticks for data in WORK]
    with running(stm32f4, tmp_path / "log") as (session, _):
        assert ticks == [session.infer([data]).ticks for data in WORK]
    writes = re.findall(
        r"GPIOB: unimplemented device write .*offset 0x0*18, value 0x(\w+)\)", log.read_text()
    )
    assert [int(value, 16) for value in writes] == [PB7 << 16, *([PB7, PB7 << 16] * len(WORK))]
    assert "GPIOC" not in log.read_text()


@pytest.mark.emulator
@pytest.mark.parametrize(("pin", "port", "bit"), [("7", "0x0b", 7), ("13", "0x05", 5), ("19", "0x08", 5)])
def test_uno_pin_is_one_instruction(uno: Firmware, tmp_path: Path, pin: str, port: str, bit: int) -> None:
    """PORTD, PORTB and PORTC are 0x0b, 0x05 and 0x08 in the data sheet, and DDRx one below."""
    built = with_pin("uno", pin, tmp_path / "cache")
    listing = subprocess.run(
        ["avr-objdump", "-d", built.elf], capture_output=True, text=True, check=True
    ).stdout
    trigger = listing.partition("<qr_port_trigger>:")[2].partition("\n\n")[0]
    assert re.findall(r"\t([sc]bi)\t(\w+), (\d)", trigger) in (
        [("sbi", port, str(bit)), ("cbi", port, str(bit))],
        [("cbi", port, str(bit)), ("sbi", port, str(bit))],
    )
    assert re.search(rf"\tsbi\t{int(port, 16) - 1:#04x}, {bit}\b", listing)
    ticks = []
    for firmware in (uno, built):
        with simavr.open(firmware, firmware.board, log=tmp_path / "log") as transport:
            session = Session(transport)
            session.hello()
            ticks.append([session.infer([data]).ticks for data in WORK])
    assert ticks[0] == ticks[1]


def test_without_a_pin_there_is_no_code_for_one(uno: Firmware, stm32f4: Firmware) -> None:
    for firmware in (uno, stm32f4):
        assert b"qr_port_trigger" not in firmware.elf.read_bytes()
