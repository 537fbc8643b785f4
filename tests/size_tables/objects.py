# SPDX-License-Identifier: Apache-2.0
"""Sections of relocatable objects and what each refers to: the graph along which `--gc-sections` keeps."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

_AR_MAGIC: Final = b"!<arch>\n"
_AR_HEADER: Final = 60

Key = tuple[str, int]
"""(object, number of the section in it)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InputSection:
    """An allocated section of an object."""

    key: Key
    name: str
    size: int
    align: int
    writable: bool
    stored: bool
    executable: bool


@dataclass(kw_only=True, slots=True)
class Objects:
    """All sections of one link."""

    sections: dict[Key, InputSection] = field(default_factory=dict)
    refs: dict[Key, set[Key | str]] = field(default_factory=dict)
    """To sections of the same object, or to symbols by name."""
    symbols: dict[str, Key] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes of each global symbol."""
    imports: set[str] = field(default_factory=set)

    def closure(self, roots: Iterable[str]) -> set[Key | str]:
        """Sections that the symbols need, and the names that nothing here defines."""
        found: set[Key | str] = set()
        waiting: list[Key | str] = list(roots)
        while waiting:
            item = waiting.pop()
            target = self.symbols.get(item, item) if isinstance(item, str) else item
            if target not in found:
                found.add(target)
                if not isinstance(target, str):
                    waiting.extend(self.refs.get(target, ()))
        return found


def read_objects(files: Iterable[str]) -> Objects:
    """Read objects by path or as `archive(member)`; the first definition of a symbol counts."""
    objects = Objects()
    archives: dict[str, Mapping[str, bytes]] = {}
    weak: dict[str, Key] = {}
    for file in files:
        archive, _, member = file.removesuffix(")").partition("(")
        if member:
            if archive not in archives:
                archives[archive] = dict(_members(Path(archive).read_bytes()))
            content = archives[archive][member]
        else:
            content = Path(file).read_bytes()
        _read_object(objects, weak, file, content)
    for name, key in weak.items():
        objects.symbols.setdefault(name, key)
    return objects


def _members(archive: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and content of each member of a GNU archive."""
    if not archive.startswith(_AR_MAGIC):
        raise ValueError("not an archive")
    at, names = len(_AR_MAGIC), b""
    while at + _AR_HEADER <= len(archive):
        name = archive[at : at + 16].decode("ascii").rstrip()
        size = int(archive[at + 48 : at + 58])
        content = archive[at + _AR_HEADER : at + _AR_HEADER + size]
        at += _AR_HEADER + size + size % 2
        if name == "//":
            names = content
        elif name[0] == "/" and name[1:].isdigit():
            begin = int(name[1:])
            yield names[begin : names.index(b"/", begin)].decode(), content
        elif name not in ("/", "/SYM64/"):
            yield name.removesuffix("/"), content


def _read_object(objects: Objects, weak: dict[str, Key], file: str, content: bytes) -> None:
    elf = ELFFile(io.BytesIO(content))
    linked_to: dict[int, int] = {}
    for number, section in enumerate(elf.iter_sections()):
        head = section.header
        if not head.sh_flags & SH_FLAGS.SHF_ALLOC or not head.sh_size:
            continue
        key = (file, number)
        objects.sections[key] = InputSection(
            key=key,
            name=section.name,
            size=head.sh_size,
            align=max(1, head.sh_addralign),
            writable=bool(head.sh_flags & SH_FLAGS.SHF_WRITE),
            stored=head.sh_type != "SHT_NOBITS",
            executable=bool(head.sh_flags & SH_FLAGS.SHF_EXECINSTR),
        )
        if head.sh_flags & SH_FLAGS.SHF_LINK_ORDER:
            linked_to[number] = head.sh_link
    table: Any = elf.get_section_by_name(".symtab")
    symbols = list(table.iter_symbols()) if table is not None else []
    for symbol in symbols:
        _note_symbol(objects, weak, file, symbol)
    for section in elf.iter_sections():
        if isinstance(section, RelocationSection):
            refs = objects.refs.setdefault((file, section.header.sh_info), set())
            for relocation in section.iter_relocations():
                refs.add(_target(file, symbols[relocation.entry.r_info_sym]))
    for number, host in linked_to.items():
        # an unwinding table goes with its code
        objects.refs.setdefault((file, host), set()).add((file, number))


def _note_symbol(objects: Objects, weak: dict[str, Key], file: str, symbol: Any) -> None:
    entry = symbol.entry
    if entry.st_info.bind == "STB_LOCAL" or not isinstance(entry.st_shndx, int):
        return
    names = weak if entry.st_info.bind == "STB_WEAK" else objects.symbols
    names.setdefault(symbol.name, (file, entry.st_shndx))
    objects.sizes.setdefault(symbol.name, entry.st_size)


def _target(file: str, symbol: Any) -> Key | str:
    place = symbol.entry.st_shndx
    if symbol.entry.st_info.bind == "STB_LOCAL" and isinstance(place, int):
        return (file, place)
    return str(symbol.name)
