# SPDX-License-Identifier: Apache-2.0
"""Reads a firmware's ELF: how much memory it takes, and the digest that makes it recognisable.

Everything follows from section headers and symbols, so numbers of different toolchains mean the same.
The *image* is what is stored in flash: the bytes of every allocated section that has bytes, at its load
address, gaps filled with zero; for a microcontroller exactly what objcopy writes as a raw binary. Where
the gap is larger than any alignment (an ESP32 maps its flash at two places, and loads code into RAM), the
parts follow each other without it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from harness.errors import BuildError, DeviceFaultError

IDENTITY_SYMBOL: Final = "qr_identity"
IDENTITY_MAGIC: Final = b"quantrig-ident-1"
DIGEST_BYTES: Final = 32

#: Every constant that the compiler generates for a model begins with this.
MODEL_PREFIX: Final = "qr_model_"

#: A larger gap lies between two regions, not between two sections.
_OTHER_REGION_BYTES: Final = 0x20000

#: avr-ld's linker scripts put what the start-up code reads right behind the constants.
_AVR_CONSTANTS_END: Final = "__ctors_start"

#: From here on avr-gcc places what is neither flash nor RAM (EEPROM, fuses, lock bits).
_AVR_OTHER: Final = 0x810000


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """An allocated section that is not empty."""

    name: str
    address: int
    load_address: int
    size: int
    offset: int
    stored: bool
    """Has bytes in the file (.bss has none)."""
    writable: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """What the other functions need of an ELF file."""

    path: Path
    sections: tuple[Section, ...]
    model_objects: tuple[tuple[int, int], ...]
    """(address, size) of the model's constants that lie in flash."""
    identity_address: int
    hosted: bool
    """A process of this computer, where gaps between sections are pages that nobody stores."""
    near_flash_bytes: int
    """AVR: flash up to the end of all constants, which 16-bit addresses must reach; 0 elsewhere."""


def read_program(path: Path) -> Program:
    """Read the headers of an ELF file.

    Raises:
        BuildError: it is no ELF file, or has no identity slot.
    """
    try:
        with path.open("rb") as file:
            elf = ELFFile(file)
            sections = tuple(_sections(elf))
            symbols: Any = elf.get_section_by_name(".symtab")
            if symbols is None:
                raise BuildError(f"{path} has no symbols.", cause="It was stripped.")
            objects, identity = _symbols(symbols, sections)
            hosted = any(segment.header.p_type == "PT_INTERP" for segment in elf.iter_segments())
            ends = (
                symbols.get_symbol_by_name(_AVR_CONSTANTS_END) if elf.header.e_machine == "EM_AVR" else None
            )
    except ELFError as error:
        raise BuildError(f"{path} is not a usable ELF file: {error}.") from error
    if identity is None:
        raise BuildError(
            f"{path} has no identity slot.",
            cause=f"The symbol {IDENTITY_SYMBOL} was dropped by the linker.",
            fix="Keep its section in the linker script.",
        )
    return Program(
        path=path,
        sections=sections,
        model_objects=objects,
        identity_address=identity,
        hosted=hosted,
        near_flash_bytes=ends[0].entry.st_value if ends else 0,
    )


def _sections(elf: Any) -> Iterable[Section]:
    segments = [s.header for s in elf.iter_segments() if s.header.p_type == "PT_LOAD" and s.header.p_memsz]
    avr = elf.header.e_machine == "EM_AVR"
    for section in elf.iter_sections():
        head = section.header
        if not (head.sh_flags & SH_FLAGS.SHF_ALLOC) or not head.sh_size or head.sh_flags & SH_FLAGS.SHF_TLS:
            continue
        if avr and head.sh_addr >= _AVR_OTHER:
            continue
        stored = head.sh_type != "SHT_NOBITS"
        load = head.sh_addr
        for segment in segments:
            inside = 0 <= head.sh_addr - segment.p_vaddr < segment.p_memsz
            if inside and (not stored or 0 <= head.sh_offset - segment.p_offset < segment.p_filesz):
                load = segment.p_paddr + head.sh_addr - segment.p_vaddr
                break
        yield Section(
            name=section.name,
            address=head.sh_addr,
            load_address=load,
            size=head.sh_size,
            offset=head.sh_offset,
            stored=stored,
            # ESP-IDF's linker script makes constants in flash look writable
            writable=bool(head.sh_flags & SH_FLAGS.SHF_WRITE) and not section.name.startswith(".flash"),
        )


def _symbols(table: Any, sections: tuple[Section, ...]) -> tuple[tuple[tuple[int, int], ...], int | None]:
    """The model's constants, by address and without aliases, and the address of the identity slot."""
    # a core may copy its constants to RAM at start; they are stored in flash all the same
    flash = [section for section in sections if section.stored]
    objects: set[tuple[int, int]] = set()
    identity = None
    for symbol in table.iter_symbols():
        if symbol.entry.st_info.type != "STT_OBJECT":
            continue
        address, size = symbol.entry.st_value, symbol.entry.st_size
        if symbol.name == IDENTITY_SYMBOL:
            identity = address
        elif symbol.name.startswith(MODEL_PREFIX) and any(_holds(section, address) for section in flash):
            objects.add((address, size))
    return tuple(sorted(objects)), identity


