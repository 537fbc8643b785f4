# SPDX-License-Identifier: Apache-2.0
"""The ports' arithmetic: clock registers to Hz (known settings, RM0090), readings to instructions."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

PORTS = Path(__file__).resolve().parents[2] / "firmware" / "src" / "ports"
F405, F446 = 1, 2
MHZ = 1_000_000

# family, PLLCFGR, CFGR, HSE; then SYSCLK, HCLK, PCLK1, APB1 timers
KNOWN = {
    "reset": (F405, 0x2400_3010, 0, 0, 16, 16, 16, 16),
    "nothing modelled (QEMU)": (F405, 0, 0, 0, 16, 16, 16, 16),
    "F407 Discovery, HSE 8, M 8 N 336 P 2 Q 7": (F405, 0x0740_5408, 0x940A, 8, 168, 168, 42, 84),
    "Netduino Plus 2, HSE 25, M 25 N 336 P 2": (F405, 0x0740_5419, 0x940A, 25, 168, 168, 42, 84),
    "F405 on HSI, M 16 N 336 P 2": (F405, 0x2700_5410, 0x940A, 0, 168, 168, 42, 84),
    "F446 Nucleo, HSE 8, M 4 N 180 P 2": (F446, 0x2240_2D04, 0x940A, 8, 180, 180, 45, 90),
    "F446 on HSI, M 8 N 180 P 2": (F446, 0x2700_2D08, 0x940A, 0, 180, 180, 45, 90),
    "F446 through R, M 8 N 180 R 2": (F446, 0x2700_2D08, 0x940F, 0, 180, 180, 45, 90),
    "F446 through R, M 8 N 180 R 6": (F446, 0x6700_2D08, 0x940F, 0, 60, 60, 15, 30),
    "F405 has no R": (F405, 0x2700_2D08, 0x940F, 0, 0, 0, 0, 0),
    "84 MHz, P 4, APB1 by 2": (F405, 0x2701_5410, 0x100A, 0, 84, 84, 42, 84),
    "HSE itself": (F405, 0x2400_3010, 0x0005, 8, 8, 8, 8, 8),
    "PLL from an unknown HSE": (F405, 0x0740_5408, 0x940A, 0, 0, 0, 0, 0),
    "HSI by 512": (F405, 0x2400_3010, 0x00F0, 0, 16, 0.03125, 0.03125, 0.03125),
    "AHB by 64, APB1 by 16": (F405, 0x2400_3010, 0x1CC0, 0, 16, 0.25, 0.015625, 0.03125),
}


class Rcc(ctypes.Structure):
    """struct qr_stm32f4_rcc"""

    _fields_ = [(name, ctypes.c_uint32) for name in ("cr", "pllcfgr", "cfgr", "hse_hz", "family")]


class Clocks(ctypes.Structure):
    """struct qr_stm32f4_clocks"""

    _fields_ = [(name, ctypes.c_uint32) for name in ("sysclk", "hclk", "pclk1", "tim")]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    out = tmp_path_factory.mktemp("clock") / "clock.so"
    flags = [
        "-std=c99",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fsanitize=undefined",
        "-fsanitize-undefined-trap-on-error",
    ]
    sources = [PORTS / "stm32f4_clock.c", PORTS / "cortexm_ticks.c"]
    subprocess.run(["gcc", *flags, "-shared", "-fPIC", "-o", out, *sources], check=True)
    loaded = ctypes.CDLL(str(out))
    loaded.qr_stm32f4_clocks.restype = Clocks
    loaded.qr_cortexm_unwrap.restype = ctypes.c_uint64
    loaded.qr_cortexm_unwrap.argtypes = [ctypes.c_uint32, ctypes.c_uint64]
    loaded.qr_cortexm_instructions.restype = ctypes.c_uint64
    loaded.qr_cortexm_instructions.argtypes = [ctypes.c_uint64, ctypes.c_uint32, ctypes.c_uint32]
    return loaded


def decode(library: ctypes.CDLL, family: int, pllcfgr: int, cfgr: int, hse_hz: int) -> tuple[int, ...]:
    rcc = Rcc(cr=0, pllcfgr=pllcfgr, cfgr=cfgr, hse_hz=hse_hz, family=family)
    clocks = library.qr_stm32f4_clocks(ctypes.byref(rcc))
    return clocks.sysclk, clocks.hclk, clocks.pclk1, clocks.tim


@pytest.mark.parametrize("name", KNOWN)
def test_known_settings(library: ctypes.CDLL, name: str) -> None:
    family, pllcfgr, cfgr, hse_mhz, *expected_mhz = KNOWN[name]
    got = decode(library, int(family), int(pllcfgr), int(cfgr), int(hse_mhz * MHZ))
    assert got == tuple(round(mhz * MHZ) for mhz in expected_mhz)


HPRE = dict.fromkeys(range(8), 1) | {8: 2, 9: 4, 10: 8, 11: 16, 12: 64, 13: 128, 14: 256, 15: 512}
PPRE = dict.fromkeys(range(4), 1) | {4: 2, 5: 4, 6: 8, 7: 16}
PLLP = {0: 2, 1: 4, 2: 6, 3: 8}


def manual(family: int, pllcfgr: int, cfgr: int, hse_hz: int) -> tuple[int, ...]:
    """RM0090 and RM0390, sections RCC_PLLCFGR and RCC_CFGR, as tables."""
    bits = f"{pllcfgr:032b}"
    m, n = int(bits[-6:], 2), int(bits[-15:-6], 2)
    p, r = PLLP[int(bits[-18:-16], 2)], int(bits[1:4], 2)
    vco_in = hse_hz if bits[-23] == "1" else 16 * MHZ
    legal = m >= 2 and 50 <= n <= 432
    through_p = vco_in * n // (m * p) if legal else 0
    through_r = vco_in * n // (m * r) if legal and r >= 2 and family == F446 else 0
    sysclk = [16 * MHZ, hse_hz, through_p, through_r][cfgr // 4 % 4] % 2**32
    hclk = sysclk // HPRE[cfgr // 16 % 16]
    pclk1 = hclk // PPRE[cfgr // 1024 % 8]
    return sysclk, hclk, pclk1, pclk1 if PPRE[cfgr // 1024 % 8] == 1 else 2 * pclk1


@given(
    family=st.sampled_from([F405, F446]),
    pllcfgr=st.integers(0, 2**32 - 1),
    cfgr=st.integers(0, 2**32 - 1),
    hse_hz=st.sampled_from([0, 4 * MHZ, 8 * MHZ, 12 * MHZ, 25 * MHZ, 26 * MHZ]),
)
def test_any_registers(library: ctypes.CDLL, family: int, pllcfgr: int, cfgr: int, hse_hz: int) -> None:
    assert decode(library, family, pllcfgr, cfgr, hse_hz) == manual(family, pllcfgr, cfgr, hse_hz)


@given(ticks=st.integers(0, 2**56), error=st.integers(-(2**31) + 1, 2**31 - 1))
def test_unwrap_finds_the_ticks_from_a_coarse_estimate(library: ctypes.CDLL, ticks: int, error: int) -> None:
    estimate = max(0, ticks + error)
    assert library.qr_cortexm_unwrap(ticks % 2**32, estimate) == ticks


@given(
    instructions=st.integers(0, 2**46),
    clock=st.sampled_from([(40, 7), (80, 8)]),  # ns per tick, -icount shift: the mps2 and the lm3s
    phase=st.floats(0, 1, exclude_max=True),
)
def test_instructions_are_exact_wherever_in_a_tick_the_section_begins(
    library: ctypes.CDLL, instructions: int, clock: tuple[int, int], phase: float
) -> None:
    tick_ns, shift = clock
    start_ns = int(phase * tick_ns)
    ticks = (start_ns + (instructions << shift)) // tick_ns - start_ns // tick_ns
    assert library.qr_cortexm_instructions(ticks, tick_ns, shift) == instructions
