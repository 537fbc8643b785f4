# SPDX-License-Identifier: Apache-2.0
"""A board that may go away and come back: after a reset, a pulled cable, an upload, under another name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from harness.errors import LineLostError, NoBoardError, PortBusyError, QuantrigError, UnavailableError
from harness.link.host_time import SYSTEM, HostTime
from harness.link.serial_line import Line, SerialTransport, open_line

#: How often it is looked for.
_LOOK_S: Final = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class BoardPlace:
    """Where a board is to be found, and what it needs."""

    name: str
    """What messages call it."""
    find: Callable[[], str | None]
    """Its URL now; None: it is not there."""
    baud: int
    """The rate that its firmware starts with."""
    settle_s: float = 0.0
    """For so long nothing may be sent after an opening that resets it: its bootloader would take it."""
    return_s: float = 10.0
    """It may be away for so long."""
    lines_down: bool = False
    """See SerialTransport."""
    power_cycle: Callable[[], None] | None = None
    """Turns it off and on; None: nobody can."""


def open_board(place: BoardPlace, *, time: HostTime = SYSTEM) -> BoardTransport:
    """Open the line to a board that is there; its rate can be changed unless it is a bare TCP connection.

    Raises:
        PortBusyError, NoBoardError, UnavailableError: see SerialTransport.
    """
    url = place.find()
    if url is None:
        raise NoBoardError(
            f"{place.name} is not plugged in.", fix="Run `quantrig boards` to see what is plugged in."
        )
    line = _open(place, url, time)
    kind = TunableBoardTransport if isinstance(line, SerialTransport) else BoardTransport
    return kind(place, line, time=time)


class BoardTransport:
    """The line to a board, `Recoverable`; made by `open_board`."""

    def __init__(self, place: BoardPlace, line: Line, *, time: HostTime) -> None:
        self._place = place
        self._line = line
        self._time = time

    @property
    def baud(self) -> int:
        """See Transport."""
        return self._line.baud

    def write(self, data: bytes) -> None:
        """See Transport."""
        self._line.write(data)

    def read(self, timeout_s: float) -> bytes:
        """See Transport."""
        return self._line.read(timeout_s)

    def close(self) -> None:
        """See Transport."""
        self._line.close()

    def reopen(self, *, starting: bool = False) -> None:
        """See Recoverable. A board that runs on is reset, where DTR or RTS does that.

        Args:
            starting: it has just been flashed or turned on, and starts by itself.
        """
        self._line.close()
        until = self._time.now() + self._place.return_s
        while True:
            trouble: QuantrigError | None = None
            if url := self._place.find():
                try:
                    self._line = _open(self._place, url, self._time, reset=not starting, settle=starting)
                # who may open it is settled, and who else wants to see it asked, a moment after it is there
                except (UnavailableError, PortBusyError, LineLostError) as error:
                    trouble = error
                else:
                    return
            if self._time.now() >= until:
                raise _not_back(self._place, trouble)
            self._time.sleep(_LOOK_S)

    def power_cycle(self) -> bool:
        """See Recoverable."""
        if self._place.power_cycle is None:
            return False
        self._line.close()
        self._place.power_cycle()
        self.reopen(starting=True)
        return True


class TunableBoardTransport(BoardTransport):
    """The same on a serial port, whose rate can be changed: `Retunable` too."""

    def set_baud(self, baud: int) -> None:
        """See Retunable."""
        if not isinstance(self._line, SerialTransport):
            raise UnavailableError(f"The rate of {self._place.name} cannot be changed any more.")
        self._line.set_baud(baud)


def _open(place: BoardPlace, url: str, time: HostTime, *, reset: bool = False, settle: bool = False) -> Line:
    line = open_line(url, place.baud, lines_down=place.lines_down, time=time)
    if line.resets_on_open or (reset and line.reset()) or settle:
        time.sleep(place.settle_s)
    return line


def _not_back(place: BoardPlace, trouble: QuantrigError | None) -> LineLostError:
    return LineLostError(
        f"{place.name} is not back after {place.return_s:g} s{f': {trouble.what}' if trouble else '.'}",
        cause="It was unplugged, or does not start any more.",
        fix="Check cable and power, then run again; `return_s` in hardware-map.yaml is how long it may take.",
    )
