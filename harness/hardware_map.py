# SPDX-License-Identifier: Apache-2.0
"""hardware-map.yaml: the boards on a desk, by serial number or USB socket, and how each wants to be treated.

docs/HARDWARE.md explains the keys. The file is the user's: it is updated in place, by putting a value where
the old one stood and new entries at the end, so comments and order stay.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml

from harness.board_file import BoardFile
from harness.boards import Board
from harness.errors import ConfigError
from harness.map_keys import KEYS
from harness.serial_ports import SerialPort, at_device
from harness.suggest import nearest

#: Where it is looked for when nobody names a file.
DEFAULT_FILE: Final = Path("hardware-map.yaml")

#: What an entry says whose board nobody has filled in yet.
UNKNOWN: Final = "unknown"

_GUIDE: Final = "docs/HARDWARE.md"

_HEAD: Final = """\
# The boards on this desk. docs/HARDWARE.md explains every key; `quantrig boards --write-map` adds what is
# plugged in and leaves the rest as it stands.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One board of the map. It is found by its serial number, else by its location, else by its URL."""

    id: str
    board: str
    """An entry of boards.yaml, or UNKNOWN."""
    serial_number: str | None = None
    location: str | None = None
    """The USB socket; beside a serial number it only tells ports of the same number apart."""
    url: str | None = None
    """A port without USB: /dev/ttyS0, socket://host:port, rfc2217://host:port."""
    probe: str | None = None
    """Serial number of the debug probe that flashes it, where that is not the board's own port."""
    baud: int | None = None
    notes: str = ""
    upload_timeout_s: float | None = None
    reply_timeout_s: float | None = None
    return_s: float | None = None
    power_cycle: tuple[str, ...] = ()
    lines_down: bool = False

    def __post_init__(self) -> None:
        if self.url is None and self.serial_number is None and self.location is None:
            raise ValueError("it needs serial_number, location or url")
        if self.url is not None and (self.serial_number or self.location):
            raise ValueError("url does not go with serial_number or location")

    def port(self, plugged: Sequence[SerialPort]) -> SerialPort | None:
        """The port that it is on; None: it is not plugged in.

        Raises:
            ConfigError: it may be on several.
        """
        found = self.ports(plugged)
        if len(found) > 1:
            raise ConfigError(
                f"{self.id} of the hardware map may be on {' or '.join(port.address for port in found)}.",
                cause="These ports have the same serial number, or are of one device.",
                fix="Give its `location` there as well, with the number after a colon if it has one.",
            )
        return found[0] if found else None

    def ports(self, plugged: Sequence[SerialPort]) -> list[SerialPort]:
        """The ports that it may be on: several where what the map says of it fits more than one."""
        if self.url is not None:
            port = at_device(self.url, plugged)
            return [port] if port else []
        if self.serial_number is None:
            return [p for p in plugged if self.location is not None and at_location(p, self.location)]
        found = [port for port in plugged if port.serial_number == self.serial_number]
        if len(found) > 1 and self.location is not None:
            return [port for port in found if at_location(port, self.location)]
        return found


def at_location(port: SerialPort, location: str) -> bool:
    """Whether the port is in this USB socket; without a colon any interface of the device there."""
    return port.location is not None and location in (port.location, port.location.partition(":")[0])


