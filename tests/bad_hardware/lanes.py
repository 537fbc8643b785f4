# SPDX-License-Identifier: Apache-2.0
"""Emulated lanes with bad hardware: targets as the pipeline knows them, a bad line before each emulator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from harness.boards import Board
from harness.build import Firmware
from harness.desk import Attachment
from harness.link.board_line import BoardPlace, open_board
from harness.link.host_time import SYSTEM
from harness.link.transport import Transport
from harness.records import Result
from harness.sweep import Case
from harness.targets import TARGETS
from tests.bad_hardware.bad_line import BadLine
from tests.bad_hardware.emulated import emulated
from tests.bad_hardware.front import front
from tests.bad_hardware.schedule import Mishap, Schedule
from tests.case_runner import result_of
from tests.readme import REFERENCE

#: The issue's: frames in both directions counted together.
BAD: Final = Schedule(
    seed=4, byte_faults=0.01, every=((Mishap.RESET, 200), (Mishap.DISCONNECT, 500)), away_s=0.02
)
CLEAN: Final = Schedule(seed=0)

LANES: Final = (("uno", "simavr"), ("stm32f4", "qemu"))
DIGITS: Final = ("float32", "ptq-int8", "qat-int8")


def run_digits(variant: str, board: str, target: str, folder: Path, *, samples: int) -> Result:
    """The case of the digits, with the model of the reference run."""
    case = Case(workload="digits", variant=variant, engine="aot", board=board, target=target)
    tflite = (REFERENCE / "models" / f"digits__{variant}.tflite").read_bytes()
    return result_of(case, tflite, folder, samples=samples)


def comparable(result: Result) -> dict[str, object]:
    """Its row without the two columns that tell when it ran."""
    return {name: value for name, value in result.row().items() if name not in ("started_at", "seconds")}


class BadLane:
    """The target `name`, but for its line.

    Args:
        paced: the line is a serial line of 115,200 bit/s; else bytes pass at once.
        port: what the host opens, as it opens a board: a `terminal` or a `socket` before the line; None: the
            line itself.
    """

    def __init__(
        self, name: str, schedule: Schedule, *, paced: bool = False, port: str | None = None
    ) -> None:
        self._name, self._schedule, self._paced, self._port = name, schedule, paced, port
        self._target = TARGETS[name]
        self.versions = self._target.versions
        self.clock = self._target.clock
        self.label = self._target.label
        self.unavailable = self._target.unavailable
        self.lines: list[BadLine] = []
        self.seconds = 0.0
        """From the first byte to the last, over all cases: link and computing."""

    @contextmanager
    def open(
        self, firmware: Firmware, board: Board, *, log: Path, port: Attachment | None = None
    ) -> Iterator[Transport]:
        """See Target."""
        with emulated(self._name, firmware, board, log) as device:
            line = BadLine(device, self._schedule, time=SYSTEM, baud=115_200, paced=self._paced)
            self.lines.append(line)
            if self._port is None:
                yield line
            else:
                with front(line, self._port) as found:
                    transport = open_board(BoardPlace(name=board.name, find=found.find, baud=115_200))
                    yield transport
                    transport.close()
            self.seconds += SYSTEM.now() - line.began_s
