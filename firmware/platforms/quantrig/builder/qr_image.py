# SPDX-License-Identifier: Apache-2.0
"""The file that is flashed: Intel HEX for AVR, raw binary for ARM, the program itself for this computer."""

from __future__ import annotations

from typing import Any

FORMAT = {"avr": ("firmware.hex", "-O ihex -R .eeprom"), "arm": ("firmware.bin", "-O binary")}


def make(env: Any, elf: Any) -> Any:
    """The node of the image, and PlatformIO's usual aliases for it."""
    from SCons.Script import AlwaysBuild

    image = elf
    if env["QR_ARCH"] in FORMAT:
        name, options = FORMAT[env["QR_ARCH"]]
        action = env.VerboseAction(f"$OBJCOPY {options} $SOURCE $TARGET", "Building $TARGET")
        image = env.Command(f"$BUILD_DIR/{name}", elf, action)
    AlwaysBuild(env.Alias("nobuild", image))
    AlwaysBuild(env.Alias("buildprog", image, image))
    return image
