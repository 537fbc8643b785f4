# SPDX-License-Identifier: Apache-2.0
"""Frames and calls of an Xtensa program with the windowed ABI, from llvm-objdump's listing.

`entry` tells a frame. Every call goes through a register (`l32r` loads the address from a literal, then
`callx8`), so the values of the registers, and of words of the frame that registers are saved to, are
followed along all paths of a function. A call whose target is not a literal on every path is an indirect
one, and has no bound. Words of the frame above an address that the function computes are not followed:
they may be written through a pointer.

The listing is that of `-d --no-show-raw-insn`, followed by that of `-s` for the sections with literals.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from stack_function import Function, StackBoundError

_LABEL = re.compile(r"^([0-9a-f]+) <(\S+)>:$")
_INSN = re.compile(r"^ *([0-9a-f]+): +\t(\S.*)$")
_DUMP = re.compile(r"^ ([0-9a-f]{8}) ((?:[0-9a-f]{2,8} )+)")
_TARGET = re.compile(r"0x([0-9a-f]+)$")
_DESTINATION = re.compile(r"\S+ a(\d+)\b")
_SLOT = re.compile(r"(?P<kind>[ls]\w+(?:\.n)?) [af](?P<register>\d+), a1, (?P<offset>\d+)$")
_ADDRESS = re.compile(r"(?:addi(?:\.n)? a\d+, a1, (\d+)|addmi a\d+, a1, (\d+)|.*\ba1\b.*)")
_COPY = re.compile(r"(?:mov(?:\.n)? a(\d+), a(\d+)|or a(\d+), a(\d+), a\4)$")

_CALL = re.compile(r"callx?(0|4|8|12) ")
_BRANCH = re.compile(r"(j|b(?!reak)\w+(\.n)?) .*0x[0-9a-f]+$")
_ENDS = re.compile(r"(j|jx) |(ret|retw|rf\w+|ill)\b")
#: Their first operand is read, not written.
_READS_FIRST = re.compile(r"(s(8|16|32)\w*(\.n)?|b(?!reak)\w+(\.n)?|wsr|wur|ss[lr]|ssa8\w|jx|callx\d+) ")

#: What is known of registers (a0 is 0) and words of the frame (a1 + n is _FRAME + n): the constants that
#: each can hold; of the others nothing is known.
Values = dict[int, frozenset[int]]
_FRAME = 0x100


@dataclass(slots=True)
class _Body:
    """One function's instructions by address."""

    function: Function
    insns: dict[int, str] = field(default_factory=dict)
    windowed: bool = False
    pointed_at: int = 1 << 32
    """From this offset on the frame may be written through a pointer."""


def parse(text: str) -> dict[int, Function]:
    """Functions by address of their entry; a call that cannot be followed is in `indirect`."""
    words = dict(_words(text))
    bodies = _bodies(text)
    for body in bodies.values():
        for address, insn in body.insns.items():
            _read_frame(body, address, insn)
        _follow(body, words, bodies.keys())
    return {address: body.function for address, body in bodies.items()}


def _words(text: str) -> Iterator[tuple[int, int]]:
    """(address, little-endian word) of everything dumped by `-s`."""
    for line in text.splitlines():
        if found := _DUMP.match(line):
            content = bytes.fromhex(found[2])
            for at in range(0, len(content) - 3, 4):
                yield int(found[1], 16) + at, int.from_bytes(content[at : at + 4], "little")


def _bodies(text: str) -> dict[int, _Body]:
    bodies: dict[int, _Body] = {}
    body = _Body(Function(name="", address=-1))
    for line in text.splitlines():
        if label := _LABEL.match(line):
            address = int(label[1], 16)
            body = bodies[address] = _Body(Function(name=label[2], address=address))
        elif insn := _INSN.match(line):
            body.insns[int(insn[1], 16)] = re.sub(r"\s+", " ", insn[2]).strip()
    return bodies


