# SPDX-License-Identifier: Apache-2.0
"""What the built probes of one board say, as the numbers that the estimate adds up."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.analyze.footprint import ram_sizes
from harness.analyze.size_table import RamPart, RamSection
from harness.boards import Board
from tests.size_tables import probe
from tests.size_tables.link_map import Placed, short
from tests.size_tables.measure import Built, build_probe
from tests.size_tables.objects import InputSection, Key

_ARENA: Final = "qr_arena"
#: What grows with each function that comes from a shared library.
_LINKER_MADE: Final = frozenset(
    {
        ".dynsym",
        ".dynstr",
        ".gnu.version",
        ".gnu.hash",
        ".rela.plt",
        ".rela.dyn",
        ".plt",
        ".plt.sec",
        ".plt.got",
        ".got",
        ".got.plt",
    }
)
#: Sections in RAM that are laid out part by part; others do not follow from the model.
_LAID_OUT: Final = (".data", ".bss")
#: To what the linker scripts round the end of a section; elsewhere to nothing.
_END_ALIGNS: Final[Mapping[str, Mapping[str, int]]] = {
    "host": {".bss": 8},
    "arm": {".data": 4, ".bss": 8},
    "esp32_llvm": {".data": 4, ".bss": 16},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Probes:
    """The builds of one board."""

    board: Board
    idle: Built
    several: Built
    """The same with two inputs and outputs."""
    full: Built


def build_probes(board: Board) -> Probes:
    """All of them, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        return Probes(
            board=board,
            idle=build_probe(board, probe.idle_model(board), work, kernels=False),
            several=build_probe(board, probe.idle_model(board, ends=2), work, kernels=False),
            full=build_probe(board, probe.full_model(board), work, kernels=True),
        )


def board_numbers(probes: Probes, atoms: Mapping[Key, int]) -> dict[str, Any]:
    """What depends on the board: the firmware around the model."""
    idle, full = probes.idle, probes.full
    base = _code_bytes(idle)
    above = full.stacks.main_bytes - full.stacks.depths.get("qr_model_invoke", 0)
    return {
        "flash_bytes": base,
        "flash_bytes_several_ends": _code_bytes(probes.several) - base,
        "ram": [
            {
                "name": section.name,
                "end_align": section.end_align,
                "fixed_bytes": section.fixed_bytes,
                "parts": [[part.owner, part.size, part.align] for part in section.parts],
            }
            for section in ram_sections(probes, atoms)
        ],
        "stack": {
            "main_bytes": idle.stacks.main_bytes,
            "above_inference_bytes": above,
            "interrupt_bytes": idle.stacks.interrupt_bytes,
            "align": idle.stacks.align,
        },
    }


def _code_bytes(built: Built) -> int:
    """Flash without the constants of model.c."""
    constants = [
        s for s in _kept(built, built.model_object) if s.stored and not s.executable and not _is_unwinding(s)
    ]
    return built.flash_bytes - sum(_rounded(s) for s in constants)


def _is_unwinding(section: InputSection) -> bool:
    return section.name.startswith(".eh_frame")


