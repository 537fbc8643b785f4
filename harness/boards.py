# SPDX-License-Identifier: Apache-2.0
"""The only reader of boards.yaml: strict, safe, and with the line of every mistake.

The file is read as a tree of YAML nodes, never as Python objects: nodes know their lines, keep
duplicate keys apart, and cannot build anything. A table of keys and readers per kind of mapping is
the whole schema; docs/BOARDS.md explains each key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

import yaml

from harness.errors import ConfigError
from harness.resources import resource
from harness.suggest import nearest

Port = Literal["native", "stm32f4", "uno"]

PORTS: Final[tuple[Port, ...]] = ("native", "stm32f4", "uno")
UPLOAD_PROTOCOLS: Final = ("arduino", "stlink", "openocd")

#: The emulators and the one option that each needs; all their values are words.
EMULATOR_OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {"qemu": ("machine",), "simavr": ("mcu",)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """How a firmware gets onto the board, and how the board is recognised among the serial ports."""

    protocol: str
    usb_ids: tuple[tuple[int, int], ...]
    """(vendor, product) of the USB serial interface."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reset:
    """What opening the serial port does to the board."""

    settle_s: float
    """Seconds after opening before the firmware can answer; opening may have reset the board."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    """One entry of boards.yaml."""

    name: str
    title: str
    mcu: str
    cpu: str
    cpu_hz: int | None
    flash_bytes: int | None
    """What a firmware may fill (a bootloader is taken off); None: no limit."""
    ram_bytes: int | None
    """None: no limit."""
    port: Port
    """The firmware port, a file of firmware/src/ports."""
    pio_env: str
    """PlatformIO environment that uses the toolchains on PATH."""
    baud: int | None = None
    upload: Upload | None = None
    reset: Reset = Reset(settle_s=0.0)
    emulators: Mapping[str, Mapping[str, str]] = field(default_factory=dict, hash=False)
    """Target name -> options of that emulator for this board."""
    notes: str = ""

    def __post_init__(self) -> None:
        if self.port == "native":
            if self.baud or self.upload or self.emulators:
                raise ValueError("the native port has no baud, no upload and no emulators")
        elif None in (self.cpu_hz, self.flash_bytes, self.ram_bytes, self.baud):
            raise ValueError(f"the port {self.port} needs cpu_hz, flash_bytes, ram_bytes and baud")

    @property
    def targets(self) -> tuple[str, ...]:
        """Where its firmware can run, the one that needs no board first."""
        if self.port == "native":
            return ("native",)
        return (*self.emulators, *(("hardware",) if self.upload else ()))


def load_boards(path: Path | None = None) -> dict[str, Board]:
    """Read a boards.yaml (ours by default) into boards by name, in the order of the file.

    Raises:
        ConfigError: the file cannot be read, or anything in it is unknown, missing, doubled or of the
            wrong type; the message names file, line and the nearest right name.
    """
    file = _File(path or resource("boards.yaml"))
    root = file.compose()
    boards = {name: _board(file, node, name) for name, node in file.items(root, "boards").items()}
    if not boards:
        file.refuse(root, "there is no board in it")
    return boards


@dataclass(frozen=True, slots=True)
class _File:
    """The YAML file being read. `where` names a value in messages, like `uno.flash_bytes`."""

    path: Path

    def refuse(self, node: yaml.Node, problem: str, fix: str = "") -> NoReturn:
        """Raise the ConfigError that points at `node`."""
        raise ConfigError(f"{self.path}:{node.start_mark.line + 1}: {problem}.", fix=fix)

    def compose(self) -> yaml.Node:
        """The file's one document as nodes."""
        try:
            root = yaml.compose(self.path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self.path} cannot be read: {error}.") from error
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = f":{mark.line + 1}" if mark else ""
            raise ConfigError(
                f"{self.path}{line}: this is not YAML: {error.problem or error.context}."
            ) from error
        except (yaml.YAMLError, RecursionError) as error:
            raise ConfigError(f"{self.path} is not YAML: {type(error).__name__}.") from error
        if root is None:
            raise ConfigError(f"{self.path} is empty.", fix="It maps the names of boards to what they are.")
        return root

    def items(self, node: yaml.Node, where: str) -> dict[str, yaml.Node]:
        """A mapping's values by key; each key is a word and there only once."""
        if not isinstance(node, yaml.MappingNode) or node.tag != "tag:yaml.org,2002:map":
            self.refuse(node, f"{where} must be a mapping (key: value), not {_kind(node)}")
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", key.value):
                self.refuse(
                    key, f"{where}: a name has small letters, digits and underscores, not {_kind(key)}"
                )
            if key.value in found:
                first = found[key.value].start_mark.line + 1
                self.refuse(key, f"{where}: {key.value!r} is there twice, first in line {first}")
            found[key.value] = value
        return found

    def values(self, node: yaml.Node, where: str, keys: Mapping[str, _Key]) -> dict[str, Any]:
        """A mapping with these keys only, each value read by its reader."""
        found = self.items(node, where)
        for name, child in found.items():
            if name not in keys:
                self.refuse(child, f"{where}: unknown key {name!r}", nearest(name, keys))
        for name, key in keys.items():
            if key.required and name not in found:
                self.refuse(node, f"{where}: the key {name!r} is missing", "docs/BOARDS.md explains it.")
        return {name: keys[name].read(self, child, f"{where}.{name}") for name, child in found.items()}


