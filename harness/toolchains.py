# SPDX-License-Identifier: Apache-2.0
"""What compiles the firmware of which board, and whether it is here."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness import llvm, pio
from harness.boards import Board, ToolchainName
from harness.resources import resource


@dataclass(frozen=True, kw_only=True, slots=True)
class Toolchain:
    """Programs, files and packages that one kind of firmware is compiled with."""

    compiler: str
    """Its version goes into the results; empty where PlatformIO brings it."""
    linker: str
    """The same of the linker."""
    others: tuple[str, ...] = ()
    """The other programs that a build starts."""
    files: tuple[str, ...] = ()
    """Files that it reads and that may be missing, each standing for all that lie beside it."""
    packages: str = ""
    """Debian's packages of all this."""

    @property
    def programs(self) -> tuple[str, ...]:
        """Everything that a build starts."""
        return (self.compiler, self.linker, *self.others) if self.compiler else ()


_ARDUINO: Final = "/usr/share/arduino/hardware/arduino/avr"

TOOLCHAINS: Final[Mapping[ToolchainName, Toolchain]] = {
    "host": Toolchain(compiler="gcc", linker="ld", packages="gcc libc6-dev"),
    "avr": Toolchain(
        compiler="avr-gcc",
        linker="avr-ld",
        others=("avr-objcopy", "avr-objdump"),
        packages="gcc-avr avr-libc",
    ),
    "arm": Toolchain(
        compiler="arm-none-eabi-gcc",
        linker="arm-none-eabi-ld",
        others=("arm-none-eabi-objcopy", "arm-none-eabi-objdump"),
        packages="gcc-arm-none-eabi libnewlib-arm-none-eabi",
    ),
    "esp32_llvm": Toolchain(
        compiler="clang-22",
        linker="xtensa-lx106-elf-ld",
        others=("llc-22", "llvm-mc-22", "llvm-objdump-22"),
        packages="clang-22 llvm-22 binutils-xtensa-lx106",
    ),
    "avr_arduino": Toolchain(
        compiler="avr-gcc",
        linker="avr-ld",
        others=("avr-g++", "avr-gcc-ar", "avr-objcopy", "avr-objdump"),
        files=(
            f"{_ARDUINO}/cores/arduino/Arduino.h",
            f"{_ARDUINO}/variants/mega/pins_arduino.h",
            f"{_ARDUINO}/variants/standard/pins_arduino.h",
        ),
        packages="gcc-avr avr-libc arduino-core-avr",
    ),
    "platformio": Toolchain(compiler="", linker=""),
}


def unavailable(board: Board) -> str | None:
    """Why a firmware for the board cannot be built on this machine, and the remedy; None when it can."""
    if board.upstream:
        return _platform_missing(board)
    toolchain = TOOLCHAINS[board.toolchain]
    missing = [program for program in toolchain.programs if shutil.which(program) is None]
    missing += [file for file in toolchain.files if not Path(file).exists()]
    if not missing:
        return llvm.unavailable() if board.toolchain == "esp32_llvm" else None
    return f"{' and '.join(missing)} not found: `{install_command(board)}`."


def state(board: Board, linked: list[str]) -> dict[str, list[int]]:
    """Size and time of the tools, the core and the libraries that were linked: changed by any upgrade.

    Cheaper than asking a compiler for its version, and it notices a new C library as well.
    """
    toolchain = TOOLCHAINS[board.toolchain]
    tools = [shutil.which(tool) for tool in toolchain.programs]
    tools += [str(path) for file in toolchain.files for path in Path(file).parent.glob("*.*")]
    if board.upstream:
        tools += [str(folder / "platform.json") for folder in _platforms(board)]
        tools += map(str, (pio.user_core() / "packages").glob("*/package.json"))
    found = {}
    for name in sorted({os.path.realpath(tool) for tool in tools if tool} | set(linked)):
        try:
            status = Path(name).stat()
        except OSError:
            found[name] = [-1, -1]
        else:
            found[name] = [status.st_size, status.st_mtime_ns]
    return found


def environment_option(environment: str, option: str) -> str:
    """An option of an environment of firmware/platformio.ini, its own or inherited; empty: it has none."""
    ini = ConfigParser(interpolation=None)
    ini.read(resource("firmware") / "platformio.ini", encoding="utf-8")
    section = f"env:{environment}"
    while section:
        if ini.has_option(section, option):
            return ini.get(section, option)
        section = ini.get(section, "extends", fallback="")
    return ""


def _platforms(board: Board) -> list[Path]:
    """Where PlatformIO's platform of the board is installed: one folder for each version."""
    name = re.split(r"[@ ]", environment_option(board.pio_env, "platform"), maxsplit=1)[0]
    folders = (pio.user_core() / "platforms").glob(f"{name}*")
    return sorted(path for path in folders if re.fullmatch(rf"{re.escape(name)}(@.*)?", path.name))


def _platform_missing(board: Board) -> str | None:
    """The same for a board whose compiler PlatformIO downloads: nothing is downloaded in a sweep."""
    scons = pio.user_core() / "packages" / "tool-scons"
    if _platforms(board) and scons.is_dir():
        return None
    return (
        f"PlatformIO's platform {environment_option(board.pio_env, 'platform')}, which brings the compiler"
        f" for {board.title}, is not installed: `{install_command(board)}`."
    )


def install_command(board: Board) -> str:
    """What brings the board's compiler, and its core where it has one."""
    if not board.upstream:
        return f"apt-get install {TOOLCHAINS[board.toolchain].packages}"
    own = board.pio_board if board.pio_board and environment_option(board.pio_board, "board") else None
    return f"pio pkg install -d {resource('firmware')} -e {own or board.pio_env}"
