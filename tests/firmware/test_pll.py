# SPDX-License-Identifier: Apache-2.0
"""The way to full speed against a model of the chip: QEMU has no clock tree, and boards are rare."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.firmware.test_clock import MHZ, Clocks

HERE = Path(__file__).resolve().parent
FIRMWARE = HERE.parents[1] / "firmware"
PORTS = FIRMWARE / "src" / "ports"
PARTS = ("pll", "clock", "settings")

HSI, HSE, PLL, OVER_DRIVE, OVER_DRIVE_SWITCH, SWITCH, FLASH = (1 << bit for bit in range(7))
RCC_CR, RCC_PLLCFGR, RCC_CFGR, FLASH_ACR = 0x40023800, 0x40023804, 0x40023808, 0x40023C00
REVISION_A, REVISION_Z = 0x1000, 0x1001
HSE_ON, HSE_BYPASS, PLL_FROM_HSE = 1 << 16, 1 << 18, 1 << 22
SETTINGS_BYTES = 56
FLASH_FULL = {"flash_ws": "5", "art": "on", "icache": "on", "dcache": "on"}

Chip = Callable[..., ctypes.CDLL]


@pytest.fixture(scope="module")
def chip(tmp_path_factory: pytest.TempPathFactory) -> Chip:
    """Compiles the port's clock code for a family and an HSE, with the model under it."""
    made: dict[tuple[str, ...], ctypes.CDLL] = {}

    def build(family: str, *defines: str) -> ctypes.CDLL:
        key = (family, *defines)
        if key not in made:
            hz = 180 * MHZ if family == "F446" else 168 * MHZ
            out = tmp_path_factory.mktemp("pll") / "pll.so"
            macros = [
                f"QR_STM32{family}=1",
                f"QR_CPU_HZ={hz}UL",
                'QR_BOARD="test"',
                "QR_PORT_STM32F4=1",
                *defines,
            ]
            command: list[str | Path] = [
                "gcc",
                "-std=gnu11",
                "-O1",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-shared",
                "-fPIC",
            ]
            command += [f"-D{macro}" for macro in macros]
            command += [
                "-include",
                HERE / "chip_model.h",
                f"-I{PORTS}",
                f"-I{FIRMWARE / 'include'}",
                "-o",
                out,
            ]
            command += [HERE / "chip_model.c", *(PORTS / f"stm32f4_{part}.c" for part in PARTS)]
            subprocess.run(command, check=True)
            library = ctypes.CDLL(str(out))
            library.qr_stm32f4_full_speed.restype = Clocks
            library.model_read.restype = ctypes.c_uint32
            made[key] = library
        return made[key]

    return build


def start(library: ctypes.CDLL, family: str, *, dead: int = 0, revision: int = REVISION_Z) -> tuple[int, ...]:
    """Clocks after reset and the way to full speed, in MHz."""
    library.model_reset(dead, revision)
    ctypes.c_uint32.in_dll(library, "model_needs_od").value = family == "F446"
    clocks = library.qr_stm32f4_full_speed()
    assert ctypes.c_uint32.in_dll(library, "model_faults").value == 0
    return tuple(hz / MHZ for hz in (clocks.sysclk, clocks.hclk, clocks.pclk1, clocks.tim))


def settings(library: ctypes.CDLL) -> dict[str, str]:
    """What the firmware says of its clock and flash; nothing is written beyond the text's bytes."""
    text = ctypes.create_string_buffer(b"\xff" * 2 * SETTINGS_BYTES)
    library.qr_stm32f4_describe(text)
    assert text.raw[SETTINGS_BYTES:].count(0xFF) == SETTINGS_BYTES
    return dict(part.split("=") for part in text.value.decode().split(";"))


FULL = {"F405": (168, 168, 42, 84), "F407": (168, 168, 42, 84), "F446": (180, 180, 45, 90)}


