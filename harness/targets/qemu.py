# SPDX-License-Identifier: Apache-2.0
"""QEMU's system emulator for Arm: exact instruction counts, no notion of time.

With `-icount shift=0` each instruction advances the virtual clock by 1 ns and the timers of these
machines run at 1 GHz, so one tick of the firmware's timer is one executed instruction.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from harness import build, children
from harness.boards import Board
from harness.build import Firmware
from harness.errors import UnavailableError
from harness.link.transport import Transport
from harness.targets.process import start

CLOCK: str = "instructions"
LABEL: str = (
    "Executed instructions, exact and repeatable; not time, since a core's cycles per instruction vary."
)

_PROGRAM: Final = "qemu-system-arm"


def unavailable(board: Board, *, port: str | None = None) -> str | None:
    """See Target."""
    if "qemu" not in board.emulators:
        return f"boards.yaml names no QEMU machine for {board.title}."
    if shutil.which(_PROGRAM) is None:
        return f"{_PROGRAM} not found: `apt-get install qemu-system-arm`."
    return build.unavailable(board)


def versions() -> dict[str, str]:
    """See Target."""
    if shutil.which(_PROGRAM) is None:
        return {}
    shown = children.run([_PROGRAM, "--version"], timeout_s=30).output
    return {"qemu": re.sub(r"^QEMU emulator version ", "", shown.partition("\n")[0].strip())}


def command(firmware: Firmware, board: Board) -> list[str]:
    """The emulator's command line: USART2, where the boards have their USB bridge, on stdin and stdout."""
    return [
        *(_PROGRAM, "-M", board.emulators["qemu"]["machine"], "-nodefaults", "-no-reboot"),
        *("-display", "none", "-monitor", "none", "-icount", "shift=0"),
        *("-chardev", "stdio,id=link,signal=off", "-serial", "null", "-serial", "chardev:link"),
        *("-kernel", str(firmware.elf)),
    ]


@contextmanager
def open(  # noqa: A001 - the name that every target has
    firmware: Firmware, board: Board, *, log: Path, port: str | None = None
) -> Iterator[Transport]:
    """See Target."""
    if reason := unavailable(board):
        raise UnavailableError(reason)
    with start(command(firmware, board), log=log) as transport:
        yield transport
