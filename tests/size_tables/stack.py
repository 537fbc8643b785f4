# SPDX-License-Identifier: Apache-2.0
"""Stack of single functions, by the same analysis that bounds a firmware's (firmware/platforms/quantrig)."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.boards import Board
from harness.resources import resource

PLATFORM = resource("firmware") / "platforms" / "quantrig"

sys.path.insert(0, str(PLATFORM))
_bound: Any = importlib.import_module("stack_bound")
_xtensa: Any = importlib.import_module("stack_xtensa")

_LISTERS = {
    "avr": ("avr-objdump", [["-d", "--no-show-raw-insn"]]),
    "arm": ("arm-none-eabi-objdump", [["-d", "--no-show-raw-insn"]]),
    "xtensa": (
        "llvm-objdump-22",
        [["-d", "--no-show-raw-insn", "--mcpu=esp32", "-j", ".text"], ["-s", "-j", ".literal"]],
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Stacks:
    """Bytes of stack."""

    main_bytes: int
    """Deepest from the start of the program; 0 where stacks are not bounded."""
    interrupt_bytes: int
    align: int
    depths: dict[str, int]
    """Of each probe function and each kernel, itself and all that it calls."""
    return_bytes: int
    """What a call pushes."""


def read_stacks(board: Board, output: Path, linked: Path) -> Stacks:
    """Analyse a linked probe."""
    if board.port == "native":
        return Stacks(main_bytes=0, interrupt_bytes=0, align=1, depths={}, return_bytes=0)
    name = {"avr": "avr", "avr_arduino": "avr", "arm": "arm", "esp32_llvm": "xtensa"}[board.toolchain]
    program, options = _LISTERS[name]
    listing = "".join(
        subprocess.run([program, *each, str(linked)], capture_output=True, text=True, check=True).stdout
        for each in options
    )
    usage = [path.read_text(encoding="utf-8") for path in sorted(output.rglob("*.su"))]
    known = "avr6" if board.cpu == "avr6" else name
    bound = _bound.stack_bound(known, listing, usage)
    arch = _bound.ARCHES[known]
    if name == "xtensa":
        functions = _xtensa.parse(listing)
        frames = _bound.largest((_bound.source_name(f.name), f.pushed) for f in functions.values())
    else:
        functions, frames = _bound.parse_disassembly(listing, arch), _bound.parse_su(usage)
    nodes = _bound._graph(functions, frames, arch)
    roots = sorted(node for node in nodes if re.fullmatch(r"qr_probe_\w+|qr_model_invoke", node))
    depths, _ = _bound._depths(nodes, roots, arch)
    return Stacks(
        main_bytes=bound.main_bytes,
        interrupt_bytes=bound.interrupt_bytes,
        align=arch.align,
        depths=dict(depths),
        return_bytes=arch.return_bytes,
    )
