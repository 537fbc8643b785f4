# SPDX-License-Identifier: Apache-2.0
"""Small programs for the ESP32 lane's emulator: compiled by the firmware's own driver, run in QEMU."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

FIRMWARE = Path(__file__).resolve().parents[1] / "firmware"
PLATFORM = FIRMWARE / "platforms" / "quantrig"
PORTS = FIRMWARE / "src" / "ports"
DRIVER = PLATFORM / "builder" / "xtensa_cc.py"

#: What any program needs of the port: start-up, trap handler, run-time helpers; and an end for its faults.
RUNTIME = [
    *(PORTS / f"esp32sim_{name}" for name in ("start.S", "trap.S", "memory.c", "int64.c", "float.c")),
    Path(__file__).with_name("xtensa_fault.c"),
]
FLAGS = ["-std=gnu11", "-ffp-contract=off", "-ffunction-sections", "-fdata-sections", f"-I{PORTS}"]
SIZES = {"__qr_flash_bytes": 1310720, "__qr_ram_bytes": 0x2C200, "__qr_stack_reserve": 0x4000}

QEMU = [
    *("qemu-system-xtensa", "-M", "sim", "-cpu", "de233_fpu", "-m", "1100M", "-semihosting", "-nodefaults"),
    *("-no-reboot", "-display", "none", "-monitor", "none", "-serial", "none", "-icount", "shift=6"),
]


def compile_object(source: Path, folder: Path, *flags: str) -> Path:
    """The object of a C or assembly source, in `folder`."""
    target = folder / f"{source.name}.o"
    options = [*FLAGS, *(flags or ("-O2",))]
    command: list[str | Path] = [sys.executable, DRIVER, *options, "-c", "-o", target, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def runtime(folder: Path) -> list[Path]:
    """The objects of `RUNTIME`."""
    return [compile_object(source, folder) for source in RUNTIME]


def link(objects: Sequence[Path], program: Path) -> Path:
    """The program of some objects."""
    sizes = [f"--defsym={name}={value}" for name, value in SIZES.items()]
    command = ["xtensa-lx106-elf-ld", "--abi-windowed", "--gc-sections", "--no-warn-rwx-segments"]
    script = ["--no-warn-execstack", *sizes, "-T", str(PLATFORM / "ldscripts" / "esp32sim.ld")]
    done = subprocess.run(
        [*command, *script, *objects, "-o", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return program


def run(program: Path, data: bytes = b"") -> bytes:
    """What the program writes when it reads `data`; it must end with exit code 0."""
    loader = f"loader,file={program},cpu-num=0"
    done = subprocess.run(
        [*QEMU, "-device", loader], input=data, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, (done.returncode, done.stderr.decode())
    return done.stdout