@dataclass(frozen=True, kw_only=True, slots=True)
class HardwareMap:
    """The entries of a map, and the text that they stand in."""

    path: Path
    text: str = ""
    entries: tuple[Entry, ...] = ()
    _places: Mapping[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """(id, key) -> where its value stands in the text."""
    _indent: int = 0
    """The column of the entries' hyphens."""

    def named(self, id_: str) -> Entry | None:
        """The entry with this id."""
        return next((entry for entry in self.entries if entry.id == id_), None)

    def of(self, port: SerialPort, plugged: Sequence[SerialPort]) -> Entry | None:
        """The entry of a port that is plugged in; one that may be on others too, where no other claims it."""
        claims = [(entry, entry.ports(plugged)) for entry in self.entries]
        mine = [(len(ports), entry) for entry, ports in claims if port in ports]
        return min(mine, key=lambda claim: claim[0])[1] if mine else None

    def updated(
        self, plugged: Sequence[SerialPort], boards: Mapping[str, Board]
    ) -> tuple[str, tuple[str, ...]]:
        """The map's text with what is plugged in now, and what has changed, a line each.

        An entry that may be on several ports is left to the user, and said.

        Raises:
            ConfigError: the text is no list to whose end entries can be added.
        """
        edits: list[tuple[int, int, str]] = []
        changes: list[str] = []
        added: list[Entry] = []
        for port in plugged:
            if port.usb_id is None:
                continue
            entry, names = self.of(port, plugged), candidates(port, boards)
            if entry is None:
                taken = {known.id for known in (*self.entries, *added)}
                added.append(_new_entry(port, plugged, names, taken))
                changes.append(f"{added[-1].id}: {added[-1].board} on {port.address}")
                continue
            if len(fitting := entry.ports(plugged)) > 1:
                changes.append(_unclear(entry, fitting))
                continue
            wanted = {}
            if entry.board == UNKNOWN and len(names) == 1:
                wanted["board"] = names[0]
            if entry.serial_number and entry.location and not at_location(port, entry.location):
                wanted["location"] = str(port.location)
            for key, value in wanted.items():
                start, end = self._places[entry.id, key]
                edits.append((start, end, value if key == "board" else _quoted(value)))
                changes.append(f"{entry.id}: {key} is {value} now")
        text = self.text
        for start, end, new in sorted(edits, reverse=True):
            text = text[:start] + new + text[end:]
        text = _with_entries(text, added, plugged, boards, self._indent)
        _still_a_list(self.path, text, len(self.entries) + len(added))
        return text, tuple(dict.fromkeys(changes))


def load_map(path: Path | None, boards: Mapping[str, Board], *, new: bool = False) -> HardwareMap:
    """Read the map; without a name DEFAULT_FILE, which is empty if it is not there.

    Args:
        new: so is one that is named: it is about to be made.

    Raises:
        ConfigError: it cannot be read, or anything in it is unknown, missing, doubled or contradictory.
    """
    named, path = path, path or DEFAULT_FILE
    if (new or named is None) and not path.exists():
        return HardwareMap(path=path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}.", fix="`quantrig boards --write-map` makes a hardware map."
        ) from error
    if not re.sub(r"(?m)^\s*#.*$", "", text).strip():
        return HardwareMap(path=path, text=text)
    file = BoardFile(path, guide=_GUIDE)
    root = file.compose()
    if not isinstance(root, yaml.SequenceNode):
        file.refuse(root, "a hardware map is a list of boards, each `- id: ...`", f"See {_GUIDE}.")
    entries: dict[str, Entry] = {}
    places: dict[tuple[str, str], tuple[int, int]] = {}
    for number, node in enumerate(root.value):
        entry = _entry(file, node, f"entry {number + 1}", boards)
        for other in entries.values():
            if entry.id == other.id:
                file.refuse(node, f"the id {entry.id!r} is there twice")
            if _address(entry) == _address(other):
                file.refuse(node, f"{entry.id} and {other.id} have the same address")
        entries[entry.id] = entry
        for key, value in file.items(node, entry.id).items():
            places[entry.id, key] = (value.start_mark.index, value.end_mark.index)
    return HardwareMap(
        path=path,
        text=text,
        entries=tuple(entries.values()),
        _places=places,
        _indent=root.start_mark.column,
    )


def write_map(path: Path, text: str) -> None:
    """Put the text in place of the file, whole or not at all.

    Raises:
        ConfigError: it cannot be written.
    """
    real = Path(os.path.realpath(path))
    try:
        descriptor, draft = tempfile.mkstemp(prefix=f".{real.name}.", dir=real.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).chmod(real.stat().st_mode & 0o777 if real.exists() else 0o644)
            Path(draft).replace(real)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(draft).unlink()
            raise
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error


