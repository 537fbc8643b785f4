# SPDX-License-Identifier: Apache-2.0
"""The only reader of boards.yaml: what a board is, which words its keys take, and what contradicts itself.

docs/BOARDS.md explains each key. How the YAML is read, and how mistakes get their lines: `board_file.py`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args

import yaml

from harness import board_file
from harness.board_file import BoardFile, Key, Read
from harness.pins import pin_number
from harness.resources import resource
from harness.suggest import nearest

#: A firmware port: the files of firmware/src/ports that begin with its name.
Port = Literal["native", "uno", "stm32f4", "esp32sim", "mps2", "lm3s", "arduino"]

#: What compiles a board's firmware (build.TOOLCHAINS).
ToolchainName = Literal["host", "avr", "arm", "esp32_llvm", "avr_arduino", "platformio"]

#: What can compile each port: Debian's compiler for it, or the one that PlatformIO downloads.
COMPILERS: Final[Mapping[Port, tuple[ToolchainName, ...]]] = {
    "native": ("host",),
    "uno": ("avr", "platformio"),
    "stm32f4": ("arm", "platformio"),
    "esp32sim": ("esp32_llvm",),
    "mps2": ("arm",),
    "lm3s": ("arm",),
    "arduino": ("avr_arduino", "platformio"),
}

#: Of the upload protocols the first three are our platform's, all are PlatformIO's words.
UPLOAD_PROTOCOLS: Final = (
    *("arduino", "stlink", "openocd"),
    *("wiring", "esptool", "esp-builtin", "nrfutil", "sam-ba", "picotool", "teensy-cli", "dfu", "mbed"),
)

#: dsp: Armv7E-M's SIMD; fpu: float32 in hardware; fpu64: float64 too; cache: times depend on what ran before.
CPU_FEATURES: Final = ("dsp", "fpu", "fpu64", "cache")


#: Chips whose clock the port stm32f4 can set up.
STM32F4_FAMILIES: Final = ("F405", "F407", "F446")


#: A crystal (a clock may be faster) from which the port's PLL reaches the full clock exactly.
_HSE_MHZ: Final = range(4, 27)
_HSE_CLOCK_MHZ: Final = range(4, 51)


class Machine(NamedTuple):
    """What an emulated machine has at most, in bytes, and the ports whose devices it has."""

    flash_bytes: int
    ram_bytes: int
    ports: tuple[Port, ...]


#: Emulator -> its one option, and for each word that it takes that machine.
EMULATORS: Final[Mapping[str, tuple[str, Mapping[str, Machine]]]] = {
    "qemu": (
        "machine",
        {
            "netduinoplus2": Machine(1 << 20, 128 << 10, ("stm32f4",)),
            "mps2-an386": Machine(4 << 20, 4 << 20, ("mps2",)),
            "mps2-an500": Machine(4 << 20, 4 << 20, ("mps2",)),
            "lm3s6965evb": Machine(256 << 10, 64 << 10, ("lm3s",)),
            "sim": Machine(4 << 20, 0x2C200, ("esp32sim",)),
            "esp32": Machine(4 << 20, 320 << 10, ("arduino",)),
        },
    ),
    "simavr": (
        "mcu",
        {
            "atmega328p": Machine(32 << 10, 2 << 10, ("uno", "arduino")),
            "atmega2560": Machine(256 << 10, 8 << 10, ("arduino",)),
        },
    ),
    "renode": ("platform", {"stm32f4": Machine(1 << 20, 128 << 10, ("stm32f4",))}),
}


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


class ContradictionError(ValueError):
    """A value of a board that does not go with its others; `key` is the one to look at first."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(problem)
        self.key = key


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    """One entry of boards.yaml."""

    name: str
    title: str
    mcu: str
    cpu: str
    cpu_hz: int | None
    cpu_features: tuple[str, ...] = ()
    flash_bytes: int | None
    """What a firmware may fill (a bootloader is taken off); None: no limit."""
    ram_bytes: int | None
    """None: no limit."""
    port: Port
    """The firmware port, files of firmware/src/ports."""
    toolchain: ToolchainName
    pio_env: str
    """The environment of firmware/platformio.ini that it is built with; boards of a family share one."""
    pio_board: str | None = None
    """PlatformIO's id of the board, where it is not the environment's own."""
    build: Mapping[str, str] = field(default_factory=dict, hash=False)
    """`board_build.*` options of PlatformIO that differ from the environment's board."""
    baud: int | None = None
    trigger_pin: str | None = None
    """Is high during each timed inference, for a power meter or a logic analyser; None: no pin is."""
    upload: Upload | None = None
    reset: Reset = Reset(settle_s=0.0)
    emulators: Mapping[str, Mapping[str, str]] = field(default_factory=dict, hash=False)
    """Target name -> options of that emulator for this board."""
    notes: str = ""

    def __post_init__(self) -> None:
        compilers = COMPILERS[self.port]
        if self.toolchain not in compilers:
            raise ContradictionError(
                "toolchain", f"the port {self.port} needs toolchain {' or '.join(compilers)}"
            )
        if len(set(self.cpu_features)) < len(self.cpu_features):
            raise ContradictionError("cpu_features", "cpu_features has a word twice")
        if self.port == "native":
            if self.baud or self.upload or self.emulators or self.trigger_pin:
                problem = "the native port has no baud, upload, trigger_pin or emulators"
                raise ContradictionError("port", problem)
            return
        if self.cpu_hz is None or self.flash_bytes is None or self.ram_bytes is None or self.baud is None:
            raise ContradictionError(
                "port", f"the port {self.port} needs cpu_hz, flash_bytes, ram_bytes and baud"
            )
        self._check_pins()
        for target, options in self.emulators.items():
            option, machines = EMULATORS[target]
            name, machine = options[option], machines[options[option]]
            if self.port not in machine.ports:
                able = " or ".join(machine.ports)
                raise ContradictionError(
                    "emulators", f"{target}'s {name} runs the port {able}, not {self.port}"
                )
            for key, have, limit in (
                ("flash_bytes", self.flash_bytes, machine.flash_bytes),
                ("ram_bytes", self.ram_bytes, machine.ram_bytes),
            ):
                if have > limit:
                    raise ContradictionError(key, f"{key} is {have}, but {target}'s {name} has {limit}")

    def _check_pins(self) -> None:
        if self.trigger_pin:
            try:
                pin_number(self.port, self.trigger_pin)
            except ValueError as error:
                raise ContradictionError("trigger_pin", str(error)) from error
        bypass, hse_hz = self.build.get("hse_bypass"), self.build.get("hse_hz")
        if (bypass or hse_hz) and self.port != "stm32f4":
            raise ContradictionError("build", f"the port {self.port} does not set up its clock: no hse_hz")
        if bypass and not hse_hz:
            raise ContradictionError("build", "hse_bypass needs hse_hz: the rate of the clock")
        mhz, rest = divmod(int(hse_hz or 4_000_000), 1_000_000)
        possible = _HSE_CLOCK_MHZ if bypass else _HSE_MHZ
        if rest or mhz not in possible:
            span = f"from {possible[0]} to {possible[-1]} MHz"
            raise ContradictionError("build", f"hse_hz is a whole number of MHz {span}, not {hse_hz} Hz")

    @property
    def upstream(self) -> bool:
        """Whether a platform of PlatformIO's own builds and flashes it, with what it downloads."""
        return self.toolchain == "platformio"

    @property
    def targets(self) -> tuple[str, ...]:
        """Where its firmware can run, those that need no board first."""
        if self.port == "native":
            return ("native",)
        return (*self.emulators, *(("hardware",) if self.upload else ()))


