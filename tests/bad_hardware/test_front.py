# SPDX-License-Identifier: Apache-2.0
"""The same bad hardware behind real ports: pyserial on a pseudo terminal, a TCP connection."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.link import Timing
from harness.link.board_line import BoardPlace, open_board
from harness.link.host_time import SYSTEM
from harness.measure import measure
from harness.records import Measurement
from tests.bad_hardware.bad_line import BadLine
from tests.bad_hardware.devices import NativeBoard, compile_still
from tests.bad_hardware.front import front
from tests.bad_hardware.schedule import Event, Mishap, Schedule
from tests.bad_hardware.test_schedules import ARRAYS, DIGEST, OUTPUTS, TICKS

#: This computer is quick, and a hang is to be noticed soon.
QUICK = Timing(reply_s=0.3, infer_first_s=3.0, infer_min_s=1.0, attempts=5)


class _RealTimeBoard(NativeBoard):
    """A native process that is read as it speaks."""

    def receive(self, timeout_s: float) -> bytes:
        """See Device."""
        said = self._settle()
        if not said:
            SYSTEM.sleep(timeout_s)
        return said


def measured(kind: str, schedule: Schedule, folder: Path) -> tuple[Measurement, BadLine, list[str]]:
    firmware = compile_still(folder)
    board = _RealTimeBoard(firmware, firmware, time=SYSTEM)
    try:
        line = BadLine(board, schedule, time=SYSTEM, baud=115_200)
        with front(line, kind) as port:
            place = BoardPlace(name="uno", find=port.find, baud=115_200, return_s=5.0)
            transport = open_board(place)
            result = measure(transport, expected_digest=DIGEST, inputs=ARRAYS, timing=QUICK)
            transport.close()
            return result, line, port.names
    finally:
        board.close()


@pytest.mark.parametrize("kind", ["terminal", "socket"])
def test_a_board_that_opening_resets_and_that_leaves_and_hangs(kind: str, tmp_path: Path) -> None:
    once = (
        Event(mishap=Mishap.DISCONNECT, frame=60, offset_bytes=3),
        Event(mishap=Mishap.RESET, frame=110, offset_bytes=3),
        Event(mishap=Mishap.HANG, frame=150, offset_bytes=9),
        Event(mishap=Mishap.CHATTER, frame=190, offset_bytes=2),
    )
    schedule = Schedule(
        seed=3,
        byte_faults=0.005,
        once=once,
        resets_on_open=True,
        boot_s=0.2,
        banner=b"boot v1.2\r\n",
        away_s=0.1,
    )
    result, line, names = measured(kind, schedule, tmp_path)
    assert (result.outputs == OUTPUTS).all()
    assert result.ticks == TICKS
    assert len(names) == len(set(names)) == 2, "it came back under another name"
    assert line.struck[Mishap.DISCONNECT] == line.struck[Mishap.RESET] == line.struck[Mishap.HANG] == 1
    assert result.link.reconnects >= 2
    assert line.starts >= 4
