# SPDX-License-Identifier: Apache-2.0
"""What a disassembler's listing tells of one function: the common ground of stack_bound.py's parts."""

from __future__ import annotations

from dataclasses import dataclass, field


class StackBoundError(Exception):
    """The program has no computable stack bound; the message names the function and the reason."""


@dataclass(slots=True)
class Function:
    """A function's frame as its instructions show it, and where it goes."""

    name: str
    address: int
    pushed: int = 0  # estimate from the instructions
    calls: set[int] = field(default_factory=set)  # addresses of entries
    jumps: set[int] = field(default_factory=set)
    indirect: str = ""  # the first such instruction
    falls_through: bool = False
