# SPDX-License-Identifier: Apache-2.0
"""Compiler, flags and macros for a board; what was chosen is written to `toolchain.json`.

Nothing here depends on where the project lies: the same sources give the same loadable bytes in any
folder, which is what makes the firmware digest worth checking.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PREFIX = {"arm": "arm-none-eabi-", "avr": "avr-", "native": ""}

COMMON = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wdate-time",  # a time stamp would change the digest
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-common",
    "-fno-ident",
    "-ffp-contract=off",  # a fused multiply-add rounds once and would differ from the reference
]
# an `ijmp` through a table would hide an edge of the call graph
AVR_ONLY = ["-fstack-usage", "-fno-jump-tables"]
XTENSA_ONLY = ["-fno-jump-tables"]


#: Floating-point flags by Arm CPU.
ARM_FLOAT = {
    "cortex-m3": ["-mfloat-abi=soft"],
    "cortex-m4": ["-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"],
    "cortex-m7": ["-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"],
}


def machine_flags(arch: str, mcu: str, cpu: str) -> list[str]:
    """Flags that select the CPU, for compiling and linking alike."""
    if arch == "arm":
        return [f"-mcpu={cpu}", "-mthumb", *ARM_FLOAT[cpu]]
    return [f"-mmcu={mcu}"] if arch == "avr" else []


def flags(arch: str) -> list[str]:
    """Flags of every C file but those for the CPU, the optimisation and the paths."""
    return (
        COMMON
        + {
            "arm": ["-fstack-usage"],
            "avr": AVR_ONLY,
            "native": [],
            "xtensa": XTENSA_ONLY,
        }[arch]
    )


def path_maps(env: Any, arch: str) -> list[str]:
    """Flags that keep the folder's name out of the program; avr-gcc 5 has none and needs none."""
    if arch == "avr":
        return []
    # Paths are spelled out: SCons would split a variable's value where the path has a space.
    maps = [f"-ffile-prefix-map={env.subst('$PROJECT_DIR')}=."]
    if model := os.environ.get("QR_MODEL_DIR"):
        maps.append(f"-ffile-prefix-map={Path(model).resolve()}=model")
    return maps


def map_flag(env: Any, name: str) -> str:
    """Makes the linker write its map beside the program called `name`."""
    return linker_flag(env["QR_ARCH"], f"-Map={env.subst('$BUILD_DIR')}/{name}.map")


def linker_flag(arch: str, flag: str) -> str:
    """An option for the linker as $LINK takes it: the compiler's driver, or on Xtensa the linker itself."""
    return flag if arch == "xtensa" else f"-Wl,{flag}"


def tools(arch: str) -> dict[str, Any]:
    """Programs by SCons's names for them."""
    if arch == "xtensa":
        driver = Path(__file__).resolve().parent / "xtensa_cc.py"
        return {
            "CC": [sys.executable, "-I", "-S", str(driver)],
            "LINK": ["xtensa-lx106-elf-ld", "--abi-windowed"],
            "OBJDUMP": "llvm-objdump-22",
        }
    prefix = PREFIX[arch]
    return {
        "AR": f"{prefix}gcc-ar",
        "AS": f"{prefix}as",
        "CC": f"{prefix}gcc",
        "CXX": f"{prefix}g++",
        "LINK": f"{prefix}gcc",
        "OBJCOPY": f"{prefix}objcopy",
        "OBJDUMP": f"{prefix}objdump",
        "RANLIB": f"{prefix}gcc-ranlib",
    }


def configure(env: Any) -> None:
    """Sets the tools, flags and macros of the environment's board."""
    board = env.BoardConfig()
    arch = board.get("build.arch")
    machine = machine_flags(arch, board.get("build.mcu"), board.get("build.cpu", ""))
    env.Replace(**tools(arch), PROGNAME="firmware", PROGSUFFIX=".elf", QR_ARCH=arch)
    env.Append(
        ASPPFLAGS=["-x", "assembler-with-cpp", *machine],
        CCFLAGS=[*machine, board.get("build.optimize"), *flags(arch), *path_maps(env, arch)],
        CFLAGS=["-std=gnu11"],
        CPPDEFINES=macros(env, board),
        LINKFLAGS=[*machine, linker_flag(arch, "--gc-sections"), map_flag(env, "firmware")],
        LIBS=[] if arch == "xtensa" else ["m"],
    )
    _write_record(env)


#: What an entry of boards.yaml may say, and the macro that it becomes with this suffix to its value.
OPTIONAL = (
    ("hse_hz", "QR_HSE_HZ", "u"),
    ("hse_bypass", "QR_HSE_BYPASS", ""),
    ("trigger_pin", "QR_TRIGGER_PIN", ""),
)


def macros(env: Any, board: Any) -> list[tuple[str, object]]:
    """The macros that firmware/include/config.h and the ports ask for."""
    found: list[tuple[str, object]] = [
        ("QR_BOARD", env.StringifyMacro(board_name(env))),
        (f"QR_PORT_{board.get('build.port').upper()}", 1),
        ("QR_CPU_HZ", board.get("build.f_cpu").rstrip("L") + "UL"),
    ]
    if board.get("build.baud", 0):
        found.append(("QR_START_BAUD", f"{board.get('build.baud')}UL"))
    if board.get("build.family", ""):
        found.append((f"QR_STM32{board.get('build.family')}", 1))
    return found + optional_macros(board)


def optional_macros(board: Any) -> list[tuple[str, object]]:
    """Those that the board's entry asks for."""
    chosen = ((name, board.get(f"build.{key}", ""), suffix) for key, name, suffix in OPTIONAL)
    return [(name, f"{value}{suffix}") for name, value, suffix in chosen if value]


def board_name(env: Any) -> str:
    """The board's name in boards.yaml: the harness gives it; by hand it is the environment's."""
    name = env.GetProjectOption("custom_qr_board", "")
    return name or str(env["PIOENV"]).removesuffix("_upstream")


def _write_record(env: Any) -> None:
    """What compiles this firmware, for the result row."""
    compiler = [env["CC"]] if isinstance(env["CC"], str) else list(env["CC"])
    asked = subprocess.run([*compiler, "--version"], capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        sys.stderr.write(f"Error: {asked.stderr}")
        env.Exit(1)
    shown = asked.stdout
    chosen = [flag for flag in env["CCFLAGS"] + env["CFLAGS"] if "prefix-map" not in flag]
    record = {"compiler": shown.splitlines()[0], "flags": chosen}
    path = Path(env.subst("$BUILD_DIR")) / "toolchain.json"
    path.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")
