# SPDX-License-Identifier: Apache-2.0
"""Links twice: once without limits, to know the sizes and the stack, then within the board's memory.

`firmware-unbounded.elf` always links, so that a firmware too large for the board still has sizes;
`stack.json` and `reserve.ld` follow from it; `firmware.elf` links only when everything fits, stack
included. A program on this computer has no limits and is linked once.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from qr_toolchain import linker_flag, map_flag
from stack_bound import ARCHES, StackBoundError, stack_bound

UNBOUNDED_BYTES = 0x1000_0000
SCRIPTS = ("avr_stack.ld", "cortexm.ld", "esp32sim.ld")
UNBOUNDED_AVR_FLASH_BYTES = 0x0070_0000  # data addresses begin at 0x800000
UNBOUNDED_AVR_RAM_BYTES = 0x0008_0000

#: What the stack's bound is read off, where it is not just the disassembly (see stack_xtensa.py).
LISTINGS = {
    "xtensa": [["-d", "--no-show-raw-insn", "--mcpu=esp32", "-j", ".text"], ["-s", "-j", ".literal"]],
}


def program(env: Any) -> Any:
    """The node of firmware.elf, with everything that it needs."""
    arch = env["QR_ARCH"]
    if arch == "native":
        env.Append(LINKFLAGS=["-Wl,--build-id=none"])
        return env.BuildProgram()
    board = env.BoardConfig()
    base = list(env["LINKFLAGS"]) + fixed_flags(arch)
    limits = region_flags(board, board.get("upload.maximum_size"), board.get("upload.maximum_ram_size"))
    reserve = "$BUILD_DIR/reserve.ld"
    env.Replace(LINKFLAGS=[*base, *limits, *script_flags(env, arch), env.subst(reserve)])
    elf = env.BuildProgram()
    base[base.index(map_flag(env, "firmware"))] = map_flag(env, "firmware-unbounded")
    loose = env.Clone(LINKFLAGS=[*base, *unbounded_flags(arch, board), *script_flags(env, arch)])
    unbounded = loose.Program("$BUILD_DIR/firmware-unbounded", env["PIOBUILDFILES"])
    bound = env.Command(
        [reserve, "$BUILD_DIR/stack.json"],
        unbounded,
        env.VerboseAction(_write_bound, "Bounding the stack of $SOURCE"),
    )
    env.Depends(elf, bound)
    for node in (elf, unbounded):
        env.Depends(node, [f"$QR_LDSCRIPTS/{name}" for name in SCRIPTS])
    return elf


def fixed_flags(arch: str) -> list[str]:
    """No start files on ARM: the port has its own, and no system calls: nothing may ask for a heap."""
    return {
        "arm": ["-nostartfiles", "--specs=nano.specs", "-Wl,--no-warn-rwx-segments"],
        "xtensa": ["--no-warn-rwx-segments", "--no-warn-execstack"],
    }.get(arch, [])


def region_flags(board: Any, flash_bytes: int, ram_bytes: int) -> list[str]:
    """Where the memory regions begin and how large they are, as symbols that the linker scripts read.

    An AVR's `ram_origin` has the offset by which the linker tells data from code.
    """
    arch = board.get("build.arch")
    symbols = {"__qr_ram_bytes": ram_bytes}
    if arch == "arm":
        symbols["__qr_flash_origin"] = int(board.get("build.flash_origin"), 16)
        symbols["__qr_flash_bytes"] = flash_bytes
    elif arch == "xtensa":
        symbols["__qr_flash_bytes"] = flash_bytes
    else:
        ram_origin = int(board.get("build.ram_origin"), 16)
        symbols["__TEXT_REGION_LENGTH__"] = flash_bytes
        symbols["__DATA_REGION_LENGTH__"] = ram_bytes
        symbols["__DATA_REGION_ORIGIN__"] = symbols["__qr_ram_origin"] = ram_origin
    return [linker_flag(arch, f"--defsym={name}={value:#x}") for name, value in symbols.items()]


def unbounded_flags(arch: str, board: Any) -> list[str]:
    """Regions that no model exceeds, and no stack reserve yet."""
    sizes = (
        (UNBOUNDED_AVR_FLASH_BYTES, UNBOUNDED_AVR_RAM_BYTES)
        if arch == "avr"
        else (UNBOUNDED_BYTES, UNBOUNDED_BYTES)
    )
    symbols = ["__qr_stack_reserve=0", "__qr_unbounded=1"]
    return [*region_flags(board, *sizes), *(linker_flag(arch, f"--defsym={text}") for text in symbols)]


def script_flags(env: Any, arch: str) -> list[str]:
    """Our script for the board; for AVR a check added to the toolchain's own."""
    if arch != "avr":
        script = env.BoardConfig().get("build.linker_script")
        return ["-T", env.subst(f"$QR_LDSCRIPTS/{script}")]
    return [env.subst("$QR_LDSCRIPTS/avr_stack.ld")]


def _write_bound(target: Any, source: Any, env: Any) -> int:
    """SCons action: disassemble the unbounded program, bound its stack, write it for the linker and us."""
    objdump, program = env.subst("$OBJDUMP"), str(source[0])
    listing = "".join(
        subprocess.run([objdump, *options, program], capture_output=True, text=True, check=True).stdout
        for options in LISTINGS.get(env["QR_ARCH"], [["-d", "--no-show-raw-insn"]])
    )
    usage = [path.read_text(encoding="utf-8") for path in _su_files(env) if path.is_file()]
    cpu = env.BoardConfig().get("build.cpu", "")
    try:
        bound = stack_bound(cpu if cpu in ARCHES else env["QR_ARCH"], listing, usage)
    except StackBoundError as error:
        sys.stderr.write(f"Error: the stack has no bound: {error}\n")
        return 1
    reserve, report = (Path(str(node)) for node in target)
    reserve.write_text(f"__qr_stack_reserve = {bound.reserve_bytes};\n", encoding="utf-8")
    text = json.dumps(dataclasses.asdict(bound), indent=2, sort_keys=True)
    report.write_text(text + "\n", encoding="utf-8")
    return 0


def _su_files(env: Any) -> list[Path]:
    """The .su file that GCC puts beside each object."""
    return [Path(str(node)).with_suffix(".su") for node in env.Flatten(env["PIOBUILDFILES"])]
