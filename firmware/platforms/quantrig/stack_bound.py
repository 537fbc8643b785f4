# SPDX-License-Identifier: Apache-2.0
"""Worst-case stack of a firmware: text of the disassembler and of GCC's .su files in, bytes out.

Frames of our own functions come from `-fstack-usage`; those of library functions, which have no .su
file, are read off their pushes (Xtensa: all of them off `entry`). Edges come from the linked program, so
what the linker threw away does not count and what it pulled in does. The bound is the worst path from
the start of the program plus one interrupt (the ports do not nest them). Recursion, indirect calls and
frames of unknown size have no bound and are errors: the firmware has none of them. A fault handler takes the
whole stack for itself, and is no part of that sum.

Pure and stdlib only: PlatformIO's Python runs it inside the build, the tests import it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import stack_xtensa
from stack_function import Function, StackBoundError
from stack_graph import Components, Node


@dataclass(frozen=True, kw_only=True, slots=True)
class Arch:
    """What the bound needs to know of an instruction set. Byte counts; patterns match `mnemonic operands`."""

    family: str
    entry: str  # the function that the start-up code reaches
    entry_bytes: int  # on the stack when `entry` begins
    interrupt: re.Pattern[str]  # names of interrupt handlers
    interrupt_bytes: int  # what the CPU itself stacks for an interrupt
    fault: re.Pattern[str]  # names of fault handlers, which begin with an empty stack and never return
    return_bytes: int  # what a call itself pushes; GCC counts it in .su where it is not 0
    align: int
    call: re.Pattern[str]
    jump: re.Pattern[str]
    indirect: re.Pattern[str]
    ends: re.Pattern[str]  # control never passes to the next instruction
    skips: re.Pattern[str]  # the next instruction is conditional


_NEVER = re.compile(r"(?!)")

AVR = Arch(
    family="avr",
    entry="main",
    entry_bytes=2,
    interrupt=re.compile(r"__vector_\d+"),
    interrupt_bytes=2,
    fault=_NEVER,
    return_bytes=2,
    align=1,
    call=re.compile(r"r?call\b"),
    jump=re.compile(r"(r?jmp|br\w\w)\b"),
    indirect=re.compile(r"e?i(jmp|call)\b"),
    ends=re.compile(r"(reti?|r?jmp|e?ijmp)\b"),
    skips=re.compile(r"(sbr[cs]|sbi[cs]|cpse)\b"),
)
# program counters of 3 bytes: flash above 128 KiB
AVR6 = replace(AVR, entry_bytes=3, interrupt_bytes=3, return_bytes=3)
ARM = Arch(
    family="arm",
    entry="Reset_Handler",
    entry_bytes=0,
    interrupt=re.compile(r"\w+_IRQHandler"),
    fault=re.compile(r"qr_cortexm_fault"),
    interrupt_bytes=108,  # 26 words with the FPU's registers, and a word to align them to 8 bytes
    return_bytes=0,  # a function that calls saves LR in its own frame
    align=8,
    call=re.compile(r"blx? (?=[0-9a-f]+ <)"),
    jump=re.compile(r"(b(eq|ne|cs|cc|hs|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)?(\.[nw])?|cbn?z) "),
    indirect=re.compile(r"(blx|bx) (?!lr)[a-z]|(mov|ldr(\.w)?) pc,(?! \[sp\])"),
    ends=re.compile(r"(b(\.[nw])?|bx|udf|ldr(\.w)? pc,) |(pop|ldmia\.w sp!,).*pc"),
    skips=re.compile(r"it\w{0,3}\b"),
)
XTENSA = Arch(  # stack_xtensa.py reads its listing
    family="xtensa",
    entry="_start",
    entry_bytes=16,  # below the deepest frame, for its caller's four registers
    interrupt=_NEVER,  # the handlers have memory of their own
    interrupt_bytes=0,
    fault=re.compile(r"qr_esp32sim_fault"),
    return_bytes=0,
    align=16,
    call=_NEVER,
    jump=_NEVER,
    indirect=_NEVER,
    ends=_NEVER,
    skips=_NEVER,
)
ARCHES = {"avr": AVR, "avr6": AVR6, "arm": ARM, "xtensa": XTENSA}


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """The reserve in bytes and how it comes about: `path` is the deepest chain of calls."""

    reserve_bytes: int
    main_bytes: int
    interrupt_bytes: int
    path: tuple[str, ...]
    interrupt_path: tuple[str, ...]


_LABEL = re.compile(r"^([0-9a-f]+) <(\S+)>:$")
_INSN = re.compile(r"^ *([0-9a-f]+):\t(\S.*)$")
_TARGET = re.compile(r"(?:; 0x|\b(?<!#))([0-9a-f]+) <\S+>\s*$")
_PROLOGUE = "__prologue_saves__"  # AVR libgcc's shared pushes: jumps back to who jumped to it
# C++ objects are made before the entry, by the start-up code through a table
_CONSTRUCTOR = re.compile(r"_GLOBAL__(sub_)?I_.*")
_CLONE = re.compile(r"\.(?:constprop|isra|part|cold|lto_priv)(?:\.\d+)?")


def source_name(symbol: str) -> str:
    """The name that a function has in C: GCC's suffixes of clones and cold parts taken off."""
    return _CLONE.sub("", symbol)


