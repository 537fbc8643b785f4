# SPDX-License-Identifier: Apache-2.0
"""The boards on the desk: where each is, how it is treated, and that nobody else uses it meanwhile.

A board is known by the serial number of its USB device, or by the socket that it is in: the names of ports
are given out anew whenever something is plugged in.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from harness.boards import Board
from harness.errors import ConfigError, PortBusyError
from harness.hardware_map import UNKNOWN, Entry, HardwareMap, at_location, same_hardware
from harness.link import Timing
from harness.link.host_time import SYSTEM, HostTime
from harness.locks import FileLock
from harness.map_keys import url_problem
from harness.resources import cache_dir
from harness.serial_ports import SerialPort, at_device, serial_ports
from harness.suggest import nearest

#: How often a board that is in use is looked at.
_LOOK_S: Final = 0.2

#: USB's vendor number of STMicroelectronics.
_ST: Final = 0x0483


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
    probe: str | None = None
    """Serial number of the debug probe that flashes it; None: whichever there is."""
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
    lines_down: bool = False
    """DTR and RTS must be down: they hold it in reset."""

    @property
    def key(self) -> str:
        """The same for everybody who means this very board, whatever they call it."""
        if self.serial_number and self.location:
            # several ports of one device, and boards that are all numbered alike, differ by their socket
            return f"usb {self.serial_number} {self.location}"
        if self.serial_number or self.location:
            return f"usb {self.serial_number or self.location}"
        url = self.url or ""
        return url if "://" in url else os.path.realpath(url)

    def timing(self, baud: int | None) -> Timing | None:
        """The link's time-outs on a line of `baud`, where the board has one of its own."""
        if self.reply_timeout_s is None:
            return None
        usual = Timing() if baud is None else Timing(baud=baud)
        return replace(usual, reply_s=self.reply_timeout_s)

    def find(self) -> str | None:
        """Its URL now, under whatever name it is plugged in; None: it is not."""
        if self.serial_number is None and self.location is None:
            return self.url
        plugged = serial_ports()
        same = [p for p in plugged if self.serial_number in (None, p.serial_number)]
        here = [p for p in same if self.location is None or at_location(p, self.location)]
        # a board with a number of its own may have moved to another socket
        found = here or (same if self.serial_number else [])
        return found[0].device if len(found) == 1 else None


def resolve(
    wanted: Iterable[str],
    boards: Mapping[str, Board],
    *,
    map_: HardwareMap,
    given: Mapping[str, str],
    plugged: Sequence[SerialPort],
) -> dict[str, Attachment]:
    """Where each of the boards `wanted` is, by its name; those of which nothing is known are left out.

    Args:
        boards: all boards.
        given: board name -> what the user named: an id of the map, a serial number, a USB location, a URL.
        plugged: the ports that are there.

    Raises:
        ConfigError: a board may be in several places, or what was named is none, or another board.
    """
    desk = _Desk(boards, map_, plugged)
    found: dict[str, Attachment] = {}
    for name in wanted:
        board = boards[name]
        named = given.get(name)
        attachment = desk.named(board, named) if named else desk.mapped(board) or desk.recognised(board)
        if attachment is not None:
            found[name] = attachment
    for name, attachment in found.items():
        for other, there in found.items():
            if (
                attachment.url
                and attachment.url == there.url
                and not same_hardware(boards[name], boards[other])
            ):
                raise ConfigError(
                    f"{name} and {other} would both be the board on {attachment.url}.",
                    cause="Both have its USB id.",
                    fix=f"Say which it is: `--port {name}=...`, or an entry of {map_.path}.",
                )
    return found