_Read = Callable[[_File, yaml.Node, str], Any]


@dataclass(frozen=True, slots=True)
class _Key:
    """A key's reader (file, node, where) -> value, and whether the key must be there."""

    read: _Read
    required: bool = True


def _kind(node: yaml.Node) -> str:
    """What a node is, in words for a message."""
    if isinstance(node, yaml.MappingNode):
        return "a mapping" if node.tag.endswith(":map") else f"a mapping tagged {node.tag}"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return f"{str(node.value)[:40]!r}"


def _scalar(file: _File, node: yaml.Node, where: str, tag: str, expected: str) -> str:
    """A plain value's text, if YAML takes it for `tag`."""
    if not isinstance(node, yaml.ScalarNode) or node.tag != f"tag:yaml.org,2002:{tag}":
        file.refuse(node, f"{where} must be {expected}, not {_kind(node)}")
    return str(node.value)


def _text(file: _File, node: yaml.Node, where: str) -> str:
    text = _scalar(file, node, where, "str", "a text (put it in quotes)")
    if not text.strip() or not text.isprintable():
        file.refuse(node, f"{where} must be a text of one line, not {text[:40]!r}")
    return text


def _word(file: _File, node: yaml.Node, where: str) -> str:
    text = _text(file, node, where)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", text):
        file.refuse(node, f"{where} must be one word, not {text[:40]!r}")
    return text


def _one_of(names: tuple[str, ...]) -> _Read:
    def read(file: _File, node: yaml.Node, where: str) -> str:
        text = _text(file, node, where)
        if text not in names:
            file.refuse(node, f"{where}: unknown value {text!r}", nearest(text, names))
        return text

    return read


def _count(file: _File, node: yaml.Node, where: str) -> int:
    text = _scalar(file, node, where, "int", "a whole number")
    if not re.fullmatch(r"[1-9][0-9_]{0,11}", text):
        file.refuse(node, f"{where} must be a whole number above 0 in decimal digits, not {text[:40]!r}")
    return int(text.replace("_", ""))


def _seconds(file: _File, node: yaml.Node, where: str) -> float:
    tag = "float" if node.tag.endswith(":float") else "int"
    text = _scalar(file, node, where, tag, "a number of seconds")
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{0,6})?", text):
        file.refuse(node, f"{where} must be seconds between 0 and 99, not {text[:40]!r}")
    return float(text)


def _or_null(read: _Read) -> _Read:
    def read_or_null(file: _File, node: yaml.Node, where: str) -> Any:
        return None if node.tag == "tag:yaml.org,2002:null" else read(file, node, where)

    return read_or_null


def _usb_ids(file: _File, node: yaml.Node, where: str) -> tuple[tuple[int, int], ...]:
    if not isinstance(node, yaml.SequenceNode) or node.tag != "tag:yaml.org,2002:seq":
        file.refuse(node, f'{where} must be a list like ["2341:0043"], not {_kind(node)}')
    return tuple(_usb_id(file, child, where) for child in node.value)


def _usb_id(file: _File, node: yaml.Node, where: str) -> tuple[int, int]:
    text = _text(file, node, where)
    match = re.fullmatch(r"([0-9a-fA-F]{4}):([0-9a-fA-F]{4})", text)
    if match is None:
        file.refuse(
            node, f'{where} must hold vendor:product in hex digits like "2341:0043", not {text[:40]!r}'
        )
    return int(match[1], 16), int(match[2], 16)


def _upload(file: _File, node: yaml.Node, where: str) -> Upload:
    return Upload(**file.values(node, where, _UPLOAD_KEYS))


def _reset(file: _File, node: yaml.Node, where: str) -> Reset:
    return Reset(**file.values(node, where, _RESET_KEYS))


def _emulators(file: _File, node: yaml.Node, where: str) -> dict[str, dict[str, str]]:
    known = {
        name: _Key(_emulator({option: _Key(_word) for option in options}), required=False)
        for name, options in EMULATOR_OPTIONS.items()
    }
    return file.values(node, where, known)


def _emulator(keys: Mapping[str, _Key]) -> _Read:
    def read(file: _File, node: yaml.Node, where: str) -> dict[str, str]:
        return file.values(node, where, keys)

    return read


def _board(file: _File, node: yaml.Node, name: str) -> Board:
    values = file.values(node, name, _BOARD_KEYS)
    try:
        return Board(name=name, **values)
    except ValueError as error:
        file.refuse(node, f"{name}: {error}")


_UPLOAD_KEYS: Final = {"protocol": _Key(_one_of(UPLOAD_PROTOCOLS)), "usb_ids": _Key(_usb_ids)}

_RESET_KEYS: Final = {"settle_s": _Key(_seconds)}

_BOARD_KEYS: Final = {
    "title": _Key(_text),
    "mcu": _Key(_text),
    "cpu": _Key(_text),
    "cpu_hz": _Key(_or_null(_count)),
    "flash_bytes": _Key(_or_null(_count)),
    "ram_bytes": _Key(_or_null(_count)),
    "port": _Key(_one_of(PORTS)),
    "pio_env": _Key(_word),
    "baud": _Key(_count, required=False),
    "upload": _Key(_upload, required=False),
    "reset": _Key(_reset, required=False),
    "emulators": _Key(_emulators, required=False),
    "notes": _Key(_text, required=False),
}