def load_boards(path: Path | None = None) -> dict[str, Board]:
    """Read our boards.yaml, and after it the user's, whose entries replace ours of the same name.

    Ours inherit from ours only: a user's file changes no board that it does not name. Boards come by name,
    in the order of the files.

    Raises:
        ConfigError: a file cannot be read, or anything in it is unknown, missing, doubled, contradictory or
            of the wrong type; the message names file, line and the nearest right name.
    """
    entries = _entries(resource("boards.yaml"), {})
    if path is not None:
        entries |= _entries(path, entries)
    return {name: _board(file, node, name) for name, (file, node) in entries.items()}


_Entries = Mapping[str, tuple[BoardFile, yaml.Node]]
"""By name: the file that an entry stands in, and the entry with all that it inherits."""


def _entries(source: Path, others: _Entries) -> dict[str, tuple[BoardFile, yaml.Node]]:
    """The entries of a file, which may inherit from each other and from `others`."""
    file = BoardFile(source)
    root = file.compose()
    found = file.items(root, "boards")
    if not found:
        file.refuse(root, "there is no board in it")
    return {name: (file, _resolved(file, found, others, name)) for name in found}


def _resolved(
    file: BoardFile,
    found: Mapping[str, yaml.Node],
    others: _Entries,
    name: str,
    children: tuple[str, ...] = (),
) -> yaml.Node:
    """An entry of `found` with all that it inherits; `children` are those that asked for it."""
    node, path = found[name], (*children, name)
    parent_node = file.items(node, name).get("inherits")
    if parent_node is None:
        return node
    parent = board_file.text(file, parent_node, f"{name}.inherits")
    # Its own name is that of the entry which it replaces.
    if parent in others and (parent == name or parent not in found):
        return file.merge(others[parent][1], node, name)
    if parent not in found:
        near = nearest(parent, {*others, *found})
        file.refuse(parent_node, f"{name}.inherits: there is no board {parent!r}", near)
    if parent in path:
        file.refuse(parent_node, f"{name}.inherits: {' from '.join((*path, parent))} is a circle")
    return file.merge(_resolved(file, found, others, parent, path), node, name)


