# SPDX-License-Identifier: Apache-2.0
"""The flash of an ESP32 as its boot loader finds it, for Espressif's QEMU: what esptool would write, in one
file.
"""

from __future__ import annotations

import re
from typing import Final

from harness.build import Firmware
from harness.errors import UnavailableError

FLASH_BYTES: Final = 4 << 20

#: Where the boot loader's first stage looks for the second (ESP-IDF, "Application Startup Flow").
BOOT_LOADER_AT: Final = 0x1000

#: Where PlatformIO's platform espressif32 puts the application, which its partition tables agree with.
APPLICATION_AT: Final = 0x10000


def flash_image(firmware: Firmware) -> bytes:
    """4 MiB of flash: the images that the builder put beside the program (firmware/platforms/quantrig/
    upstream_arduino.py) at the addresses in their names, the application, the rest erased.

    Raises:
        UnavailableError: there is no boot loader, or an image is longer than its place.
    """
    parts = {APPLICATION_AT: firmware.image}
    for file in firmware.folder.glob("flash_0x*.bin"):
        if found := re.fullmatch(r"flash_0x([0-9a-fA-F]{1,6})\.bin", file.name):
            parts[int(found[1], 16)] = file
    if BOOT_LOADER_AT not in parts:
        raise UnavailableError(
            f"No boot loader for {BOOT_LOADER_AT:#x} is among the files of the build in {firmware.folder}.",
            cause="PlatformIO's platform espressif32 of this version keeps it elsewhere.",
            fix="Use the major version that firmware/platformio.ini names.",
        )
    flash = bytearray(b"\xff" * FLASH_BYTES)
    starts = sorted(parts)
    for start, end in zip(starts, [*starts[1:], FLASH_BYTES], strict=True):
        content = parts[start].read_bytes()
        if len(content) > end - start:
            raise UnavailableError(
                f"{parts[start]} has {len(content)} bytes, its place in flash {max(0, end - start)}."
            )
        flash[start : start + len(content)] = content
    return bytes(flash)
