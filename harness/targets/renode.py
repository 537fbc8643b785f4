# SPDX-License-Identifier: Apache-2.0
"""Renode: exact instruction counts from the emulated CPU itself, for the very firmware that is flashed.

Renode is a functional model in which each instruction takes one cycle. The harness writes its machine and
its script into a private folder, talks to the firmware through a pseudo-terminal and to Renode's monitor
through pipes: no port is open. Two hooks log how many instructions the CPU has executed at the beginning
and behind the end of the timed section.
"""

from __future__ import annotations

import contextlib
import functools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from harness import children, toolchains
from harness.boards import Board
from harness.build import Firmware
from harness.desk import Attachment
from harness.errors import BuildError, HangError, NoReplyError, TargetError, UnavailableError
from harness.link.transport import PipeTransport, Transport, open_pty
from harness.targets import renode_script as script
from harness.targets.renode_monitor import Monitor

_PROGRAM: Final = "renode"

#: The first function of the timed section, and the one that ends it (firmware/src/bench.c).
_SECTION: Final = ("qr_model_invoke", "qr_port_timer_stop")

#: How far the device's count may be off: each of its two readings, and each of the two that calibrated
#: it, is rounded by up to 20 instructions.
TOLERANCE_TICKS: Final = 80

#: By this computer's clock. A cold start takes about 3 s; busy machines are slow.
START_S: Final = 90.0

#: How long after the device's answer the log may take.
LOG_S: Final = 20.0

_WHERE: Final = (
    "take the portable archive from https://github.com/renode/renode/releases and put its folder on PATH"
)


def clock(board: Board) -> str | None:
    """See Target."""
    return "instructions"


def label(board: Board) -> str:
    """See Target."""
    return (
        "Executed instructions in Renode, a functional model of one cycle per instruction, no wait states and"
        " no cache; not the latency of a chip."
    )


def unavailable(board: Board, *, port: Attachment | None = None) -> str | None:
    """See Target."""
    if "renode" not in board.emulators:
        return f"boards.yaml names no Renode platform for {board.title}."
    if shutil.which(_PROGRAM) is None:
        return f"{_PROGRAM} not found (Debian and PyPI do not have it): {_WHERE}."
    version = _version()
    if version is None:
        return f"`{_PROGRAM} --version` shows no version: the installation is broken; {_WHERE}."
    if version < script.OLDEST:
        return (
            f"{_PROGRAM} {_text(version)} is too old, its timers lag behind the program: {_WHERE}"
            f" ({_text(script.OLDEST)} or newer)."
        )
    return toolchains.unavailable(board)


def versions() -> dict[str, str]:
    """See Target."""
    version = _version() if shutil.which(_PROGRAM) else None
    return {"renode": _text(version)} if version else {}


def _text(version: script.Version) -> str:
    return ".".join(map(str, version))


def _version() -> script.Version | None:
    found = shutil.which(_PROGRAM)
    return None if found is None else _version_of(Path(found).resolve(), Path(found).stat().st_mtime_ns)


@functools.cache
def _version_of(program: Path, changed_ns: int) -> script.Version | None:
    """Asked once: it takes Renode a second or more."""
    return script.parse_version(children.run([program, "--version"], timeout_s=60).output)


class RenodeTransport:
    """The firmware's serial port, and beside it the exact count of every timed section."""

    baud: Final = None

    def __init__(self, line: PipeTransport, monitor: Monitor) -> None:
        self._line, self._monitor = line, monitor

    def write(self, data: bytes) -> None:
        """See Transport."""
        self._line.write(data)

    def read(self, timeout_s: float) -> bytes:
        """See Transport."""
        return self._line.read(timeout_s)

    def close(self) -> None:
        """See Transport."""
        self._line.close()

    def section_ticks(self, device_ticks: int) -> int:
        """See SectionCounter."""
        counted = self._monitor.next_section(LOG_S)
        # a section that is shorter than the rounding comes out below zero, which 64 bits wrap
        difference = (device_ticks - counted + (1 << 63)) % (1 << 64) - (1 << 63)
        if abs(difference) > TOLERANCE_TICKS:
            raise TargetError(
                f"Renode's CPU executed {counted} instructions, the firmware's timer counted {device_ticks}.",
                cause="The emulated timer does not run at the CPU's rate, or a hook is in the wrong place.",
                fix="Use a release of Renode that is known to work: 1.16.1.",
            )
        return counted


@contextmanager
def open(  # noqa: A001 - the name that every target has
    firmware: Firmware, board: Board, *, log: Path, port: Attachment | None = None
) -> Iterator[Transport]:
    """See Target."""
    reason, version = unavailable(board), _version()
    if reason or version is None:
        raise UnavailableError(reason or f"{_PROGRAM} is gone.")
    platform = script.PLATFORMS[board.emulators["renode"]["platform"]]
    with TemporaryDirectory(prefix="quantrig-renode-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        _write(folder, firmware.elf, platform, version)
        with (
            children.spawn(
                script.command(_PROGRAM, folder),
                stdin=children.PIPE,
                stdout=children.PIPE,
                stderr=children.STDOUT,
            ) as child,
            Monitor(child, log) as monitor,
        ):
            monitor.wait_until_ready(START_S)
            with contextlib.closing(RenodeTransport(_line(folder, monitor), monitor)) as transport:
                # only now: before the terminal is raw it would echo what the firmware sends
                monitor.say("start")
                try:
                    yield transport
                except (TargetError, NoReplyError, HangError) as error:
                    raise monitor.explain(error) from error
        monitor.check_that_all_were_asked_for()


def _write(folder: Path, elf: Path, platform: script.Platform, version: script.Version) -> None:
    """Fill the private folder. The firmware is copied: its own path may have any characters."""
    begin, end = addresses(elf, _SECTION)
    shutil.copyfile(elf, folder / script.FIRMWARE_NAME)
    for name, text in (
        (script.DESCRIPTION_NAME, script.description(platform, version)),
        (script.SCRIPT_NAME, script.script(platform, folder, begin=begin, end=end)),
        (script.CONFIG_NAME, script.config(folder)),
    ):
        (folder / name).write_text(text, encoding="ascii")


def addresses(elf: Path, functions: tuple[str, ...]) -> list[int]:
    """Where the functions begin.

    Raises:
        BuildError: the file is no ELF file, or does not have one of them.
    """
    try:
        with elf.open("rb") as file:
            table: Any = ELFFile(file).get_section_by_name(".symtab")
            symbols = [] if table is None else list(table.iter_symbols())
            # bit 0 of an Arm function's address says that its code is Thumb
            found = {
                symbol.name: symbol.entry.st_value & ~1
                for symbol in symbols
                if symbol.entry.st_info.type == "STT_FUNC" and symbol.name in functions
            }
    except ELFError as error:
        raise BuildError(f"{elf} is not a usable ELF file: {error}.") from error
    missing = [name for name in functions if name not in found]
    if missing:
        raise BuildError(
            f"{elf} has no function {' and no '.join(missing)}, where the timed section begins or ends.",
            cause="It was stripped, or the compiler inlined it.",
            fix="Build the firmware with our own platform and without link-time optimization.",
        )
    return [found[name] for name in functions]


def _line(folder: Path, monitor: Monitor) -> PipeTransport:
    try:
        return open_pty(folder / script.LINE_NAME)
    except OSError as error:
        raise monitor.explain(
            TargetError(
                f"Renode's serial port cannot be opened: {error.strerror}.",
                cause="It did not make the pseudo-terminal that its script asks for.",
            )
        ) from error