def candidates(port: SerialPort, boards: Mapping[str, Board]) -> list[str]:
    """The boards that a port may be, by its USB id; of those that are the same hardware only the first."""
    found: list[Board] = []
    for board in boards.values():
        ours = board.upload is not None and port.usb_id in board.upload.usb_ids
        if ours and not any(same_hardware(board, other) for other in found):
            found.append(board)
    return [board.name for board in found]


def same_hardware(one: Board, other: Board) -> bool:
    """Whether two entries of boards.yaml are one board with different firmware."""
    if one.name == other.name:
        return True
    if one.upload is None or other.upload is None or one.mcu != other.mcu:
        return False
    return bool(set(one.upload.usb_ids) & set(other.upload.usb_ids))


def _address(entry: Entry) -> tuple[str | None, ...]:
    return (entry.serial_number, entry.location, entry.url)


def _entry(file: BoardFile, node: yaml.Node, where: str, boards: Mapping[str, Board]) -> Entry:
    values = file.values(node, where, KEYS)
    if values["board"] not in (*boards, UNKNOWN):
        child = file.items(node, where)["board"]
        near = nearest(values["board"], [*boards, UNKNOWN])
        file.refuse(child, f"{where}.board: there is no board {values['board']!r}", near)
    try:
        return Entry(**values)
    except ValueError as error:
        file.refuse(node, f"{values['id']}: {error}", f"{_GUIDE} explains it.")


def _new_entry(
    port: SerialPort, plugged: Sequence[SerialPort], names: Sequence[str], taken: set[str]
) -> Entry:
    board = names[0] if len(names) == 1 else UNKNOWN
    alone = sum(other.serial_number == port.serial_number for other in plugged) == 1
    mark = re.sub(r"[^a-z0-9]", "", (port.serial_number or port.location or "").lower())[-4:]
    base = f"{board}-{mark}" if mark else board
    numbered = (f"{base}-{number}" for number in range(2, 1000))
    return Entry(
        id=base if base not in taken else next(name for name in numbered if name not in taken),
        board=board,
        serial_number=port.serial_number,
        location=None if port.serial_number and alone else port.location,
        notes=" ".join(filter(None, (port.manufacturer, port.product))) or port.description,
    )


def _unclear(entry: Entry, ports: Sequence[SerialPort]) -> str:
    where = " or ".join(port.address for port in ports)
    return f"{entry.id}: may be {where}: give its `location` (nothing changed)"


def _still_a_list(path: Path, text: str, entries: int) -> None:
    """Refuse a text that is not a list of so many entries: one in brackets, say, with more below them."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        root = None
    if entries and not (isinstance(root, yaml.SequenceNode) and len(root.value) == entries):
        raise ConfigError(
            f"{path} is not laid out so that a board can be added at its end: it is left as it was.",
            fix="Put each entry on lines of its own that begin with `- id: ...`, nothing around them.",
        )


def _with_entries(
    text: str,
    added: Sequence[Entry],
    plugged: Sequence[SerialPort],
    boards: Mapping[str, Board],
    indent: int,
) -> str:
    lines = []
    for entry in added:
        port = entry.port(plugged)
        names = candidates(port, boards) if port else []
        remark = f" # {' or '.join(names) or 'no board of boards.yaml has its USB id'}"
        lines += ["", f"- id: {entry.id}"]
        lines.append(f"  board: {entry.board}{remark if entry.board == UNKNOWN else ''}")
        for key in ("serial_number", "location", "notes"):
            if value := getattr(entry, key):
                lines.append(f"  {key}: {_quoted(value)}")
    if not lines:
        return text
    lines = [f"{' ' * indent}{line}" if line else line for line in lines]
    return (text.rstrip("\n") + "\n" if text else _HEAD) + "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    """As YAML takes it for a text whatever it looks like: many serial numbers look like numbers."""
    return json.dumps(value, ensure_ascii=False)