@dataclass(frozen=True, slots=True)
class _Desk:
    boards: Mapping[str, Board]
    map: HardwareMap
    plugged: Sequence[SerialPort]

    def named(self, board: Board, name: str) -> Attachment:
        """What the user named for the board."""
        entry = self.map.named(name) or next((e for e in self.map.entries if e.url == name), None)
        if entry is not None:
            return self._of_entry(board, entry)
        ports = [port for port in self.plugged if name == port.serial_number or at_location(port, name)]
        if len(ports) > 1:
            raise _ambiguous(board, [port.address for port in ports])
        port = ports[0] if ports else at_device(name, self.plugged)
        if port is not None:
            return self._of_port(board, port)
        if problem := url_problem(name):
            raise ConfigError(
                f"--port {board.name}={name}: {problem}.",
                cause=f"Nor is it an id in {self.map.path}, nor a serial number or USB location of a port.",
                fix=self._close(name),
            )
        return Attachment(id=board.name, board=board.name, url=name)

    def _close(self, name: str) -> str:
        numbers = [port.serial_number or port.location for port in self.plugged]
        known = [*(entry.id for entry in self.map.entries), *filter(None, numbers)]
        return nearest(name, known) if known else "`quantrig boards` shows what is here."

    def mapped(self, board: Board) -> Attachment | None:
        """The board by the map: the one that is plugged in, else the first that could be."""
        found = [self._of_entry(board, entry) for entry in self.map.entries if self._serves(entry, board)]
        present = [attachment for attachment in found if attachment.url is not None]
        if len(present) > 1:
            raise _ambiguous(board, [attachment.id for attachment in present])
        return next(iter([*present, *found]), None)

    def recognised(self, board: Board) -> Attachment | None:
        """The board by its USB id, among the ports that the map does not give to others."""
        ids = board.upload.usb_ids if board.upload else ()
        ports = [port for port in self.plugged if port.usb_id in ids and self._free(port)]
        if len(ports) > 1:
            raise _ambiguous(board, [port.address for port in ports])
        return self._of_port(board, ports[0]) if ports else None

    def _free(self, port: SerialPort) -> bool:
        entry = self.map.of(port, self.plugged)
        return entry is None or entry.board == UNKNOWN

    def _serves(self, entry: Entry, board: Board) -> bool:
        return entry.board != UNKNOWN and same_hardware(self.boards[entry.board], board)

    def _of_port(self, board: Board, port: SerialPort) -> Attachment:
        if entry := self.map.of(port, self.plugged):
            return self._of_entry(board, entry, port)
        return Attachment(
            id=board.name,
            board=board.name,
            serial_number=port.serial_number,
            location=port.location,
            url=port.device,
            probe=_own_probe(port),
        )

    def _of_entry(self, board: Board, entry: Entry, port: SerialPort | None = None) -> Attachment:
        """The board as the map has it, on `port` if that is known to be it."""
        if entry.board != UNKNOWN and not self._serves(entry, board):
            raise ConfigError(
                f"{entry.id} is a {entry.board} in {self.map.path}, not a {board.name}.",
                fix=f"Name another board for {board.name}, or correct the map.",
            )
        port = port or entry.port(self.plugged)
        options = {
            name: value
            for name in ("upload_timeout_s", "reply_timeout_s", "return_s")
            if (value := getattr(entry, name)) is not None
        }
        return Attachment(
            id=entry.id,
            board=board.name,
            serial_number=port.serial_number if port else entry.serial_number,
            location=port.location if port else entry.location,
            url=port.device if port else entry.url,
            probe=entry.probe or (_own_probe(port) if port else None),
            baud=entry.baud,
            notes=entry.notes,
            power_cycle=entry.power_cycle,
            lines_down=entry.lines_down,
            **options,
        )


def _own_probe(port: SerialPort) -> str | None:
    """The debug probe's number where the serial port is the probe's own: an ST-Link on a Nucleo."""
    return port.serial_number if port.usb_id is not None and port.usb_id[0] == _ST else None


def _ambiguous(board: Board, places: Sequence[str]) -> ConfigError:
    return ConfigError(
        f"{board.title} may be {' or '.join(places)}.",
        cause="Several of them are plugged in.",
        fix=f"Say which: `--port {board.name}=ID`: an id of the hardware map, a serial number or a port.",
    )


def absence(board: Board, attachment: Attachment | None) -> str | None:
    """Why the board cannot be reached, and the remedy; None: it is there."""
    if attachment is None:
        return (
            f"No {board.title} is plugged in, as far as USB tells: name its port with"
            f" `--port {board.name}=/dev/ttyACM0`, or in hardware-map.yaml."
        )
    if attachment.url is None:
        where = " in ".join(
            filter(
                None,
                (
                    attachment.serial_number and f"serial number {attachment.serial_number}",
                    attachment.location and f"USB socket {attachment.location}",
                ),
            )
        )
        return f"{attachment.id} ({board.title}, {where}) is not plugged in."
    return None


@contextlib.contextmanager
def reserve(
    attachments: Iterable[Attachment],
    *,
    wait: bool,
    on_wait: Callable[[str], None] = lambda _: None,
    time: HostTime = SYSTEM,
) -> Iterator[None]:
    """Have these boards for ourselves alone, against every other process of this user, while the block lasts.

    The locks end with their holder, however that ends.

    Args:
        wait: wait for whoever has one of them; `on_wait` is told once for each.

    Raises:
        PortBusyError: somebody has one; the message names the process.
        ConfigError: the cache folder cannot be written.
    """
    # in one order everywhere, so two who wait never wait for each other
    wanted = sorted({a.key: a for a in attachments if a.url is not None}.items())
    with contextlib.ExitStack() as stack:
        for key, attachment in wanted:
            lock = _lock(key, attachment, wait, on_wait, time)
            stack.callback(lock.release)
        yield


def _lock(
    key: str, attachment: Attachment, wait: bool, on_wait: Callable[[str], None], time: HostTime
) -> FileLock:
    name = re.sub(r"[^A-Za-z0-9]+", "-", key).strip("-")[:60]
    file = cache_dir() / "boards" / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:8]}.lock"
    told = False
    while True:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            return FileLock(file, what=f"{attachment.id} ({attachment.url}) is in use", busy=PortBusyError)
        except PortBusyError as error:
            if not wait:
                raise
            if not told:
                on_wait(f"{error.what} Waiting for it.")
                told = True
            time.sleep(_LOOK_S)
        except OSError as error:
            raise ConfigError(
                f"{file} cannot be written: {error.strerror}.", fix="Set QUANTRIG_CACHE to a folder of yours."
            ) from error
