# SPDX-License-Identifier: Apache-2.0
"""QEMU's system emulators: exact instruction counts, no notion of time.

`-icount shift=N` lets each instruction advance the virtual clock by 2^N ns, so that a machine's timer
counts instructions. Each machine has the shift at which its port's counts come out whole; what a tick of
its timer is, the port knows (firmware/src/ports).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from harness import children, toolchains
from harness.boards import Board
from harness.build import Firmware
from harness.desk import Attachment
from harness.errors import UnavailableError
from harness.link.transport import Transport
from harness.targets.esp32_flash import flash_image
from harness.targets.process import start

_ARM: Final = "qemu-system-arm"
_XTENSA: Final = "qemu-system-xtensa"

#: The machine that only Espressif's build of QEMU has.
ESP32: Final = "esp32"

#: Debian's package of each program.
_PACKAGES: Final = {_ARM: "qemu-system-arm", _XTENSA: "qemu-system-misc"}

_COUNTED: Final = "Executed instructions, exact and repeatable; not time"


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """How one of QEMU's machines is started."""

    program: str
    shift: int | None
    """Of -icount: 2^shift ns per instruction; None: its clock is the host's, and nothing is timed."""
    options: tuple[str, ...]
    """The rest of the command line but for the firmware: the link on stdin and stdout above all."""
    boots: str = "-kernel {}"
    """The options that start the firmware, `{}` its file."""
    label: str
    """What its numbers are worth, in one sentence."""


def _arm(shift: int, serial: int, core: str) -> Machine:
    """An Arm machine whose link is its serial port number `serial`."""
    others = ("-serial", "null") * serial
    return Machine(
        program=_ARM,
        shift=shift,
        options=("-chardev", "stdio,id=link,signal=off", *others, "-serial", "chardev:link"),
        label=f"{_COUNTED}, since {core}'s cycles per instruction vary.",
    )


MACHINES: Final[Mapping[str, Machine]] = {
    # its timers run at 1 GHz: a tick is an instruction; USART2, where the boards have their USB bridge
    "netduinoplus2": _arm(0, 1, "a Cortex-M4"),
    "mps2-an386": _arm(7, 0, "a Cortex-M4"),
    "mps2-an500": _arm(7, 0, "a Cortex-M7"),
    "lm3s6965evb": _arm(8, 0, "a Cortex-M3"),
    "sim": Machine(
        program=_XTENSA,
        shift=6,
        # the ESP32's addresses reach to 0x40400000: as much memory, of which only what is used is taken
        options=("-cpu", "de233_fpu", "-m", "1100M", "-semihosting", "-serial", "none"),
        # begins at the program's entry; -kernel would at the core's reset vector
        boots="-device loader,file={},cpu-num=0",
        label=(
            "Executed instructions of LLVM's code for cpu esp32 on QEMU's generic de233_fpu core; not ESP32"
            " time, no model of the chip, not the code that Espressif's GCC makes."
        ),
    ),
    "esp32": Machine(
        program=_XTENSA,
        shift=None,
        options=("-chardev", "stdio,id=link,signal=off", "-serial", "chardev:link"),
        boots="-drive file={},if=mtd,format=raw",
        label=(
            "The firmware of the real board in Espressif's QEMU: outputs are compared, nothing is timed, as"
            " its cycle counter follows the host's clock."
        ),
    ),
}


def clock(board: Board) -> str | None:
    """See Target."""
    return None if _machine(board).shift is None else "instructions"


def label(board: Board) -> str:
    """See Target."""
    return _machine(board).label


def unavailable(board: Board, *, port: Attachment | None = None) -> str | None:
    """See Target."""
    if "qemu" not in board.emulators:
        return f"boards.yaml names no QEMU machine for {board.title}."
    program = _machine(board).program
    if shutil.which(program) is None:
        return f"{program} not found: `apt-get install {_PACKAGES[program]}`."
    if board.emulators["qemu"]["machine"] == ESP32 and not _knows_esp32():
        return f"The {program} on PATH has no machine {ESP32}: put Espressif's build of QEMU first on PATH."
    return toolchains.unavailable(board)


def versions() -> dict[str, str]:
    """See Target."""
    found = {}
    for program in (_ARM, _XTENSA):
        if shutil.which(program):
            shown = children.run([program, "--version"], timeout_s=30).output
            number = re.sub(r"^QEMU emulator version ", "", shown.partition("\n")[0].strip())
            found[program] = number
    return found


def _knows_esp32() -> bool:
    shown = children.run([_XTENSA, "-machine", "help"], timeout_s=30).output
    return re.search(rf"^{ESP32}\s", shown, re.MULTILINE) is not None


def command(firmware: Firmware, board: Board, file: Path | None = None) -> list[str]:
    """The emulator's command line; `file`: what it boots, if not the ELF."""
    machine = _machine(board)
    counting = ("-icount", f"shift={machine.shift}") if machine.shift is not None else ()
    # a comma ends a file's name, two are one
    escaped = str(file or firmware.elf).replace(",", ",," if "=" in machine.boots else ",")
    return [
        *(machine.program, "-M", board.emulators["qemu"]["machine"], "-nodefaults", "-no-reboot"),
        *("-display", "none", "-monitor", "none", *counting),
        *machine.options,
        *(word.format(escaped) for word in machine.boots.split()),
    ]


def _machine(board: Board) -> Machine:
    return MACHINES[board.emulators["qemu"]["machine"]]


@contextmanager
def open(  # noqa: A001 - the name that every target has
    firmware: Firmware, board: Board, *, log: Path, port: Attachment | None = None
) -> Iterator[Transport]:
    """See Target."""
    if reason := unavailable(board):
        raise UnavailableError(reason)
    with ExitStack() as stack:
        flash = None
        if board.emulators["qemu"]["machine"] == ESP32:
            folder = stack.enter_context(TemporaryDirectory(prefix="quantrig-flash-"))
            flash = Path(folder) / "flash.bin"
            flash.write_bytes(flash_image(firmware))
        yield stack.enter_context(start(command(firmware, board, flash), log=log))