@pytest.mark.parametrize("family", FULL)
@pytest.mark.parametrize("hse_mhz", [0, 8, 12, 25])
def test_reaches_the_full_clock(chip: Chip, family: str, hse_mhz: int) -> None:
    library = chip(family, *([f"QR_HSE_HZ={hse_mhz * MHZ}u"] if hse_mhz else []))
    assert start(library, family) == FULL[family]
    pllcfgr = library.model_read(RCC_PLLCFGR)
    input_mhz = (hse_mhz or 16) / (pllcfgr & 0x3F)
    assert 1 <= input_mhz <= 2
    assert 100 <= input_mhz * (pllcfgr >> 6 & 0x1FF) <= 432


@pytest.mark.parametrize("family", FULL)
@pytest.mark.parametrize("dead", [HSI, PLL, SWITCH, FLASH])
def test_stays_on_hsi_when_a_wait_fails(chip: Chip, family: str, dead: int) -> None:
    library = chip(family)
    assert start(library, family, dead=dead) == (16, 16, 16, 16)
    assert library.model_read(RCC_CFGR) & 0xFCFF == 0
    assert library.model_read(RCC_CR) & 1 << 24 == 0


@pytest.mark.parametrize("dead", [OVER_DRIVE, OVER_DRIVE_SWITCH])
def test_f446_needs_its_over_drive(chip: Chip, dead: int) -> None:
    assert start(chip("F446"), "F446", dead=dead) == (16, 16, 16, 16)
    assert start(chip("F405"), "F405", dead=dead) == FULL["F405"]


@pytest.mark.parametrize("family", FULL)
def test_dead_crystal_falls_back_to_the_internal_oscillator(chip: Chip, family: str) -> None:
    library = chip(family, f"QR_HSE_HZ={8 * MHZ}u")
    assert start(library, family, dead=HSE) == FULL[family]
    assert library.model_read(RCC_PLLCFGR) & PLL_FROM_HSE == 0
    assert library.model_read(RCC_CR) & HSE_ON == 0
    assert settings(library) == {"clock": "hsi", **FLASH_FULL}


@pytest.mark.parametrize("family", FULL)
def test_dead_crystal_and_dead_pll(chip: Chip, family: str) -> None:
    library = chip(family, f"QR_HSE_HZ={8 * MHZ}u")
    assert start(library, family, dead=HSE | PLL) == (16, 16, 16, 16)
    assert settings(library)["clock"] == "hsi"


@pytest.mark.parametrize("bypass", [False, True])
def test_a_clock_instead_of_a_crystal_bypasses_the_oscillator(chip: Chip, bypass: bool) -> None:
    library = chip("F446", f"QR_HSE_HZ={8 * MHZ}u", *(["QR_HSE_BYPASS=1"] if bypass else []))
    assert start(library, "F446") == FULL["F446"]
    assert bool(library.model_read(RCC_CR) & HSE_BYPASS) == bypass
    assert library.model_read(RCC_PLLCFGR) & PLL_FROM_HSE


@pytest.mark.parametrize(("defines", "source"), [((), "hsi"), ((f"QR_HSE_HZ={12 * MHZ}u",), "hse")])
def test_settings_say_what_the_registers_say(chip: Chip, defines: tuple[str, ...], source: str) -> None:
    library = chip("F405", *defines)
    start(library, "F405")
    assert settings(library) == {"clock": source, **FLASH_FULL}
    start(library, "F405", revision=REVISION_A)
    assert settings(library)["art"] == "off"
    start(library, "F405", dead=FLASH)
    assert settings(library)["flash_ws"] == "0"


@pytest.mark.parametrize(("revision", "prefetch"), [(REVISION_A, 0), (REVISION_Z, 1)])
def test_revision_a_does_not_prefetch(chip: Chip, revision: int, prefetch: int) -> None:
    library = chip("F407")
    start(library, "F407", revision=revision)
    assert library.model_read(FLASH_ACR) >> 8 & 1 == prefetch
    assert library.model_read(FLASH_ACR) >> 9 & 3 == 3
