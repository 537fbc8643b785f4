# SPDX-License-Identifier: Apache-2.0
"""Script of the `*_upstream` environments: our sources, macros and linker script on PlatformIO's platforms.

The board is the one of ours whose name the environment begins with. Those platforms own the link, so it
happens once, with a fixed stack reserve: sizes for the record come from the local environments.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from SCons.Script import DefaultEnvironment

env = DefaultEnvironment()
home = Path(env.subst("$PROJECT_DIR")) / "platforms" / "quantrig"
sys.path[:0] = [str(home / "builder"), str(home)]

import qr_link  # noqa: E402
import qr_sources  # noqa: E402
import qr_toolchain  # noqa: E402

STACK_RESERVE_BYTES = {"avr": 256, "arm": 2048}


class Board:
    """A board file of ours, read as PlatformIO reads its own, and the project's `board_build.*` before it."""

    def __init__(self, name: str) -> None:
        self.id = name
        self._manifest = json.loads((home / "boards" / f"{name}.json").read_text(encoding="utf-8"))

    def get(self, path: str, default: Any = None) -> Any:
        """The value at a dotted path, or `default`."""
        group, key = path.split(".")
        if group == "build" and (chosen := env.GetProjectOption(f"board_{path}", "")):
            return chosen
        return self._manifest.get(group, {}).get(key, default)


board = Board(env["PIOENV"].removesuffix("_upstream"))
arch = board.get("build.arch")
machine = qr_toolchain.machine_flags(arch, board.get("build.mcu"), board.get("build.cpu", ""))
regions = qr_link.region_flags(board, board.get("upload.maximum_size"), board.get("upload.maximum_ram_size"))
env.Append(
    CCFLAGS=[
        *machine,
        board.get("build.optimize"),
        *qr_toolchain.flags(arch),
        *qr_toolchain.path_maps(env, arch),
    ],
    CFLAGS=["-std=gnu11"],
    CPPDEFINES=qr_toolchain.macros(env, board),
    LINKFLAGS=[
        *machine,
        *qr_link.fixed_flags(arch),
        *regions,
        f"-Wl,--defsym=__qr_stack_reserve={STACK_RESERVE_BYTES[arch]}",
    ],
)
if arch == "avr":
    env.Append(LINKFLAGS=[str(home / "ldscripts" / "avr_stack.ld")])
qr_sources.collect(env, board.get("build.port"), board.get("build.shared", ""))
