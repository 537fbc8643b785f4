# SPDX-License-Identifier: Apache-2.0
"""Which rates a port can make: against the chips' manuals, and asked over the link."""

from __future__ import annotations

import ctypes
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from harness.build import Firmware
from harness.link.pacing import Timing
from harness.link.session import Session
from harness.link.transport import Transport
from harness.targets import TARGETS
from tests.firmware.conftest import MakeFirmware
from tests.firmware.fake_model import work
from tests.firmware.retuned import Retuned

START_BAUD = 115_200

PORTS = Path(__file__).resolve().parents[2] / "firmware" / "src" / "ports"

#: ATmega328P's data sheet, examples of UBRR0 at 16 MHz and double speed: error in percent.
UBRR = {
    2400: (832, 0.0),
    9600: (207, 0.2),
    14400: (138, -0.1),
    19200: (103, 0.2),
    28800: (68, 0.6),
    38400: (51, 0.2),
    57600: (34, -0.8),
    76800: (25, 0.2),
    115200: (16, 2.1),
    230400: (8, -3.5),
    250000: (7, 0.0),
    500000: (3, 0.0),
    1000000: (1, 0.0),
    2000000: (0, 0.0),
}


@pytest.fixture(scope="module")
def avr(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    out = tmp_path_factory.mktemp("baud") / "baud.so"
    include = PORTS.parents[1] / "include"
    flags = ["-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-DQR_CPU_HZ=16000000UL", f"-I{include}"]
    subprocess.run(["gcc", *flags, "-o", out, PORTS / "avr_baud.c"], check=True)
    library = ctypes.CDLL(str(out))
    library.qr_avr_ubrr.restype = ctypes.c_uint16
    return library


@pytest.mark.parametrize("baud", UBRR)
def test_uno_has_the_data_sheets_settings(avr: ctypes.CDLL, baud: int) -> None:
    setting, error = UBRR[baud]
    assert avr.qr_avr_ubrr(ctypes.c_uint32(baud)) == setting
    assert bool(avr.qr_port_baud_possible(ctypes.c_uint32(baud)) & 0xFF) == (abs(error) <= 2)


@pytest.mark.parametrize("baud", [0, 1, 300, 2_000_001, 1_500_000, 2**32 - 1])
def test_uno_refuses_what_its_divisor_cannot_make(avr: ctypes.CDLL, baud: int) -> None:
    assert not avr.qr_port_baud_possible(ctypes.c_uint32(baud)) & 0xFF


def line_to(firmware: Firmware, log: Path) -> AbstractContextManager[Transport]:
    """To the first emulator that the board has."""
    target = TARGETS[firmware.board.targets[0]]
    return target.open(firmware, firmware.board, log=log)


@pytest.mark.emulator
@pytest.mark.parametrize(
    ("board", "possible", "impossible"),
    [
        ("uno", [250_000, 2_000_000], [230_400, 1_500_000]),
        ("uno-arduino", [250_000, 500_000], [230_400, 3_000_000]),
        # of 16 MHz, 16 samples to a bit
        ("stm32f4", [460_800, 1_000_000], [921_600, 2_000_000]),
        ("mps2_an386", [921_600, 1_500_000], [1_520_000, 2_000_000]),
        ("lm3s6965evb", [460_800, 781_250], [781_251]),
        ("esp32", [230_400, 3_000_000], []),
    ],
)
def test_a_rate_is_taken_or_refused_and_the_link_goes_on(
    firmware: MakeFirmware, tmp_path: Path, board: str, possible: list[int], impossible: list[int]
) -> None:
    with line_to(firmware(board), tmp_path / "log") as transport:
        line = Retuned(transport)
        session = Session(line, timing=Timing(baud=START_BAUD))
        session.hello()
        for baud in possible:
            assert session.set_baud(baud), baud
        assert line.rates[-1] == possible[-1]
        for baud in impossible:
            assert not session.set_baud(baud), baud
        assert session.infer([work(5)]).ticks > 0
