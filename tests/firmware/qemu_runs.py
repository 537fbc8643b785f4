# SPDX-License-Identifier: Apache-2.0
"""Firmware in QEMU, by the harness's command line or one that differs from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from harness.build import Firmware
from harness.link.pacing import Timing
from harness.link.session import Session
from harness.link.transport import Transport
from harness.targets import qemu
from harness.targets.process import start

#: Here a long section follows a short one, and a question in the middle would be received within it.
PATIENT = Timing(infer_min_s=60.0)


@contextmanager
def running(
    firmware: Firmware, log: Path, *more: str, shift: int | None = None, timing: Timing | None = None
) -> Iterator[tuple[Session, Transport]]:
    """The emulator with more options, or another -icount shift, and a session that said hello to it."""
    command = qemu.command(firmware, firmware.board)
    if shift is not None:
        command[command.index("-icount") + 1] = f"shift={shift}"
    with start([*command, *more], log=log) as transport:
        session = Session(transport, timing=timing or PATIENT)
        session.hello()
        yield session, transport


def one_by_one() -> list[str]:
    """QEMU's options for one instruction to a block, which had another name before 8.1."""
    shown = qemu.versions()["qemu-system-arm"]
    old = tuple(map(int, re.findall(r"\d+", shown)[:2])) < (8, 1)
    return ["-singlestep"] if old else ["-accel", "tcg,one-insn-per-tb=on"]


def logged_instructions(firmware: Firmware, folder: Path, inputs: Sequence[bytes]) -> list[tuple[int, int]]:
    """(ticks, instructions by QEMU's execution log) of one inference each.

    With one instruction to a block the log has a line for each that was executed. Those between the entry
    of the model's function and the entry of the function that stops the clock are the call of the second
    instead of the first, and what the model did. Start-up, which paints up to 4 MB of stack, is left out.
    """
    log = folder / "exec.log"
    flash = int(firmware.board.flash_bytes or 0)
    base, symbols = _symbols(firmware.elf)
    reset, size = symbols["Reset_Handler"]
    spans = [(base, reset - base), (reset + size, flash - (reset + size - base))]
    spelled = ",".join(f"{first:#x}+{length:#x}" for first, length in spans)
    options = [*one_by_one(), "-d", "exec,nochain", "-D", str(log), "-dfilter", spelled]
    with running(firmware, folder / "log", *options) as (session, _):
        ticks = [session.infer([data]).ticks for data in inputs]
    begin, end = symbols["qr_model_invoke"][0], symbols["qr_port_timer_stop"][0]
    with log.open(encoding="ascii") as lines:
        return list(zip(ticks, _between(_addresses(lines), begin, end), strict=True))


def _addresses(lines: Iterable[str]) -> Iterator[int]:
    for line in lines:
        if found := re.match(r"Trace 0: \S+ \[\w+/(\w+)/", line):
            yield int(found[1], 16)


def _between(addresses: Iterable[int], begin: int, end: int) -> Iterator[int]:
    """How many addresses lie from each `begin`, itself included, to the next `end`."""
    count = None
    for address in addresses:
        if address == begin:
            count = 0
        if address == end and count is not None:
            yield count
            count = None
        if count is not None:
            count += 1


def _symbols(elf: Path) -> tuple[int, dict[str, tuple[int, int]]]:
    """Where the flash begins, and address and size of each function."""
    with elf.open("rb") as file:
        program = ELFFile(file)
        table = program.get_section_by_name(".symtab")
        vectors = program.get_section_by_name(".isr_vector")
        assert isinstance(table, SymbolTableSection)
        assert vectors is not None
        functions = {
            symbol.name: (int(symbol["st_value"]) & ~1, int(symbol["st_size"]))
            for symbol in table.iter_symbols()
            if symbol["st_info"]["type"] == "STT_FUNC"
        }
        return int(vectors["sh_addr"]), functions


def send_junk(transport: Transport, size: int) -> None:
    """Send so many bytes that are no frame, and wait until the device has read and refused them.

    Not a fixed time: a busy computer takes its own. What the device still had to say is read before.
    """
    while transport.read(0.2):
        pass
    transport.write(b"\x55" * (size - 1) + b"\0")
    assert transport.read(20.0)
