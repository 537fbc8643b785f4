# SPDX-License-Identifier: Apache-2.0
"""`framework = arduino` on AVR: Debian's core, compiled and archived as Arduino's own tools do it.

An archive, since a serial port that nobody uses must not be linked: its interrupts would be. The core's
warnings are its own affair; its frames are written down for the stack bound like ours.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from SCons.Script import DefaultEnvironment

CORE = Path("/usr/share/arduino/hardware/arduino/avr")
PACKAGE = "arduino-core-avr"
ARDUINO_VERSION = 10819  # of the IDE that Debian ships the core for


def add_core(env: Any) -> None:
    """Macros and include folders for all sources, and the archive of the core."""
    board = env.BoardConfig()
    core = CORE / "cores" / "arduino"
    if not (core / "Arduino.h").is_file():
        sys.exit(f"Error: {CORE} holds no Arduino core: `apt-get install {PACKAGE}`.")
    own = env.Clone(CPPPATH=[], CCFLAGS=[*_quiet(env["CCFLAGS"]), "-w"])
    for each in (env, own):
        each.Append(
            CPPDEFINES=[
                ("ARDUINO", ARDUINO_VERSION),
                "ARDUINO_ARCH_AVR",
                f"ARDUINO_{board.get('build.core_board')}",
                ("F_CPU", board.get("build.f_cpu")),
            ],
            CPPPATH=[str(core), str(CORE / "variants" / board.get("build.variant"))],
            CXXFLAGS=["-std=gnu++11", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"],
        )
    # avr-gcc 5 gives C++ no DECIMAL_DIG, which the core's strings use
    own.Append(CPPDEFINES=[("DECIMAL_DIG", "__DECIMAL_DIG__")], CXXFLAGS=["-fpermissive"])
    archive = own.BuildLibrary("$BUILD_DIR/core", str(core))
    env.Prepend(LIBS=[archive])


def _quiet(flags: list[Any]) -> list[Any]:
    """Compiler flags without those that ask for warnings."""
    return [flag for flag in flags if not str(flag).startswith("-W")]


add_core(DefaultEnvironment())
