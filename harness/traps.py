# SPDX-License-Identifier: Apache-2.0
"""What keeps boards on a Linux desk from working: rights, rules, drivers and busybodies.

Everything is read from /sys, /etc, /proc and udev's rules, nothing is tried. Elsewhere than on Linux there is
nothing to read, so nothing is found.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.boards import Board
from harness.serial_ports import SerialPort

#: Groups that distributions give serial ports to: Debian and Fedora, Arch.
_PORT_GROUPS: Final = ("dialout", "uucp")

#: What an uploader talks to without a serial port: its name, and Debian's package with its udev rule.
_PROBES: Final[Mapping[tuple[int, int], tuple[str, str]]] = {
    **{
        (0x0483, product): ("ST-Link", "stlink-tools")
        for product in (0x3744, 0x3748, 0x374B, 0x374D, 0x374E, 0x374F, 0x3752, 0x3753, 0x3754, 0x3757)
    },
    (0x0483, 0xDF11): ("STM32 bootloader (DFU)", "openocd"),
    (0x2E8A, 0x0003): ("RP2040 bootloader", "picotool"),
    (0x16C0, 0x0478): ("Teensy bootloader", "teensy-loader-cli"),
}

#: Above this an FTDI bridge makes the host wait for every short answer.
_LATENCY_MS: Final = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Trap:
    """Something that is wrong, and the way out."""

    what: str
    fix: str


def find_traps(
    plugged: Sequence[SerialPort],
    boards: Mapping[str, Board],
    *,
    root: Path = Path("/"),
    may_open: Callable[[Path], bool] = lambda path: os.access(path, os.R_OK | os.W_OK),
) -> list[Trap]:
    """The traps on this machine for these ports; those without USB are left alone.

    Args:
        root: where etc, proc, sys and usr are.
        may_open: whether this user may read and write a device file.
    """
    machine = _Machine(root, may_open)
    usb = [port for port in plugged if port.usb_id is not None]
    return [
        *machine.rights(usb),
        *machine.probes(),
        *machine.without_port(usb, boards),
        *machine.modem_manager(usb),
        *machine.latency(usb),
        *numbers(usb),
    ]


def numbers(usb: Sequence[SerialPort]) -> Iterator[Trap]:
    """Boards that cannot be told apart by their serial numbers."""
    counts = Counter(port.serial_number for port in usb)
    for port in usb:
        shared = counts[port.serial_number] > 1
        if port.serial_number is None:
            what = f"The device on {port.device} has no serial number: it is known by its USB socket only."
        elif (
            shared and len({_socket(other) for other in usb if other.serial_number == port.serial_number}) > 1
        ):
            what = f"The device on {port.device} shares its serial number {port.serial_number} with others."
        else:
            continue
        yield Trap(
            what=what,
            fix=f"Leave it in its socket {port.location}, which `quantrig boards --write-map` notes.",
        )


def _socket(port: SerialPort) -> str:
    return (port.location or "").partition(":")[0]


@dataclass(frozen=True, slots=True)
class _Machine:
    root: Path
    may_open: Callable[[Path], bool]

    def rights(self, usb: Sequence[SerialPort]) -> Iterator[Trap]:
        """Ports that this user may not open."""
        closed = [port.device for port in usb if not self.may_open(self.root / port.device.lstrip("/"))]
        if not closed or not self._read("proc/self/status"):
            return
        groups = {
            fields[0]: fields
            for line in self._read("etc/group").splitlines()
            if len(fields := line.split(":")) == 4
        }
        name = next((name for name in _PORT_GROUPS if name in groups), _PORT_GROUPS[0])
        what = f"This user may not open {' and '.join(closed)}."
        status = dict(
            line.split(":", 1) for line in self._read("proc/self/status").splitlines() if ":" in line
        )
        if name in groups and groups[name][2] in status.get("Groups", "").split():
            yield Trap(what=what, fix=f"The group {name} does not help here: see `ls -l {closed[0]}`.")
        elif name in groups and self._user(status) in groups[name][3].split(","):
            yield Trap(what=what, fix=f"The group {name} is granted from the next login on: log in anew.")
        else:
            yield Trap(what=what, fix=f"`sudo usermod -aG {name} $USER`, then log in anew.")

    def _user(self, status: Mapping[str, str]) -> str:
        number = status.get("Uid", "").split()
        for line in self._read("etc/passwd").splitlines():
            fields = line.split(":")
            if number and len(fields) > 2 and fields[2] == number[0]:
                return fields[0]
        return ""

    def probes(self) -> Iterator[Trap]:
        """Debug probes and bootloaders that this user may not open."""
        for device in self._usb_devices():
            if device.usb_id not in _PROBES or self.may_open(self.root / device.node):
                continue
            name, package = _PROBES[device.usb_id]
            rule = any(self._names(text, device.usb_id) for _, text in self._rules())
            yield Trap(
                what=f"This user may not open the {name} in USB socket {device.socket}.",
                fix="Its udev rule is there: unplug it and plug it in again."
                if rule
                else f"`sudo apt-get install {package}` brings its udev rule; then plug it in again.",
            )

    def without_port(self, usb: Sequence[SerialPort], boards: Mapping[str, Board]) -> Iterator[Trap]:
        """Boards that are on USB, yet have no serial port."""
        known = {usb_id for board in boards.values() if board.upload for usb_id in board.upload.usb_ids}
        sockets = {_socket(port) for port in usb}
        grabber = any(comm == "brltty" for _, comm in self._processes())
        for device in self._usb_devices():
            # an ST-Link/V2 never has one
            if device.usb_id not in known or device.usb_id in _PROBES or device.socket in sockets:
                continue
            vendor, product = device.usb_id
            yield Trap(
                what=f"{vendor:04x}:{product:04x} in USB socket {device.socket} has no serial port.",
                fix="brltty takes such devices for braille displays: `sudo apt-get remove brltty`."
                if grabber
                else "Its driver is missing: `sudo dmesg` tells; a virtual machine must be given the device.",
            )

    def modem_manager(self, usb: Sequence[SerialPort]) -> Iterator[Trap]:
        """ModemManager, which talks to every new port to see whether it is a modem."""
        running = [pid for pid, comm in self._processes() if comm == "ModemManager"]
        if not running:
            return
        strict = any("policy=strict" in self._read(f"proc/{pid}/cmdline") for pid in running)
        ignored = [
            text for _, text in self._rules() if "ID_MM_DEVICE_IGNORE" in text or "ID_MM_PORT_IGNORE" in text
        ]
        for port in usb:
            # strictly it asks only what says that it takes modem commands, as an Uno's port does
            asked = not strict or "ttyACM" in port.device
            if port.usb_id is None or not asked or any(self._names(text, port.usb_id) for text in ignored):
                continue
            vendor, product = (f"{number:04x}" for number in port.usb_id)
            match = f'ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}"'
            rule = f'{match}, ENV{{ID_MM_DEVICE_IGNORE}}="1"'
            yield Trap(
                what=f"ModemManager speaks to {port.device} for seconds after it is plugged in or flashed.",
                fix=f"`echo '{rule}' | sudo tee /etc/udev/rules.d/78-quantrig-{vendor}-{product}.rules"
                " && sudo udevadm control --reload`, then plug it in again.",
            )

    def latency(self, usb: Sequence[SerialPort]) -> Iterator[Trap]:
        """FTDI bridges that keep short answers back."""
        for port in usb:
            file = f"sys/bus/usb-serial/devices/{Path(port.device).name}/latency_timer"
            held_ms = self._read(file).strip()
            if held_ms.isdigit() and int(held_ms) > _LATENCY_MS:
                yield Trap(
                    what=f"{port.device} holds short answers for up to {held_ms} ms (FTDI's latency timer).",
                    fix=f'`echo 1 | sudo tee /{file}`; for ever by a udev rule: ACTION=="add",'
                    ' SUBSYSTEM=="usb-serial", DRIVER=="ftdi_sio", ATTR{latency_timer}="1".',
                )

    # --- reading ------------------------------------------------------------------------------------

    def _read(self, name: str) -> str:
        """A file's text; empty when it is not there or not ours to read."""
        with contextlib.suppress(OSError):
            return (self.root / name).read_text("utf-8", "replace")
        return ""

    def _processes(self) -> Iterator[tuple[str, str]]:
        for folder in sorted((self.root / "proc").glob("[0-9]*")):
            if comm := self._read(f"proc/{folder.name}/comm").strip():
                yield folder.name, comm

    def _usb_devices(self) -> Iterator[_UsbDevice]:
        for folder in sorted((self.root / "sys/bus/usb/devices").glob("[0-9]*-*")):
            facts = {
                name: self._read(f"sys/bus/usb/devices/{folder.name}/{name}").strip()
                for name in ("idVendor", "idProduct", "busnum", "devnum")
            }
            if ":" not in folder.name and all(facts.values()):
                yield _UsbDevice(
                    socket=folder.name,
                    usb_id=(int(facts["idVendor"], 16), int(facts["idProduct"], 16)),
                    node=f"dev/bus/usb/{int(facts['busnum']):03d}/{int(facts['devnum']):03d}",
                )

    def _rules(self) -> Iterator[tuple[Path, str]]:
        """Lines of udev's rules that are no comments."""
        for folder in ("etc/udev/rules.d", "run/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d"):
            for file in sorted((self.root / folder).glob("*.rules")):
                text = self._read(str(file.relative_to(self.root))).replace("\\\n", " ")
                yield from ((file, line) for line in text.splitlines() if not line.lstrip().startswith("#"))

    @staticmethod
    def _names(rule: str, usb_id: tuple[int, int]) -> bool:
        """Whether a rule is about this device, or about all of its vendor."""
        for name, number in zip(("idVendor", "idProduct"), usb_id, strict=True):
            found = re.search(rf'{name}\}}?=="([^"]*)"', rule)
            if found is None and name == "idVendor":
                return False
            if found is not None and not _fits(f"{number:04x}", found[1]):
                return False
        return True


def _fits(value: str, pattern: str) -> bool:
    """Whether udev's pattern fits: alternatives between `|`, each a glob."""
    return any(fnmatch.fnmatchcase(value, one.lower()) for one in pattern.split("|"))


@dataclass(frozen=True, kw_only=True, slots=True)
class _UsbDevice:
    socket: str
    usb_id: tuple[int, int]
    node: str
    """Its device file, below the root."""
