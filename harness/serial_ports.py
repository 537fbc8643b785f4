# SPDX-License-Identifier: Apache-2.0
"""The serial ports of this computer, and what USB tells of each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class SerialPort:
    """A serial port that is plugged in."""

    device: str
    """Its name now: /dev/ttyACM0, COM3. Another one the next time, perhaps."""
    description: str = ""
    usb_id: tuple[int, int] | None = None
    """(vendor, product); None where it is not on USB."""
    serial_number: str | None = None
    """Of the USB device; None: it has none."""
    location: str | None = None
    """The USB socket, like 1-1.2, with the interface after a colon where the device has several."""
    manufacturer: str = ""
    product: str = ""

    @property
    def address(self) -> str:
        """How a person tells it from others: `/dev/ttyACM0 (serial number 75, USB location 1-1.2)`."""
        facts = [f"serial number {self.serial_number}"] if self.serial_number else []
        facts += [f"USB location {self.location}"] if self.location else []
        return f"{self.device} ({', '.join(facts)})" if facts else self.device


def serial_ports() -> list[SerialPort]:
    """The serial ports that are plugged in, by name."""
    from serial.tools import list_ports  # not at the top: most commands need no port

    return [
        SerialPort(
            device=port.device,
            description=_text(port.description),
            usb_id=None if port.vid is None or port.pid is None else (port.vid, port.pid),
            serial_number=_text(port.serial_number) or None,
            location=port.location or None,
            manufacturer=_text(port.manufacturer),
            product=_text(port.product),
        )
        for port in sorted(list_ports.comports())
    ]


def _text(found: str | None) -> str:
    """What USB says; nothing, where a device says what nobody can print."""
    text = (found or "").strip()
    return text if text.isprintable() else ""


def at_device(device: str, ports: Sequence[SerialPort]) -> SerialPort | None:
    """The port of this name, links such as those in /dev/serial/by-id followed."""
    real = os.path.realpath(device)
    return next((port for port in ports if port.device in (device, real)), None)