def _rounded(section: InputSection) -> int:
    return -(-section.size // section.align) * section.align


def _kept(built: Built, file: str) -> list[InputSection]:
    """An object's sections that the linker kept."""
    names = {p.name for p in built.map.placed if p.file == file}
    return [s for s in built.objects.sections.values() if s.key[0] == file and s.name in names]


def base_names(built: Built) -> set[tuple[str, str]]:
    """(object, section) of everything that the linker kept."""
    return {(short(p.file), p.name) for p in built.map.placed}


def find_atoms(probes: Probes) -> dict[Key, int]:
    """Sections that a kernel can add to the idle firmware, numbered in the order of the link."""
    full, base = probes.full, base_names(probes.idle)
    placed = base_names(full)
    wanted: set[Key] = set()
    for kernel in probe.kernels(probe.headers()):
        wanted |= {key for key in full.objects.closure([kernel.name]) if not isinstance(key, str)}
    order = {file: number for number, file in enumerate(full.map.objects)}
    chosen = []
    for key in sorted(wanted, key=lambda key: (order[key[0]], key[1])):
        section = full.objects.sections.get(key)
        name = (short(key[0]), section.name) if section else ("", "")
        if section and name in placed and name not in base:
            chosen.append(key)
    return {key: number for number, key in enumerate(chosen)}


def ram_sections(probes: Probes, atoms: Mapping[Key, int]) -> tuple[RamSection, ...]:
    """The sections in RAM with their parts in the order of the link.

    Raises:
        ValueError: laid out as the estimate does it, they have other sizes than the linker gave them.
    """
    full, base = probes.full, base_names(probes.idle)
    by_name = {(key[0], section.name): key for key, section in full.objects.sections.items()}
    sizes = {s.name: s.size for s in probes.idle.program.sections if s.writable}
    ends = _END_ALIGNS.get(probes.board.toolchain, {})
    found = []
    for name in [s.name for s in full.program.sections if s.writable]:
        parts = []
        for placed in full.map.placed:
            key = by_name.get((placed.file, placed.name))
            if placed.output != name or name not in _LAID_OUT or key is None:
                continue
            owner = _owner(placed, atoms.get(key), base)
            if owner is not None:
                align = full.objects.sections[key].align
                parts.append(RamPart(owner=owner, size=placed.size, align=align))
        fixed = 0 if name in _LAID_OUT else sizes.get(name, 0)
        found.append(
            RamSection(name=name, end_align=ends.get(name, 1), fixed_bytes=fixed, parts=tuple(parts))
        )
    _check_ram(probes, tuple(found), frozenset(atoms.values()))
    return tuple(found)


def _owner(placed: Placed, atom: int | None, base: set[tuple[str, str]]) -> int | str | None:
    if atom is not None:
        return atom
    if placed.name.endswith(_ARENA):
        return "arena"
    return "base" if (short(placed.file), placed.name) in base else None


def _check_ram(probes: Probes, sections: tuple[RamSection, ...], atoms: frozenset[int]) -> None:
    for built, present in ((probes.idle, frozenset[int]()), (probes.full, atoms)):
        arena = next(p.size for p in built.map.placed if p.name.endswith(_ARENA))
        sizes = {s.name: s.size for s in built.program.sections if s.writable}
        for section, size in zip(sections, ram_sizes(sections, present, arena), strict=True):
            if section.name in _LAID_OUT and sizes.get(section.name, 0) != size:
                raise ValueError(
                    f"{probes.board.name}: {section.name} has {sizes.get(section.name, 0)} bytes, not {size}"
                )


def kernel_numbers(probes: Probes, atoms: Mapping[Key, int]) -> dict[str, Any]:
    """What each kernel pulls in, what a call of it takes, and its stack."""
    full = probes.full
    numbers: dict[str, Any] = {}
    base_imports = _imports(probes.idle)
    for name in [*(k.name for k in probe.kernels(probe.headers())), "memset"]:
        # of a constant size it may be done in place, without a call
        closure = full.objects.closure([f"qr_probe_{probe.MANY}_memset" if name == "memset" else name])
        few, many = (_function_bytes(full, f"qr_probe_{n}_{name}") for n in (probe.FEW, probe.MANY))
        numbers[name] = {
            "atoms": sorted(atoms[key] for key in closure if not isinstance(key, str) and key in atoms),
            "call_bytes": round((many - few) / (probe.MANY - probe.FEW), 2),
            "frame_bytes": _frame_bytes(full, name),
            "stack_bytes": full.stacks.depths.get(name, 0),
            "imports": sorted(
                k for k in closure if isinstance(k, str) and k in _imports(full) - base_imports
            ),
        }
    return numbers


def _frame_bytes(built: Built, name: str) -> int:
    """Stack of a function that does nothing but call this one."""
    stacks = built.stacks
    whole = stacks.depths.get(f"qr_probe_{probe.MANY}_{name}", 0)
    return max(0, whole - stacks.depths.get(name, 0))


def unwinding_bytes(probes: Probes) -> float:
    """Flash of the notes for exceptions, of one function: programs of this computer have them."""
    grown = 0
    for name in (".eh_frame", ".eh_frame_hdr"):
        before, after = (
            sum(s.size for s in built.program.sections if s.name == name)
            for built in (probes.idle, probes.full)
        )
        grown += after - before
    added = len({p.name for p in probes.full.map.placed} - {p.name for p in probes.idle.map.placed})
    return round(grown / added, 1) if probes.full.program.hosted else 0.0


def import_numbers(probes: Probes) -> dict[str, float]:
    """Flash and RAM of one function of a shared library: the linker's tables grow with them."""
    added = len(_imports(probes.full) - _imports(probes.idle))
    if not added:
        return {"flash_bytes": 0.0, "ram_bytes": 0.0, "libm_bytes": 0.0}
    before = {s.name: s.size for s in probes.idle.program.sections}
    grown = [
        (s, s.size - before.get(s.name, 0)) for s in probes.full.program.sections if s.name in _LINKER_MADE
    ]
    return {
        "flash_bytes": round(sum(size for s, size in grown if s.stored) / added, 2),
        "ram_bytes": sum(size for s, size in grown if s.writable) / added,
        # that the program needs libm at all is an entry of its own
        "libm_bytes": sum(s.size for s in probes.full.program.sections if s.name == ".dynamic")
        - before.get(".dynamic", 0),
    }


def _imports(built: Built) -> set[str]:
    """What a program on this computer takes from shared libraries: undefined in all of its objects."""
    if not built.program.hosted:
        return set()
    kept = {(p.file, p.name) for p in built.map.placed}
    return {
        target
        for key, targets in built.objects.refs.items()
        if (section := built.objects.sections.get(key)) and (key[0], section.name) in kept
        for target in targets
        if isinstance(target, str) and target and target not in built.objects.symbols
    }


def _function_bytes(built: Built, name: str) -> int:
    """Code of one function of model.c, its literals and what belongs to its unwinding included."""
    pattern = re.compile(rf"\.(text|literal)\.{name}|\.text\.{name}\.literal|\.literal\.text\.{name}")
    return sum(_rounded(s) for s in _kept(built, built.model_object) if pattern.fullmatch(s.name))


def type_numbers(built: Built) -> dict[str, Any]:
    """Sizes and alignments as the compiler has them."""
    sizes = built.objects.sizes
    structures = {
        name: [sizes[f"qr_size_{name}"], sizes[f"qr_align_{name}"]]
        for name in probe.structures(probe.headers())
    }
    arrays: dict[str, list[list[int]]] = {}
    for scalar in probe.SCALARS:
        found: list[list[int]] = []
        for bytes_ in probe.ALIGN_BYTES:
            key = built.objects.symbols[f"qr_array_{scalar}_{bytes_}"]
            align = built.objects.sections[key].align
            if not found or found[-1][1] != align:
                found.append([sizes[f"qr_array_{scalar}_{bytes_}"] if found else 0, align])
        arrays[scalar] = found
    scalars = {scalar: sizes[f"qr_size_{scalar}"] for scalar in probe.SCALARS}
    return {"structures": structures, "scalars": scalars, "arrays": arrays}


def atom_rows(built: Built, atoms: Mapping[Key, int]) -> list[list[Any]]:
    """[object, section, size, align, stored] of each."""
    rows = []
    for key in atoms:
        s = built.objects.sections[key]
        rows.append([_last_part(key[0]), s.name, s.size, s.align, int(s.stored)])
    return rows


def _last_part(file: str) -> str:
    """The last part of an object's name."""
    return short(file).rpartition("/")[2]
