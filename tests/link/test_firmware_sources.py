# SPDX-License-Identifier: Apache-2.0
"""The device end compiles without a warning for every CPU that it is meant for, and stays small."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.link.memory_device import CORE, FIRMWARE, INCLUDES, WARNINGS

SOURCES = [*CORE, FIRMWARE / "src" / "main.c"]
CPUS: dict[str, list[str]] = {
    "uno": ["avr-gcc", "-mmcu=atmega328p", "-Os", "-DQR_PORT_UNO"],
    "stm32f4": ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-O2", "-DQR_PORT_STM32F4"],
    "native": ["gcc", "-O2", "-DQR_PORT_NATIVE"],
    "native-unoptimized": ["gcc", "-O0", "-DQR_PORT_NATIVE"],
}


@pytest.mark.parametrize("cpu", CPUS)
def test_no_warning(cpu: str, tmp_path: Path) -> None:
    compiler, *flags = CPUS[cpu]
    assert shutil.which(compiler), f"{compiler} is missing: `quantrig doctor` names the package"
    for source in [*SOURCES, FIRMWARE / "src" / "ports" / "native.c"]:
        command = [compiler, *flags, *WARNINGS, *INCLUDES, '-DQR_BOARD="x"', "-c", str(source)]
        done = subprocess.run(
            [*command, "-o", tmp_path / "out.o"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_the_uno_keeps_its_memory_for_the_model(tmp_path: Path) -> None:
    """Link, bench and the port's ring of 128 B: some 300 B of RAM, of 600 allowed; 5 KiB of flash."""
    compiler, *flags = CPUS["uno"]
    ram = flash = 0
    for source in SOURCES:
        if source.name == "model.c":
            continue
        command = [compiler, *flags, *WARNINGS, *INCLUDES, '-DQR_BOARD="uno"', "-c", str(source)]
        subprocess.run([*command, "-o", tmp_path / "out.o"], check=True)
        sizes = subprocess.run(["avr-size", tmp_path / "out.o"], capture_output=True, text=True, check=True)
        text, data, bss = (int(field) for field in sizes.stdout.splitlines()[1].split()[:3])
        ram += data + bss
        flash += text + data
    assert ram + 128 <= 304
    assert flash <= 5120
    said = (FIRMWARE.parent / "docs" / "PROTOCOL.md").read_text(encoding="utf-8")
    assert f"together take {ram + 128} bytes" in " ".join(said.split())


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["-DQR_PORT_UNO"], "QR_BOARD"),
        (['-DQR_BOARD="x"'], "exactly one of"),
        (['-DQR_BOARD="x"', "-DQR_PORT_UNO", "-DQR_PORT_NATIVE"], "exactly one of"),
        (['-DQR_BOARD="x"', "-DQR_PORT_UNO", "-DQR_RX_RING_BYTES=100"], "power of two"),
        (
            ['-DQR_BOARD="x"', "-DQR_PORT_UNO", "-DQR_RX_RING_BYTES=128", "-DQR_FRAME_BYTES=127"],
            "fit into the ring",
        ),
        (['-DQR_BOARD="x"', "-DQR_PORT_UNO", "-DQR_FRAME_BYTES=43"], "too small"),
    ],
)
def test_a_wrong_configuration_does_not_compile(flags: list[str], complaint: str) -> None:
    config = FIRMWARE / "include" / "config.h"
    done = subprocess.run(
        ["gcc", *flags, "-fsyntax-only", config], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert complaint in done.stderr
