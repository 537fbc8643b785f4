# SPDX-License-Identifier: Apache-2.0
"""What Renode is told: its command line, its configuration, the machine (.repl) and the script (.resc).

Text only. The facts behind it, for each release, are in docs/METHOD.md and in Renode's sources.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.errors import UnavailableError

Version = tuple[int, int, int]

#: The first release whose STM32 timers are up to date when the program reads them; before it they stand
#: still for a whole time quantum, 10000 instructions.
OLDEST: Final[Version] = (1, 15, 2)

#: The first release of which the same is true for CYCCNT. Before it the firmware finds none and takes TIM2.
_FIRST_CYCCNT: Final[Version] = (1, 16, 0)

#: Instructions per microsecond of virtual time. A round number: Renode's time has a resolution of 1 ns.
MIPS: Final = 100

#: What the hooks write into the log, before the number of instructions executed so far.
BEGIN: Final = "qr-begin"
END: Final = "qr-end"

#: What the log says when the script has come to its end.
READY: Final = "quantrig: ready"

#: Names in the private folder.
DESCRIPTION_NAME: Final = "board.repl"
SCRIPT_NAME: Final = "script.resc"
CONFIG_NAME: Final = "renode.config"
FIRMWARE_NAME: Final = "firmware.elf"
LINE_NAME: Final = "line"
PID_NAME: Final = "renode.pid"

#: Characters that mean nothing to Renode's monitor, neither in a path nor in a string.
_PLAIN_PATH: Final = re.compile(r"/[A-Za-z0-9_./+-]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Platform:
    """A platform of Renode's own that stands in for a family of boards."""

    base: str
    """Its description, in Renode's folder."""
    uart: str
    """The serial port that the firmware's port uses."""
    changes: Mapping[str, Mapping[str, str]]
    """Peripheral -> attributes to set: every clock that the firmware times with runs at MIPS."""
    init: tuple[str, ...]
    """Commands that replace those of the platform, which download a register map for the log."""


#: boards.yaml's word -> platform.
PLATFORMS: Final[Mapping[str, Platform]] = {
    "stm32f4": Platform(
        base="platforms/boards/stm32f4_discovery.repl",
        uart="usart2",
        changes={
            "timer2": {"frequency": str(MIPS * 1_000_000)},
            # the firmware expects the APB1 timers at half the core's clock, as on the chip
            "timer5": {"frequency": str(MIPS * 500_000)},
            # its bus clock, which paces reception from 1.17 on
            "usart2": {"frequency": "42000000"},
        },
        init=('Tag <0x50000010, 0x5000003f> "USB:RESET" 0x80000000',),
    ),
}


def parse_version(shown: str) -> Version | None:
    """The release in what `renode --version` shows, None when there is none.

    Other numbers are not Renode's: a broken installation names the version of .NET or of a library.
    """
    found = re.search(r"^Renode(?:, version| v) ?(\d+)\.(\d+)(?:\.(\d+))?", shown, re.MULTILINE)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def plain_path(path: Path) -> str:
    """The path as it can stand in a script.

    Raises:
        UnavailableError: it is relative or has characters that Renode's monitor would take apart.
    """
    text = str(path)
    if not _PLAIN_PATH.fullmatch(text):
        raise UnavailableError(
            f"Renode's scripts cannot name the folder {text!r}.",
            cause="Its path is relative, or has characters other than letters, digits and _ . / + -.",
            fix="Set TMPDIR to a folder with a plain name.",
        )
    return text


def description(platform: Platform, version: Version) -> str:
    """The .repl file: Renode's platform with a cycle counter, and clocks that count instructions.

    The counter has a name of our own: a release that brings its own `dwt` collides with nothing but the
    address, which Renode reports.
    """
    lines = [f'using "{platform.base}"']
    if version >= _FIRST_CYCCNT:
        lines += ["", "qr_dwt: Miscellaneous.DWT @ sysbus 0xE0001000", f"    frequency: {MIPS * 1_000_000}"]
    for peripheral, attributes in platform.changes.items():
        lines += ["", f"{peripheral}:", *(f"    {name}: {value}" for name, value in attributes.items())]
    lines += ["", "sysbus:", "    init:", *(f"        {command}" for command in platform.init)]
    return "\n".join(lines) + "\n"


def script(platform: Platform, folder: Path, *, begin: int, end: int) -> str:
    """The .resc file: the machine, its serial port on a pty, the firmware, the two hooks; not started.

    Args:
        folder: the private folder with the other files.
        begin, end: addresses of the first instruction of the timed section and of the first behind it.

    Raises:
        UnavailableError: see `plain_path`.
    """
    home = plain_path(folder)
    return f"""\
using sysbus
mach create "quantrig"
machine LoadPlatformDescription @{home}/{DESCRIPTION_NAME}
cpu PerformanceInMips {MIPS}
emulation CreateUartPtyTerminal "line" "{home}/{LINE_NAME}" true
connector Connect sysbus.{platform.uart} line
sysbus LoadELF @{home}/{FIRMWARE_NAME}
cpu AddHook {begin:#010x} "self.InfoLog('{BEGIN} {{0}}', self.ExecutedInstructions)"
cpu AddHook {end:#010x} "self.InfoLog('{END} {{0}}', self.ExecutedInstructions)"
log "{READY}"
"""


def config(folder: Path) -> str:
    """Renode's configuration file: its history of commands is ours, not the user's."""
    return f"[general]\nhistory-path = {plain_path(folder)}/history\n"


def command(program: str, folder: Path) -> list[str]:
    """The command line: no window, no port; the monitor reads stdin, and ends when that ends."""
    return [
        *(program, "--disable-xwt", "--console", "--plain"),
        *("--config", str(folder / CONFIG_NAME), "--pid-file", str(folder / PID_NAME)),
        str(folder / SCRIPT_NAME),
    ]
