# SPDX-License-Identifier: Apache-2.0
"""Script of the `arduino_*` environments: our sources on PlatformIO's own platforms and Arduino cores.

Compiler, linker script, core and image are the platform's. Ours are the sources, -O2, no fused
multiply-add, and after the link: the digest, what compiled it, and what it takes to flash it again
without building.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from SCons.Script import COMMAND_LINE_TARGETS, DefaultEnvironment

env = DefaultEnvironment()
home = Path(env.subst("$PROJECT_DIR")) / "platforms" / "quantrig"
sys.path[:0] = [str(home / "builder")]

import qr_sources  # noqa: E402
import qr_stamp  # noqa: E402
import qr_toolchain  # noqa: E402

# on an ESP32 the stack of the benchmark's task, elsewhere an allowance: the core's calls are virtual ones
STACK_BYTES = {"espressif32": 16384}
OTHER_STACK_BYTES = 2048
EXTRA_IMAGE = "flash_"


def build() -> None:
    """Our part of a build. Flags stand in the whole environment, for the core as well."""
    name = env.subst("$PIOPLATFORM")
    stack_bytes = STACK_BYTES.get(name, OTHER_STACK_BYTES)
    env.Append(
        CCFLAGS=["-O2", "-ffp-contract=off"],
        CPPDEFINES=[
            ("QR_BOARD", env.StringifyMacro(qr_toolchain.board_name(env))),
            ("QR_PORT_ARDUINO", 1),
            ("QR_START_BAUD", f"{env.BoardConfig().get('build.baud', 115200)}UL"),
            ("QR_TASK_STACK_BYTES", stack_bytes),
            *qr_toolchain.optional_macros(env.BoardConfig()),
        ],
    )
    qr_sources.collect(env, "arduino")
    qr_stamp.after_link(env)
    env.Replace(QR_STACK_BYTES=stack_bytes)
    env.AddPostAction("$BUILD_DIR/${PROGNAME}.elf", env.VerboseAction(write_records, "Recording $TARGET"))


def write_records(target: Any, source: Any, env: Any) -> None:
    """SCons action: what compiled the program, its stack, and the images that are flashed beside its own."""
    folder = Path(env.subst("$BUILD_DIR"))
    command = [env.subst("$CC"), "--version"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env=env["ENV"]).stdout
    compiler = {"compiler": shown.splitlines()[0], "flags": [str(flag) for flag in env["CCFLAGS"]]}
    stack = {"reserve_bytes": env["QR_STACK_BYTES"], "fixed": True}
    for name, record in (("toolchain.json", compiler), ("stack.json", stack)):
        (folder / name).write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    for offset, image in env.get("FLASH_EXTRA_IMAGES", []):
        shutil.copyfile(env.subst(str(image)), folder / f"{EXTRA_IMAGE}{env.subst(str(offset))}.bin")


def flash_again() -> None:
    """Without a build the framework does not tell which images belong to the program's: the folder does."""
    folder = Path(env.subst("$BUILD_DIR"))
    images = [
        (path.stem.removeprefix(EXTRA_IMAGE), str(path)) for path in folder.glob(f"{EXTRA_IMAGE}0x*.bin")
    ]
    if images:
        env.Replace(FLASH_EXTRA_IMAGES=sorted(images))


if "nobuild" in COMMAND_LINE_TARGETS:
    flash_again()
else:
    build()
