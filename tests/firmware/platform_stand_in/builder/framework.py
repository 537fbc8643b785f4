# SPDX-License-Identifier: Apache-2.0
"""The stand-in core as a framework, with the images that belong to a program as on an ESP32."""

from __future__ import annotations

from pathlib import Path

from SCons.Script import DefaultEnvironment

env = DefaultEnvironment()
home = Path(env.PioPlatform().get_dir())
hz = env.BoardConfig().get("build.f_cpu").rstrip("L")
env.Append(CPPDEFINES=["ARDUINO_ARCH_ESP32", ("F_CPU", hz)], CPPPATH=[str(home / "core")])
env.Prepend(LIBS=[env.BuildLibrary("$BUILD_DIR/FrameworkArduino", str(home / "core"))])
made = env.Command(
    "$BUILD_DIR/bootloader.bin",
    str(home / "platform.json"),
    env.VerboseAction("cp $SOURCE $TARGET", "Building"),
)
env.Depends("$BUILD_DIR/$PROGNAME$PROGSUFFIX", made)
env.Append(
    FLASH_EXTRA_IMAGES=[
        ("0x1000", "$BUILD_DIR/bootloader.bin"),
        ("0xe000", str(home / "boards" / "esp32dev.json")),
    ]
)