def _read_frame(body: _Body, address: int, insn: str) -> None:
    if found := re.match(r"entry a1, (\d+)$", insn):
        body.windowed = body.windowed or address == body.function.address
        body.function.pushed = max(body.function.pushed, int(found[1]))
    elif body.windowed and not _READS_FIRST.match(insn) and re.match(r"\S+ a1\b", insn):
        raise StackBoundError(f"{body.function.name}: its frame has no constant size: {insn}")
    elif (found := _ADDRESS.fullmatch(insn)) and not _SLOT.fullmatch(insn):
        body.pointed_at = min(body.pointed_at, int(found[1] or found[2] or 0))


def _follow(body: _Body, words: dict[int, int], entries: Container[int]) -> None:
    """Finds where the calls and jumps go, by following the registers' values to a fixed point."""
    addresses = sorted(body.insns)
    following = dict(pairwise(addresses))
    known: dict[int, Values] = {body.function.address: {}}
    work = [address for address in known if address in body.insns]
    while work:
        address = work.pop()
        insn = body.insns[address]
        after = _after(body, insn, known[address], words)
        for target in _successors(insn, following.get(address)):
            if target not in body.insns:
                continue
            merged = after if target not in known else _merge(known[target], after)
            if target not in known or merged != known[target]:
                known[target] = merged
                work.append(target)
    for address, values in known.items():
        if address in body.insns:
            _add_edges(body, body.insns[address], values, entries)


def _literal(shown: int, words: dict[int, int]) -> frozenset[int] | None:
    """The word that an l32r loads; llvm-objdump shows one beyond 64 KiB as 128 KiB too far up."""
    found = [words[address] for address in (shown, shown - 0x20000) if address in words]
    return frozenset(found[:1]) or None


def _after(body: _Body, insn: str, values: Values, words: dict[int, int]) -> Values:
    """What is known after one instruction."""
    if call := _CALL.match(insn):
        first = int(call[1])  # from here on the registers are the callee's
        return {place: value for place, value in values.items() if not first <= place < _FRAME}
    if (slot := _SLOT.match(insn)) and not slot["kind"].startswith("l"):
        place = _FRAME + (int(slot["offset"]) & ~3)
        follows = slot["kind"].startswith("s32i") and int(slot["offset"]) < body.pointed_at
        return _with(values, place, values.get(int(slot["register"])) if follows else None)
    found = _DESTINATION.match(insn)
    if found is None or _READS_FIRST.match(insn):
        return values
    value = None
    target = _TARGET.search(insn)
    if insn.startswith("l32r ") and target:
        value = _literal(int(target[1], 16), words)
    elif slot and slot["kind"].startswith("l32i"):
        value = values.get(_FRAME + int(slot["offset"]))
    elif copied := _COPY.match(insn):
        value = values.get(int(copied[2] or copied[4]))
    return _with(values, int(found[1]), value)


def _with(values: Values, place: int, value: frozenset[int] | None) -> Values:
    """The values with one of them changed; None: not known any more."""
    changed = {other: known for other, known in values.items() if other != place}
    return changed if value is None else changed | {place: value}


def _merge(one: Values, other: Values) -> Values:
    return {register: one[register] | other[register] for register in one.keys() & other.keys()}


def _successors(insn: str, following: int | None) -> Iterator[int]:
    if following is not None and not _ENDS.match(insn):
        yield following
    if _BRANCH.match(insn):
        yield _target(insn)


def _target(insn: str) -> int:
    return int(insn.rpartition("0x")[2], 16)


def _add_edges(body: _Body, insn: str, values: Values, entries: Container[int]) -> None:
    """Notes a call or a jump to another function."""
    function = body.function
    if insn.startswith("loop"):
        raise StackBoundError(f"{function.name}: a hardware loop hides the way back: {insn}")
    if insn.startswith(("callx", "jx")):
        register = _DESTINATION.match(insn)
        targets = values.get(int(register[1]), frozenset()) if register else frozenset()
        if not targets or any(target not in entries for target in targets):
            function.indirect = function.indirect or insn
        (function.jumps if insn.startswith("jx") else function.calls).update(targets)
    elif _CALL.match(insn):
        function.calls.add(_target(insn))
    elif _BRANCH.match(insn) and _target(insn) not in body.insns:
        function.jumps.add(_target(insn))
