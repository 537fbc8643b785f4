# SPDX-License-Identifier: Apache-2.0
"""GNU ld's map: which objects were linked, and which of their sections lie where."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_MEMBER = re.compile(r"^(/\S[^()]*\.a\([^\s()]+\))(?:\s|$)")
_OUTPUT = re.compile(r"^(\.\S+|/DISCARD/)(?:\s|$)")
_INPUT = re.compile(r"^ (\S+)\s+0x([0-9a-f]+)\s+0x([0-9a-f]+) (\S.*)$")
_NAME = re.compile(r"^ (\.\S+|COMMON)$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """An input section that is not empty, in the order of the map."""

    output: str
    name: str
    file: str
    """The object's path, or `archive(member)`."""
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkMap:
    """What one link took in."""

    objects: tuple[str, ...]
    """Objects on the command line in order, then archive members as they were pulled."""
    placed: tuple[Placed, ...]


def short(file: str) -> str:
    """An object's name without the folder that it was built in."""
    return file.rpartition("/build/firmware/")[2] or file


def read_map(path: Path) -> LinkMap:
    """Parse a map file."""
    text = path.read_text(encoding="utf-8", errors="replace")
    head, _, memory = text.partition("Linker script and memory map")
    members = [found[1] for line in head.splitlines() if (found := _MEMBER.match(line))]
    loads = re.findall(r"^LOAD (/.+)$", memory, re.MULTILINE)
    objects = [load for load in loads if not load.endswith((".a", ".so", ".ld")) and ".so." not in load]
    return LinkMap(objects=tuple(dict.fromkeys([*objects, *members])), placed=tuple(_placed(memory)))


def _placed(memory: str) -> list[Placed]:
    found: list[Placed] = []
    output = pending = ""
    for line in memory.splitlines():
        if opened := _OUTPUT.match(line):
            output, pending = opened[1], ""
        elif name := _NAME.match(line):
            pending = name[1]
        else:
            # a name that is too long for its column stands on a line of its own
            whole = f" {pending}{line}" if pending else line
            pending = ""
            if (entry := _INPUT.match(whole)) and output and int(entry[3], 16):
                found.append(Placed(output=output, name=entry[1], file=entry[4], size=int(entry[3], 16)))
    return found
