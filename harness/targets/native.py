# SPDX-License-Identifier: Apache-2.0
"""The firmware as a process of this computer: the quickest way to see that everything else works."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import toolchains
from harness.boards import Board
from harness.build import Firmware
from harness.desk import Attachment
from harness.link.transport import Transport
from harness.targets.process import start


def clock(board: Board) -> str | None:
    """See Target."""
    return "wall"


def label(board: Board) -> str:
    """See Target."""
    return "Wall time of this computer, disturbed by whatever else runs on it; says nothing about a board."


def unavailable(board: Board, *, port: Attachment | None = None) -> str | None:
    """See Target."""
    if board.port != "native":
        return f"{board.title} is not this computer: choose the board `native`."
    if sys.platform != "linux":
        return (
            "The native firmware is read as an ELF file, which this system does not have: use Linux or WSL."
        )
    return toolchains.unavailable(board)


def versions() -> dict[str, str]:
    """See Target."""
    return {"host": f"{platform.system()} {platform.release()} {platform.machine()}"}


@contextmanager
def open(  # noqa: A001 - the name that every target has
    firmware: Firmware, board: Board, *, log: Path, port: Attachment | None = None
) -> Iterator[Transport]:
    """See Target."""
    with start([firmware.elf], log=log) as transport:
        yield transport
