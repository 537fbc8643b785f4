# SPDX-License-Identifier: Apache-2.0
"""The flash of an ESP32 as its boot loader finds it, for Espressif's QEMU: what esptool would write, in one
file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from harness.build import Firmware
from harness.errors import UnavailableError

FLASH_BYTES: Final = 4 << 20

#: Where the parts lie (ESP-IDF, "Application Startup Flow"); PlatformIO's platform puts them beside the ELF.
PARTS: Final[Mapping[str, int]] = {
    "bootloader.bin": 0x1000,
    "partitions.bin": 0x8000,
    "firmware.bin": 0x10000,
}


def flash_image(firmware: Firmware) -> bytes:
    """4 MiB of flash: boot loader, partition table, application; the rest erased.

    Raises:
        UnavailableError: a part is missing, or longer than its place.
    """
    flash = bytearray(b"\xff" * FLASH_BYTES)
    ends = [*list(PARTS.values())[1:], FLASH_BYTES]
    for (name, start), end in zip(PARTS.items(), ends, strict=True):
        file = firmware.folder / name
        if not file.is_file():
            raise UnavailableError(
                f"{name} is not among the files of the build in {firmware.folder}.",
                cause="PlatformIO's platform espressif32 of this version calls it otherwise.",
                fix="Use the major version that firmware/platformio.ini names.",
            )
        content = file.read_bytes()
        if len(content) > end - start:
            raise UnavailableError(f"{file} has {len(content)} bytes, its place in flash {end - start}.")
        flash[start : start + len(content)] = content
    return bytes(flash)
