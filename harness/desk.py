# SPDX-License-Identifier: Apache-2.0
"""The boards on the desk: where each is, how it is treated, and that nobody else uses it meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.boards import Board
from harness.serial_ports import SerialPort, at_device


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    """One board on the desk."""

    id: str
    """What the user calls it."""
    board: str
    """The entry of boards.yaml that it is."""
    serial_number: str | None = None
    """Of its USB device."""
    location: str | None = None
    """The USB socket that it is in."""
    url: str | None
    """Where it is now: /dev/ttyACM0, COM3, socket://host:port, rfc2217://host:port; None: not plugged in."""
    baud: int | None = None
    """The rate that it starts with, where that is not the board's usual one."""
    notes: str = ""
    upload_timeout_s: float = 180.0
    reply_timeout_s: float | None = None
    """A reply takes this long at most; None: as the link decides."""
    return_s: float = 10.0
    """It may be away for so long after an upload, a reset or a power cycle."""
    power_cycle: tuple[str, ...] = ()
    """The command that turns it off and on; empty: there is none."""


def resolve(
    boards: Iterable[Board], *, given: Mapping[str, str], plugged: list[SerialPort]
) -> dict[str, Attachment]:
    """Where each of these boards is, by the board's name.

    Args:
        given: board name -> URL.
        plugged: the ports that are there.
    """
    found = {}
    for board in boards:
        if url := given.get(board.name):
            port = at_device(url, plugged)
            found[board.name] = Attachment(
                id=board.name,
                board=board.name,
                url=url,
                serial_number=port.serial_number if port else None,
                location=port.location if port else None,
            )
    return found


def absence(board: Board, port: Attachment | None) -> str | None:
    """Why the board cannot be reached, and the remedy; None: it is there."""
    if port is None:
        return f"No serial port was given for {board.title}: `--port {board.name}=/dev/ttyACM0`."
    if port.url is None:
        return f"{port.id} ({board.title}) is not plugged in."
    return None
