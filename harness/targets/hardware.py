# SPDX-License-Identifier: Apache-2.0
"""A real board on a serial port: flashed through PlatformIO, then spoken to. Never faked."""

from __future__ import annotations

import re
import shlex
import shutil
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from harness import children, toolchains
from harness.boards import Board
from harness.build import Firmware
from harness.case_log import note
from harness.desk import Attachment, absence
from harness.errors import HangError, QuantrigError, UnavailableError
from harness.link import Session, Timing, Transport
from harness.link.board_line import BoardPlace, BoardTransport, open_board
from harness.link.host_time import SYSTEM, HostTime
from harness.targets.upload import UPLOADERS, upload

#: How long a board that may run the right firmware already is asked for it.
_ASK_S: Final = 1.5

#: What a power-cycle command may take.
_POWER_CYCLE_S: Final = 60.0

#: Cases of one board wait here for each other; desk.reserve keeps other processes away.
_boards: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


def clock(board: Board) -> str | None:
    """See Target."""
    # a Cortex-M0 has no cycle counter: the Arduino port counts microseconds there
    return "wall" if board.port == "arduino" and board.cpu.startswith("cortex-m0") else "cycles"


def label(board: Board) -> str:
    """See Target."""
    if clock(board) == "wall":
        return "Microseconds of the board itself, which has no cycle counter."
    return "CPU cycles of the board itself, counted by its own timer."


def unavailable(board: Board, *, port: Attachment | None = None) -> str | None:
    """See Target."""
    if board.upload is None:
        return f"boards.yaml does not tell how {board.title} is flashed (key `upload`)."
    if not board.upstream:
        program, package = UPLOADERS[board.upload.protocol]
        if shutil.which(program) is None:
            return f"{program}, which flashes {board.title}, not found: `apt-get install {package}`."
    if reason := toolchains.unavailable(board):
        return reason
    return absence(board, port)


def versions() -> dict[str, str]:
    """See Target."""
    found = {}
    for program, option in (("avrdude", "-?"), ("st-flash", "--version"), ("openocd", "--version")):
        if shutil.which(program):
            shown = children.run([program, option], timeout_s=30).output
            number = re.search(r"v?\d+\.\d+[\w.+-]*", shown)
            found[program] = number[0] if number else "unknown version"
    return found


@contextmanager
def open(  # noqa: A001 - the name that every target has
    firmware: Firmware, board: Board, *, log: Path, port: Attachment | None = None, time: HostTime = SYSTEM
) -> Iterator[Transport]:
    """See Target. The transport is Recoverable, and Retunable on a serial port."""
    reason = unavailable(board, port=port)
    if reason or port is None or board.baud is None or board.upload is None:
        raise UnavailableError(reason or f"{board.title} has no serial port.")
    with _boards[port.key]:
        line = open_board(_place(board, board.baud, port, log), time=time)
        try:
            if _runs(line, firmware.firmware_sha256, time):
                note(log, f"{port.id} runs this firmware already: not flashed.")
            else:
                # opened until now, so nobody is flashed in the middle of somebody else's conversation
                line.close()
                upload(firmware, board, board.upload, port, log=log, time=time)
                line.reopen(starting=True)
            yield line
        finally:
            line.close()


def _place(board: Board, baud: int, port: Attachment, log: Path) -> BoardPlace:
    def power_cycle() -> None:
        note(log, f"{port.id}: turned off and on by `{shlex.join(port.power_cycle)}`.")
        ended = output = ""
        try:
            done = children.run(port.power_cycle, timeout_s=_POWER_CYCLE_S, log=log)
        except UnavailableError as error:
            ended = error.what
        else:
            output = f" {done.output.strip()[-200:]}".rstrip()
            if done.timed_out:
                ended = f"It took more than {_POWER_CYCLE_S:g} s."
            elif done.returncode != 0:
                ended = f"Exit code {done.returncode}."
        if ended:
            raise HangError(
                f"{port.id} hangs, and its power-cycle command failed. {ended}{output}",
                fix=f"Try it by hand: `{shlex.join(port.power_cycle)}`; it stands in the hardware map.",
            )

    return BoardPlace(
        name=port.id,
        find=port.find,
        baud=baud,
        settle_s=board.reset.settle_s,
        return_s=port.return_s,
        lines_down=port.lines_down,
        power_cycle=power_cycle if port.power_cycle else None,
    )


def _runs(line: BoardTransport, digest: str, time: HostTime) -> bool:
    """Whether the board answers with this very firmware; anything else may be on the line."""
    timing = Timing(baud=line.baud, hello_total_s=_ASK_S)
    try:
        return Session(line, timing=timing, time=time).hello().firmware_sha256 == digest
    except QuantrigError:
        return False