def largest(frames: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Frame bytes by name: the largest where statics share one."""
    found: dict[str, int] = {}
    for name, size in frames:
        found[name] = max(size, found.get(name, 0))
    return found


def parse_su(texts: Iterable[str]) -> dict[str, int]:
    """`.su` files to name -> frame bytes."""
    return largest(_su_lines(texts))


def _su_lines(texts: Iterable[str]) -> Iterator[tuple[str, int]]:
    for text in texts:
        for line in text.splitlines():
            where, size, kind = line.rsplit("\t", 2)
            name = source_name(where.rsplit(":", 1)[-1])
            if kind == "dynamic":
                raise StackBoundError(f"{name}: its frame has no constant size (alloca or a variable array).")
            yield name, int(size)


def _pushed_by(insn: str, arch: Arch) -> int:
    """Bytes that one instruction takes from the stack (0 for most)."""
    if arch.family == "avr":
        if insn.startswith("push") or re.match(r"sbiw r28, ", insn):
            return int(insn.rsplit(" ", 1)[1], 16) if insn.startswith("sbiw") else 1
        return 0
    if found := re.match(r"(?:v?push|v?stmdb(?:\.w)? sp!,) *\{(.*)\}", insn):
        return sum(_register_bytes(part.strip()) for part in found[1].split(","))
    if found := re.match(r"sub(?:w|\.w)? sp, (?:sp, )?#(\d+)|v?str.*\[sp, #-(\d+)\]!", insn):
        return int(found[1] or found[2])
    if re.match(r"sub\S* sp,", insn):
        raise StackBoundError(f"a library function moves the stack pointer by a register: {insn}")
    return 0


@dataclass(slots=True)
class _AvrFrame:
    """Frames of AVR library functions that no single instruction tells.

    Above 63 bytes Y is lowered in two steps and then written to SP; without the write it is only moved
    to reach far variables. Who jumps to the shared pushes asks them for a frame in X.
    """

    lowered: int = 0
    x: int = 0
    low: int | None = None

    def taken_by(self, insn: str) -> int:
        """Bytes of stack that this instruction makes the frame's."""
        low, self.low = self.low, None
        if found := re.match(r"subi r28, 0x(\w+)", insn):
            self.low = int(found[1], 16)
        elif (found := re.match(r"sbci r29, 0x(\w+)", insn)) and low is not None:
            by = int(found[1], 16) << 8 | low
            self.lowered += by if by < 0x8000 else by - 0x10000
        elif insn.startswith("in r28, 0x3d"):
            self.lowered = 0
        elif insn.startswith("out 0x3d, r28"):
            taken, self.lowered = max(0, self.lowered), 0
            return taken
        elif found := re.match(r"ldi r2([67]), 0x(\w+)", insn):
            byte = int(found[2], 16)
            self.x = (self.x & 0xFF) | byte << 8 if found[1] == "7" else (self.x & 0xFF00) | byte
        elif _PROLOGUE in insn:
            return self.x
        return 0


def _register_bytes(text: str) -> int:
    """Bytes of `r4`, `r4-r7`, `d8-d9` or `s0` in a register list."""
    first, _, last = text.partition("-")
    width = 8 if first.startswith("d") else 4
    return width * (int(last[1:]) - int(first[1:]) + 1 if last else 1)


def _instructions(disassembly: str) -> Iterator[tuple[str, int, str]]:
    """(label or "", address, normalised instruction or "") for each line that matters."""
    for line in disassembly.splitlines():
        if label := _LABEL.match(line):
            yield label[2], int(label[1], 16), ""
        elif insn := _INSN.match(line):
            yield "", int(insn[1], 16), re.sub(r"\s+", " ", insn[2]).strip()


def parse_disassembly(text: str, arch: Arch) -> dict[int, Function]:
    """`objdump -d --no-show-raw-insn` to functions by entry address, edges still unresolved."""
    functions: dict[int, Function] = {}
    current = Function(name="", address=-1)
    last = before = ""
    frame = _AvrFrame()
    for label, address, insn in _instructions(text):
        if label:
            current.falls_through = not arch.ends.match(last) or bool(arch.skips.match(before))
            current = functions[address] = Function(name=label, address=address)
            last = before = ""
            frame = _AvrFrame()
            continue
        target = _TARGET.search(insn)
        if arch.indirect.match(insn):
            current.indirect = current.indirect or insn
        elif target and arch.family == "avr" and int(target[1], 16) == 0:
            pass  # a weak function that nobody defined, behind a test for that
        elif arch.call.match(insn) and target:
            _add_call(current, address, int(target[1], 16), arch)
        elif arch.jump.match(insn) and target:
            current.jumps.add(int(target[1], 16))
        current.pushed += _pushed_by(insn.split(";")[0].strip(), arch)
        current.pushed += frame.taken_by(insn) if arch.family == "avr" else 0
        if not insn.startswith((".", "nop")):  # literals and padding stand behind the end
            before, last = last, insn
    return functions


def _add_call(function: Function, address: int, target: int, arch: Arch) -> None:
    """A call of the next instruction is how AVR code takes two bytes of stack; all others are edges."""
    if arch.family == "avr" and 0 < target - address <= 4:
        function.pushed += arch.return_bytes
    else:
        function.calls.add(target)


def _graph(functions: dict[int, Function], frames: dict[str, int], arch: Arch) -> dict[str, Node]:
    """Nodes by name; cold parts are merged into their function, targets mapped to enclosing functions."""
    entries = sorted(functions)
    owner = _Owner(entries, functions)
    nodes: dict[str, Node] = {}
    for index, address in enumerate(entries):
        function = functions[address]
        name = _node_name(function.name)
        compiled = source_name(name) in frames
        node = nodes.setdefault(name, Node(name=name, frame=0, compiled=compiled))
        if compiled:
            node.frame = frames[source_name(name)] - arch.return_bytes
        else:
            node.frame += function.pushed
        if function.name != _PROLOGUE:
            node.indirect = node.indirect or function.indirect
        for target in function.calls:
            callee = owner.of(target)
            node.calls.add(callee)
        for target in function.jumps:
            if (callee := owner.of(target)) == _PROLOGUE:
                node.frame += functions[owner.entry(target)].pushed
            else:
                node.jumps.add(callee)
        if function.falls_through and not compiled and index + 1 < len(entries):
            node.jumps.add(_node_name(functions[entries[index + 1]].name))
        node.jumps.discard(name)
    return nodes


def _node_name(symbol: str) -> str:
    return re.sub(r"\.cold(\.\d+)?$", "", symbol)


@dataclass(frozen=True, slots=True)
class _Owner:
    """Finds the function that holds an address."""

    entries: Sequence[int]
    functions: dict[int, Function]

    def entry(self, address: int) -> int:
        index = bisect_right(self.entries, address) - 1
        if index < 0:
            raise StackBoundError(f"a call goes to {address:#x}, where no function is.")
        return self.entries[index]

    def of(self, address: int) -> str:
        return _node_name(self.functions[self.entry(address)].name)


def _depths(
    nodes: dict[str, Node], roots: Sequence[str], arch: Arch
) -> tuple[dict[str, int], dict[str, tuple[str, ...]]]:
    """Worst bytes and the chain that needs them, per function, itself included."""
    depth: dict[str, int] = {}
    path: dict[str, tuple[str, ...]] = {}
    components = Components(nodes=nodes)
    for root in roots:
        components.visit(root)
    for component in components.found:
        members = set(component)
        local_calls = sum(_refuse(nodes[name], members, nodes) for name in component)
        # circles are labels and local subroutines of library assembly: their frames count once, together
        frame = sum(nodes[name].frame for name in component) + local_calls * arch.return_bytes
        best, chain = frame, tuple(component)
        for name in component:
            node = nodes[name]
            for callee in sorted(node.calls - members):
                candidate = frame + arch.return_bytes + depth[callee]
                if candidate > best:
                    best, chain = candidate, (name, *path[callee])
            for callee in sorted(node.jumps - members):
                candidate = depth[callee] + (0 if node.compiled and len(members) == 1 else frame)
                if candidate > best:
                    best, chain = candidate, (name, *path[callee])
        for name in component:
            depth[name], path[name] = best, chain
    return depth, path


def _refuse(node: Node, members: set[str], nodes: dict[str, Node]) -> int:
    """How many calls stay inside a circle of library functions; ours must have none, nor jumps by table."""
    if node.indirect:
        raise StackBoundError(f"{node.name}: an indirect call or jump hides where it goes: {node.indirect}")
    again = sorted(node.calls & members)
    if again and any(nodes[name].compiled for name in (node.name, *again)):
        raise StackBoundError(f"{node.name}: recursion through {' and '.join(again)}.")
    return len(again)


def stack_bound(arch_name: str, disassembly: str, su_texts: Iterable[str]) -> Bound:
    """Bytes of stack that the program can need at most; `StackBoundError` when that has no bound."""
    arch = ARCHES[arch_name]
    if arch.family == "xtensa":
        functions = stack_xtensa.parse(disassembly)
        frames = largest((source_name(function.name), function.pushed) for function in functions.values())
    else:
        functions, frames = parse_disassembly(disassembly, arch), parse_su(su_texts)
    nodes = _graph(functions, frames, arch)
    if arch.entry not in nodes:
        raise StackBoundError(f"the program has no function {arch.entry}.")
    interrupts = sorted(name for name in nodes if arch.interrupt.fullmatch(name))
    constructors = sorted(name for name in nodes if _CONSTRUCTOR.fullmatch(name))
    faults = sorted(name for name in nodes if arch.fault.fullmatch(name))
    depth, path = _depths(nodes, [arch.entry, *constructors, *interrupts, *faults], arch)
    worst = max(interrupts, key=lambda name: depth[name], default="")
    interrupt_bytes = arch.interrupt_bytes + depth[worst] if worst else 0
    # a constructor is called by who walks the table, and he by the start-up code's own helper
    first = max([arch.entry, *constructors], key=lambda name: depth[name])
    main_bytes = arch.entry_bytes + depth[first] + (0 if first == arch.entry else arch.return_bytes)
    fault_bytes = max((arch.entry_bytes + depth[name] for name in faults), default=0)
    total = max(main_bytes + interrupt_bytes, fault_bytes)
    return Bound(
        reserve_bytes=-(-total // arch.align) * arch.align,
        main_bytes=main_bytes,
        interrupt_bytes=interrupt_bytes,
        path=path[first],
        interrupt_path=path[worst] if worst else (),
    )
