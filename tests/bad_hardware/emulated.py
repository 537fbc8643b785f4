# SPDX-License-Identifier: Apache-2.0
"""Emulated boards that can be reset in mid-flight, as cheaply as a board's own reset pin."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from harness import children
from harness.boards import Board
from harness.build import Firmware
from harness.link.transport import PipeTransport
from harness.targets import qemu, simavr

_START_S: Final = 20.0


class EmulatedBoard:
    """A Device in an emulator; its time is the host's.

    Args:
        restart: starts the firmware anew.
    """

    def __init__(self, pipe: PipeTransport, restart: Callable[[], None]) -> None:
        self._pipe = pipe
        self._restart = restart

    def send(self, data: bytes) -> None:
        """See Device."""
        if data:
            self._pipe.write(data)

    def receive(self, timeout_s: float) -> bytes:
        """See Device."""
        return self._pipe.read(timeout_s)

    def reset(self, *, stranger: bool = False) -> None:
        """See Device."""
        assert not stranger, "an emulator runs one firmware"
        self._restart()
        while self._pipe.read(0.0):
            pass

    def set_baud(self, baud: int) -> None:
        """See Device. An emulator's wire follows its firmware."""


@contextmanager
def emulated(target: str, firmware: Firmware, board: Board, log: Path) -> Iterator[EmulatedBoard]:
    """The firmware in `simavr` or `qemu` while the context lasts."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="qr-bad-")))
        control = folder / "qmp"
        if target == "simavr":
            command: list[str | Path] = [
                simavr.runner(log),
                "--mcu",
                board.emulators["simavr"]["mcu"],
                firmware.elf,
            ]
        else:
            kept = [word for word in qemu.command(firmware, board) if word != "-no-reboot"]
            command = [*kept, "-qmp", f"unix:{control},server=on,wait=off"]
        child = stack.enter_context(
            children.spawn(
                command, stdin=children.PIPE, stdout=children.PIPE, stderr=stack.enter_context(log.open("ab"))
            )
        )
        assert child.stdin is not None
        assert child.stdout is not None
        pipe = PipeTransport(child.stdin, child.stdout)
        stack.callback(pipe.close)
        # a firmware that starts says so: only then is there a program that a signal resets
        assert pipe.read(_START_S), "the firmware does not start"
        if target == "simavr":
            yield EmulatedBoard(pipe, lambda: os.kill(program_of(child), signal.SIGUSR1))
        else:
            yield EmulatedBoard(pipe, stack.enter_context(_qmp(control)))


def program_of(child: children.Child) -> int:
    """The process id of the program, which its supervisor has started."""
    return int(Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()[0])


@contextmanager
def _qmp(path: Path) -> Iterator[Callable[[], None]]:
    """QEMU's monitor, as a way to reset its machine."""
    with socket.socket(socket.AF_UNIX) as line:
        until = time.monotonic() + _START_S
        while line.connect_ex(str(path)):
            assert time.monotonic() < until, "QEMU's monitor is not there"
            time.sleep(0.01)
        with line.makefile("rw", encoding="utf-8") as monitor:

            def execute(command: str) -> None:
                monitor.write(json.dumps({"execute": command}) + "\n")
                monitor.flush()
                for answer in monitor:
                    if "return" in (said := json.loads(answer)):
                        return
                    assert "error" not in said, said
                raise AssertionError("QEMU's monitor is gone")

            monitor.readline()
            execute("qmp_capabilities")
            yield lambda: execute("system_reset")