def _holds(section: Section, address: int) -> bool:
    return section.address <= address < section.address + section.size


def flash_bytes(program: Program) -> int:
    """Bytes of flash from the first used to the last, alignment included (of a host program: without)."""
    if program.hosted:
        return sum(section.size for section in program.sections if section.stored)
    return len(image(program))


def flash_model_bytes(program: Program) -> int:
    """Bytes of the model's weights and tables in flash."""
    return sum(size for _, size in program.model_objects)


def ram_static_bytes(program: Program) -> int:
    """Bytes of .data, .bss and other writable sections."""
    return sum(section.size for section in program.sections if section.writable)


def ram_span_bytes(program: Program) -> int:
    """The same with what alignment leaves between the sections, region by region.

    A Teensy has its USB buffers, an ESP32 its RTC data megabytes away from the rest.
    """
    total, end = 0, None
    for section in sorted((s for s in program.sections if s.writable), key=lambda section: section.address):
        gap = 0 if end is None else section.address - end
        total += section.size + (gap if gap < _OTHER_REGION_BYTES else 0)
        end = section.address + section.size
    return total


def image(program: Program) -> bytes:
    """The bytes in flash (see the module's text)."""
    stored = sorted((s for s in program.sections if s.stored), key=lambda section: section.load_address)
    content = bytearray()
    end = stored[0].load_address
    with program.path.open("rb") as file:
        for section in stored:
            gap = section.load_address - end
            if 0 < gap < _OTHER_REGION_BYTES:
                content += bytes(gap)
            file.seek(section.offset)
            content += file.read(section.size)
            end = section.load_address + section.size
    return bytes(content)


def function_at(path: Path, address: int) -> str | None:
    """The function that the instruction at `address` belongs to; None: no function's.

    Raises:
        BuildError: it is no ELF file.
    """
    try:
        with path.open("rb") as file:
            elf = ELFFile(file)
            table: Any = elf.get_section_by_name(".symtab")
            # the lowest bit of a function's address in Thumb code says just that
            state = 1 if elf.header.e_machine == "EM_ARM" else 0
            for symbol in table.iter_symbols() if table else ():
                entry = symbol.entry
                begin = entry.st_value & ~state
                if entry.st_info.type == "STT_FUNC" and 0 <= address - begin < entry.st_size:
                    return str(symbol.name)
    except ELFError as error:
        raise BuildError(f"{path} is not a usable ELF file: {error}.") from error
    return None


@contextmanager
def faults_named(path: Path) -> Iterator[None]:
    """Give the faults of a device that runs this program, which knows addresses only, the function's name."""
    try:
        yield
    except DeviceFaultError as error:
        function = function_at(path, error.pc)
        raise DeviceFaultError(
            pc=error.pc, lr=error.lr, syndrome=error.syndrome, function=function
        ) from error


def stamp(path: Path) -> str:
    """Write the firmware's digest into its identity slot, in place, and return it as hex.

    The digest is SHA-256 over the image with the slot's digest bytes zero, as the compiler left them.

    Raises:
        BuildError: the slot is missing, or is not as the compiler leaves it.
    """
    program = read_program(path)
    home = next((s for s in program.sections if s.stored and _holds(s, program.identity_address)), None)
    if home is None:
        raise BuildError(f"{path}: the identity slot lies outside of the flash image.")
    offset = home.offset + program.identity_address - home.address
    digest = hashlib.sha256(image(program)).digest()
    with path.open("r+b") as file:
        file.seek(offset)
        if file.read(len(IDENTITY_MAGIC) + DIGEST_BYTES) != IDENTITY_MAGIC + bytes(DIGEST_BYTES):
            raise BuildError(f"{path}: the identity slot is not empty.", cause="It was stamped before.")
        file.seek(offset + len(IDENTITY_MAGIC))
        file.write(digest)
    return digest.hex()


def read_stamp(program: Program) -> str:
    """The digest in the identity slot as hex, as `stamp` wrote it.

    Raises:
        BuildError: there is none, or it is not the digest of this image.
    """
    content = image(program)
    before, found, after = content.partition(IDENTITY_MAGIC)
    digest, rest = after[:DIGEST_BYTES], after[DIGEST_BYTES:]
    if not found or hashlib.sha256(before + found + bytes(DIGEST_BYTES) + rest).digest() != digest:
        raise BuildError(
            f"{program.path} does not hold the digest of its own image.", cause="It was not stamped."
        )
    return digest.hex()


def main(path: str) -> None:
    """`stamp` as a program, which the builder runs after linking."""
    try:
        stamp(Path(path))
    except BuildError as error:
        raise SystemExit(f"Error: {error}") from error
