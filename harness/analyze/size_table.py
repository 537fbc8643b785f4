# SPDX-License-Identifier: Apache-2.0
"""Measured sizes of one environment's code (sizes/*.json): the firmware around a model, and each kernel.

`./run size_tables` makes the files: it links an idle firmware and one that calls every kernel, and reads
off the objects which sections each kernel pulls in. A section that several need (an *atom*: a kernel, a
function of libgcc or libm, a table of theirs) counts once.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.boards import Board

_FOLDER: Final = Path(__file__).resolve().parent / "sizes"


@dataclass(frozen=True, kw_only=True, slots=True)
class Atom:
    """A section that is linked as a whole or not at all."""

    object: str
    section: str
    size: int
    align: int
    stored: bool
    """Takes flash (.bss does not)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelSize:
    """What a kernel costs."""

    atoms: frozenset[int]
    """Everything that it pulls in, itself included."""
    call_bytes: float
    """Code of one more call of it."""
    frame_bytes: int
    """Stack of a function that calls it, what it passes on the stack included."""
    stack_bytes: int
    """Of itself and everything below it."""
    imports: frozenset[str]
    """Functions of shared libraries, in a process of this computer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RamPart:
    """One input section of an output section in RAM."""

    owner: int | str
    """An atom's number, or `base`: always there, or `arena`."""
    size: int
    align: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RamSection:
    """An output section in RAM, its parts in the order of the link."""

    name: str
    end_align: int
    fixed_bytes: int
    parts: tuple[RamPart, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class BoardSize:
    """The firmware around a model."""

    flash_bytes: int
    flash_bytes_several_ends: int
    """More of it for a model with several inputs or outputs."""
    ram: tuple[RamSection, ...]
    main_stack_bytes: int
    """Deepest without an inference; 0 where the stack has no limit to keep."""
    above_inference_bytes: int
    """Stack in use when an inference begins."""
    interrupt_bytes: int
    stack_align: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SizeTable:
    """The numbers of one environment."""

    pio_env: str
    toolchain: str
    import_flash_bytes: float
    import_ram_bytes: float
    libm_bytes: float
    """Flash and RAM of the first function that comes from libm instead of libc."""
    unwinding_bytes: float
    """Flash beside the code of each function."""
    structures: Mapping[str, tuple[int, int]]
    """Name -> (size, alignment)."""
    scalars: Mapping[str, int]
    """Element type -> size."""
    arrays: Mapping[str, tuple[tuple[int, int], ...]]
    """Element type -> (from so many bytes on, alignment), ascending."""
    atoms: tuple[Atom, ...]
    kernels: Mapping[str, KernelSize]
    boards: Mapping[str, BoardSize]

    def board(self, board: Board) -> BoardSize:
        """The board's own numbers, or those of the first board of its environment."""
        return self.boards.get(board.name) or next(iter(self.boards.values()))

    def knows(self, ctype: str) -> bool:
        """Whether `layout` can tell."""
        return ctype in self.scalars or ctype.removeprefix("struct ") in self.structures

    def layout(self, ctype: str, count: int) -> tuple[int, int]:
        """(bytes, alignment) of a constant of `count` elements."""
        if ctype.startswith("struct "):
            size, align = self.structures[ctype.removeprefix("struct ")]
        else:
            size, align = self.scalars[ctype], self._array_align(ctype, 0)
        nbytes = size * count
        return nbytes, max(align, self._array_align("uint8_t", nbytes))

    def _array_align(self, ctype: str, nbytes: int) -> int:
        return max((align for start, align in self.arrays[ctype] if start <= nbytes), default=1)


@functools.cache
def size_table(pio_env: str) -> SizeTable | None:
    """The table of an environment of firmware/platformio.ini; None: nobody has measured it."""
    file = _FOLDER / f"{pio_env}.json"
    if not file.is_file():
        return None
    content = json.loads(file.read_text(encoding="utf-8"))
    return SizeTable(
        pio_env=content["pio_env"],
        toolchain=content["toolchain"],
        import_flash_bytes=content["import"]["flash_bytes"],
        import_ram_bytes=content["import"]["ram_bytes"],
        libm_bytes=content["import"]["libm_bytes"],
        unwinding_bytes=content["unwinding_bytes"],
        structures={name: (size, align) for name, (size, align) in content["structures"].items()},
        scalars=content["scalars"],
        arrays={
            name: tuple((start, align) for start, align in steps) for name, steps in content["arrays"].items()
        },
        atoms=tuple(
            Atom(object=row[0], section=row[1], size=row[2], align=row[3], stored=bool(row[4]))
            for row in content["atoms"]
        ),
        kernels={name: _kernel(entry) for name, entry in content["kernels"].items()},
        boards={name: _board(entry) for name, entry in content["boards"].items()},
    )


def _kernel(entry: Mapping[str, Any]) -> KernelSize:
    return KernelSize(
        atoms=frozenset(entry["atoms"]),
        call_bytes=entry["call_bytes"],
        frame_bytes=entry["frame_bytes"],
        stack_bytes=entry["stack_bytes"],
        imports=frozenset(entry["imports"]),
    )


def _board(entry: Mapping[str, Any]) -> BoardSize:
    stack = entry["stack"]
    return BoardSize(
        flash_bytes=entry["flash_bytes"],
        flash_bytes_several_ends=entry["flash_bytes_several_ends"],
        ram=tuple(
            RamSection(
                name=section["name"],
                end_align=section["end_align"],
                fixed_bytes=section["fixed_bytes"],
                parts=tuple(RamPart(owner=o, size=s, align=a) for o, s, a in section["parts"]),
            )
            for section in entry["ram"]
        ),
        main_stack_bytes=stack["main_bytes"],
        above_inference_bytes=stack["above_inference_bytes"],
        interrupt_bytes=stack["interrupt_bytes"],
        stack_align=stack["align"],
    )