def _board(file: BoardFile, node: yaml.Node, name: str) -> Board:
    values = file.values(node, name, _BOARD_KEYS)
    values.pop("inherits", None)
    try:
        return Board(name=name, **values)
    except ContradictionError as error:
        at = file.items(node, name).get(error.key, node)
        # a value from the file of somebody else has a line there, not here
        own = at.start_mark.buffer is node.start_mark.buffer
        file.refuse(at if own else node, f"{name}: {error}")


def _upload(file: BoardFile, node: yaml.Node, where: str) -> Upload:
    return Upload(**file.values(node, where, _UPLOAD_KEYS))


def _reset(file: BoardFile, node: yaml.Node, where: str) -> Reset:
    return Reset(**file.values(node, where, _RESET_KEYS))


def _build(file: BoardFile, node: yaml.Node, where: str) -> dict[str, str]:
    return file.values(node, where, _BUILD_KEYS)


def _emulators(file: BoardFile, node: yaml.Node, where: str) -> dict[str, dict[str, str]]:
    known = {
        name: Key(_emulator(option, machines), required=False)
        for name, (option, machines) in EMULATORS.items()
    }
    return file.values(node, where, known)


def _environment(file: BoardFile, node: yaml.Node, where: str) -> str:
    return str(board_file.one_of(_environments())(file, node, where))


@functools.cache
def _environments() -> tuple[str, ...]:
    text = (resource("firmware") / "platformio.ini").read_text(encoding="utf-8")
    return tuple(re.findall(r"^\[env:(\S+)\]$", text, re.MULTILINE))


def _emulator(option: str, machines: Mapping[str, Machine]) -> Read:
    def read(file: BoardFile, node: yaml.Node, where: str) -> dict[str, str]:
        return file.values(node, where, {option: Key(board_file.one_of(machines))})

    return read


def _pin(file: BoardFile, node: yaml.Node, where: str) -> str:
    """`13` or `PA5`."""
    if isinstance(node, yaml.ScalarNode) and re.fullmatch(r"[0-9]{1,3}|P[A-Z][0-9]{1,2}", node.value):
        return str(node.value)
    return file.refuse(node, f"{where} must be a pin like 13 or PA5")


def _hz(file: BoardFile, node: yaml.Node, where: str) -> str:
    return str(board_file.count(file, node, where))


def _if_set(file: BoardFile, node: yaml.Node, where: str) -> str:
    return "1" if board_file.flag(file, node, where) else ""


_UPLOAD_KEYS: Final = {
    "protocol": Key(board_file.one_of(UPLOAD_PROTOCOLS)),
    "usb_ids": Key(board_file.tuple_of(board_file.usb_id, '["2341:0043"]')),
}

_RESET_KEYS: Final = {"settle_s": Key(board_file.seconds)}

_BUILD_KEYS: Final = {
    "mcu": Key(board_file.word, required=False),
    "family": Key(board_file.one_of(STM32F4_FAMILIES), required=False),
    "variant": Key(board_file.word, required=False),
    "hse_hz": Key(_hz, required=False),
    "hse_bypass": Key(_if_set, required=False),
}

_BOARD_KEYS: Final[dict[str, Key]] = {
    "inherits": Key(board_file.text, required=False),
    "title": Key(board_file.text),
    "mcu": Key(board_file.text),
    "cpu": Key(board_file.text),
    "cpu_hz": Key(board_file.or_null(board_file.count)),
    "cpu_features": Key(board_file.tuple_of(board_file.one_of(CPU_FEATURES), "[fpu, dsp]"), required=False),
    "flash_bytes": Key(board_file.or_null(board_file.count)),
    "ram_bytes": Key(board_file.or_null(board_file.count)),
    "port": Key(board_file.one_of(get_args(Port))),
    "toolchain": Key(board_file.one_of(get_args(ToolchainName))),
    "pio_env": Key(_environment),
    "pio_board": Key(board_file.word, required=False),
    "build": Key(_build, required=False),
    "baud": Key(board_file.count, required=False),
    "trigger_pin": Key(board_file.or_null(_pin), required=False),
    "upload": Key(_upload, required=False),
    "reset": Key(_reset, required=False),
    "emulators": Key(_emulators, required=False),
    "notes": Key(board_file.text, required=False),
}
