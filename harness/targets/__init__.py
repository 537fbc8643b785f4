# SPDX-License-Identifier: Apache-2.0
"""Where a firmware can run: one module per target, all with the same five names.

Targets know what their numbers are: one binary serves the board and its emulator, so only the target
can tell a cycle from an instruction.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Protocol

from harness.boards import Board
from harness.build import Firmware
from harness.desk import Attachment
from harness.link.transport import Transport
from harness.targets import hardware, native, qemu, renode, simavr


class Target(Protocol):
    """What a target module offers."""

    def clock(self, board: Board) -> str | None:
        """What one tick is: "cycles", "instructions" or "wall"; None: nothing that makes a number."""

    def label(self, board: Board) -> str:
        """What the board's numbers are worth here, in one sentence."""

    def unavailable(self, board: Board, *, port: Attachment | None = None) -> str | None:
        """Why the board's firmware cannot run here now, and the remedy; None when it can."""

    def versions(self) -> dict[str, str]:
        """The tools that take part, with their versions; those that are missing are left out."""

    def open(
        self, firmware: Firmware, board: Board, *, log: Path, port: Attachment | None = None
    ) -> AbstractContextManager[Transport]:
        """Run the firmware while the context lasts.

        Args:
            log: receives what the target's programs say.
            port: where the board is; only `hardware` has a use for it.

        Raises:
            UnavailableError: see `unavailable`.
            UploadError, PortBusyError: the board cannot be flashed or reached (`hardware`).
            TargetError: from within the context, when the firmware's process is gone.
            LineLostError: the same of a board.
        """


TARGETS: Final[Mapping[str, Target]] = {
    "native": native,
    "qemu": qemu,
    "simavr": simavr,
    "renode": renode,
    "hardware": hardware,
}
