# SPDX-License-Identifier: Apache-2.0
"""What `quantrig boards` and `quantrig doctor` say of boards, lanes and the desk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.boards import Board
from harness.desk import Attachment, resolve
from harness.errors import ConfigError
from harness.hardware_map import UNKNOWN, HardwareMap, candidates
from harness.serial_ports import SerialPort
from harness.targets import TARGETS


def attached(
    board: Board, boards: Mapping[str, Board], map_: HardwareMap, plugged: Sequence[SerialPort]
) -> tuple[Attachment | None, str | None]:
    """Where the board is, if it is clear; else why it is not."""
    try:
        found = resolve([board.name], boards, map_=map_, given={}, plugged=plugged)
    except ConfigError as error:
        return None, str(error)
    return found.get(board.name), None


def ready_lanes(
    board: Board, port: Attachment | None = None, unclear: str | None = None
) -> list[tuple[str, str | None]]:
    """(target, why it cannot run here or None) of a board; `unclear`: why nobody knows where it is."""
    found = [(target, TARGETS[target].unavailable(board, port=port)) for target in board.targets]
    return [
        (target, unclear if unclear and reason and target == "hardware" else reason)
        for target, reason in found
    ]


def description(board: Board) -> str:
    """`ATmega328P, avr5, 16 MHz, flash 31.5 KiB, RAM 2 KiB`."""
    facts = [board.mcu, " ".join((board.cpu, *board.cpu_features))]
    if board.cpu_hz:
        facts.append(f"{board.cpu_hz / 1e6:g} MHz")
    for name, size in (("flash", board.flash_bytes), ("RAM", board.ram_bytes)):
        if size is not None:
            facts.append(f"{name} {size / 1024:g} KiB")
    return ", ".join(dict.fromkeys(facts))


def desk_lines(
    boards: Mapping[str, Board], map_: HardwareMap, plugged: Sequence[SerialPort]
) -> Iterator[str]:
    """Every port with what USB tells and what board it is, then the boards of the map that are not here."""
    yield "plugged in:" if plugged else "plugged in: no serial port found"
    for port in plugged:
        usb = f"{port.usb_id[0]:04x}:{port.usb_id[1]:04x}" if port.usb_id else "no USB"
        name = " ".join(filter(None, (port.manufacturer, port.product))) or port.description
        facts = [port.device, usb, name]
        facts.append(f"serial number {port.serial_number or 'none'}" if port.usb_id else "")
        facts.append(f"location {port.location}" if port.location else "")
        yield f"  {'  '.join(filter(None, facts))}"
        yield f"      {_who(port, boards, map_, plugged)}"
    away = [e for e in map_.entries if e.url is None and not e.ports(plugged)]
    if away:
        yield f"in {map_.path}, but not plugged in:"
    for entry in away:
        yield f"  {entry.id}  {entry.board}  {entry.serial_number or entry.location}"


def _who(
    port: SerialPort, boards: Mapping[str, Board], map_: HardwareMap, plugged: Sequence[SerialPort]
) -> str:
    entry, names = map_.of(port, plugged), candidates(port, boards)
    guess = " or ".join(names)
    if entry is not None and len(entry.ports(plugged)) > 1:
        return f"perhaps {entry.id}, which fits other ports too: give its `location` in {map_.path}"
    if entry is not None and entry.board != UNKNOWN:
        return f"{entry.id}: {entry.board}" + (f" ({entry.notes})" if entry.notes else "")
    if entry is not None:
        return f"{entry.id}: fill in its board in {map_.path}" + (f", maybe {guess}" if names else "")
    if not names:
        return "no board of boards.yaml has its USB id" if port.usb_id else "a board on it needs --port"
    alone = port.serial_number and sum(p.serial_number == port.serial_number for p in plugged) == 1
    address = port.serial_number if alone else port.location or port.device
    return f"maybe {guess}: --port {names[0]}={address}"
