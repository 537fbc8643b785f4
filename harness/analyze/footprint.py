# SPDX-License-Identifier: Apache-2.0
"""Flash and RAM of a program on a board, before anything is compiled.

Flash: the firmware around the model, every section that the model's kernels pull in (once), the model's
tables with their alignment, and the code of its calls. RAM: the same sections as the linker lays them out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from harness.analyze.size_table import BoardSize, KernelSize, RamSection, SizeTable, size_table
from harness.boards import Board
from harness.compiler import Program
from harness.compiler.emit import tables

_IO_BYTES: Final = 8  # struct qr_io
_DIGEST_BYTES: Final = 32

#: As far as avr-gcc reads constants in flash.
_NEAR_BYTES: Final = 0x10000


@dataclass(frozen=True, kw_only=True, slots=True)
class Footprint:
    """What a firmware of this model will take; all in bytes."""

    flash_bytes: int
    flash_model_bytes: int
    """Of it the model's tables."""
    ram_static_bytes: int
    """.data and .bss, arena included: exact."""
    stack_bytes: int
    """Reserve for the deepest chain of calls and one interrupt; 0 on a process of this computer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """One board: what the model needs there, and whether that is there."""

    board: Board
    footprint: Footprint | None
    """None where nothing is known, or the model is not supported; `reason` says why."""
    reason: str = ""
    too_large: bool = False
    """Does not fit, whatever the rest of the firmware takes."""
    supported: bool = True
    """On this board's CPU."""

    @property
    def flash_left_bytes(self) -> int | None:
        """Negative: so many are missing. None: no limit, or not known."""
        if self.footprint is None or self.board.flash_bytes is None:
            return None
        return self.board.flash_bytes - self.footprint.flash_bytes

    @property
    def ram_left_bytes(self) -> int | None:
        """The same of RAM, with the stack's reserve counted as used."""
        if self.footprint is None or self.board.ram_bytes is None:
            return None
        return self.board.ram_bytes - self.footprint.ram_static_bytes - self.footprint.stack_bytes

    @property
    def fits(self) -> bool | None:
        """None: not known."""
        if self.footprint is None:
            return False if self.too_large else None
        near = not self.board.cpu.startswith("avr") or self.footprint.flash_model_bytes < _NEAR_BYTES
        return near and (self.flash_left_bytes or 0) >= 0 and (self.ram_left_bytes or 0) >= 0


def fit(program: Program, board: Board) -> Fit:
    """Estimate a program on a board."""
    table = size_table(board.pio_env)
    if table is None:
        return _fit_of_parts(program, board, "no sizes have been measured with its compiler")
    used = _used_kernels(program)
    types = {constant.ctype for constant in tables(program).values()}
    unknown = sorted((used - table.kernels.keys()) | {name for name in types if not table.knows(name)})
    if unknown:
        reason = f"the sizes of {board.pio_env} lack {', '.join(unknown)} (`./run size_tables`)"
        return _fit_of_parts(program, board, reason)
    return Fit(board=board, footprint=_footprint(program, table, table.board(board), used))


def _fit_of_parts(program: Program, board: Board, reason: str) -> Fit:
    """What can be said without measured sizes: whether the model alone is too large."""
    model = sum(constant.nbytes for constant in tables(program).values())
    arena = program.layout.plan.arena_bytes
    over = [
        f"{part} alone take{'s' if part == 'the arena' else ''} {needed:,} of {limit:,} bytes"
        for part, needed, limit in (
            ("the tables", model, board.flash_bytes),
            ("the arena", arena, board.ram_bytes),
        )
        if limit is not None and needed > limit
    ]
    return Fit(board=board, footprint=None, reason="; ".join(over) or reason, too_large=bool(over))


def _used_kernels(program: Program) -> set[str]:
    used = {call.function for step in program.steps for call in step.calls}
    return used | ({"memset"} if program.states else set())


def _footprint(program: Program, table: SizeTable, board: BoardSize, used: Iterable[str]) -> Footprint:
    kernels = [table.kernels[name] for name in used]
    atoms = frozenset[int]().union(*(kernel.atoms for kernel in kernels))
    imports = frozenset[str]().union(*(kernel.imports for kernel in kernels))
    model, padded = _constants(program, table)
    sections = [atom for atom in (table.atoms[i] for i in atoms) if atom.stored]
    code = sum(_padded(a.size, a.align) for a in sections)
    code += round(len(sections) * table.unwinding_bytes)
    ends = len(program.graph.inputs) + len(program.graph.outputs)
    flash = board.flash_bytes + (board.flash_bytes_several_ends if ends > 2 else 0)
    shared = table.libm_bytes if any(not name.startswith("mem") for name in imports) else 0.0
    flash += code + padded
    flash += round(_calls(program, table) + len(imports) * table.import_flash_bytes + shared)
    ram = sum(ram_sizes(board.ram, atoms, program.layout.plan.arena_bytes))
    return Footprint(
        flash_bytes=flash,
        flash_model_bytes=model,
        ram_static_bytes=ram + round(len(imports) * table.import_ram_bytes + shared),
        stack_bytes=_stack(board, kernels),
    )


def _constants(program: Program, table: SizeTable) -> tuple[int, int]:
    """Bytes of the model's constants, without and with padding."""
    info = 2 + sum(
        10 + 4 * len(t.shape) for t in (*program.graph.input_tensors(), *program.graph.output_tensors())
    )
    ends = (len(program.graph.inputs), len(program.graph.outputs))
    sizes = [table.layout("uint8_t", count) for count in (_DIGEST_BYTES, info)]
    sizes += [table.layout("int32_t", count * _IO_BYTES // 4) for count in ends]
    sizes += [table.layout(c.ctype, len(c.items) if c.is_array else 1) for c in tables(program).values()]
    return sum(size for size, _ in sizes), sum(_padded(size, align) for size, align in sizes)


def _calls(program: Program, table: SizeTable) -> float:
    """Code of the inference itself and of the reset."""
    calls = sum(table.kernels[call.function].call_bytes for step in program.steps for call in step.calls)
    return calls + len(program.states) * table.kernels["memset"].call_bytes


def ram_sizes(sections: Sequence[RamSection], atoms: frozenset[int], arena_bytes: int) -> tuple[int, ...]:
    """Bytes of each output section in RAM, with these atoms, as a linker lays it out."""
    sizes = []
    # the regions begin at addresses that every alignment divides
    at = 0
    for section in sections:
        parts = [part for part in section.parts if part.owner in ("base", "arena") or part.owner in atoms]
        begin = at = _padded(at, max((part.align for part in parts), default=1))
        for part in parts:
            at = _padded(at, part.align) + (arena_bytes if part.owner == "arena" else part.size)
        at = _padded(at, section.end_align) + section.fixed_bytes
        sizes.append(at - begin)
    return tuple(sizes)


def _padded(size: int, align: int) -> int:
    return -(-size // align) * align


def _stack(board: BoardSize, kernels: Sequence[KernelSize]) -> int:
    if not board.main_stack_bytes:
        return 0
    # the frame of the inference serves all of its calls
    inference = max((k.frame_bytes for k in kernels), default=0) + max(
        (k.stack_bytes for k in kernels), default=0
    )
    deepest = max(board.main_stack_bytes, board.above_inference_bytes + inference)
    return _padded(deepest + board.interrupt_bytes, board.stack_align)
