# SPDX-License-Identifier: Apache-2.0
"""The stack bound from small listings whose depth can be added up by hand."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

PLATFORM = Path(__file__).resolve().parents[2] / "firmware" / "platforms" / "quantrig"


sys.path.insert(0, str(PLATFORM))  # its modules import each other, as they do in PlatformIO's Python
stack_bound: Any = importlib.import_module("stack_bound")


def listing(**functions: str) -> str:
    """`objdump` text: each function 256 bytes after the last, its instructions split by `;`.

    `@name` in an instruction stands for that function's address, as objdump writes it.
    """
    address = {name: 0x1000 + 0x100 * index for index, name in enumerate(functions)}
    lines = []
    for name, body in functions.items():
        lines.append(f"{address[name]:08x} <{name.replace('__dot__', '.')}>:")
        for index, insn in enumerate(body.split(";")):
            text = insn.strip()
            if "@" in text:
                mnemonic, target = text.split("@")
                text = f"{mnemonic.strip()}\t{address[target]:x} <{target}>"
            lines.append(f"    {address[name] + 2 * index:x}:\t{text}")
        lines.append("")
    return "\n".join(lines)


def avr(text: str) -> str:
    """The same listing as AVR's objdump writes it: the target stands in a comment."""
    out = []
    for line in text.splitlines():
        head, tab, target = line.rpartition("\t")
        out.append(f"{head}\t.+0\t; 0x{target}" if tab and "<" in target else line)
    return "\n".join(out)


def su(**frames: int) -> list[str]:
    return ["".join(f"src/x.c:1:2:{name}\t{size}\tstatic\n" for name, size in frames.items())]


def arm_bytes(frames: list[str], **functions: str) -> int:
    return int(stack_bound.stack_bound("arm", listing(**functions), frames).reserve_bytes)


def avr_bytes(frames: list[str], **functions: str) -> int:
    return int(stack_bound.stack_bound("avr", avr(listing(**functions)), frames).reserve_bytes)


def test_arm_adds_up_the_worst_chain() -> None:
    text = {
        "Reset_Handler": "push {r3, lr};bl @main;b.n @Reset_Handler",
        "main": "push {r4, lr};bl @deep;bl @wide;pop {r4, pc}",
        "deep": "push {lr};bl @leaf;pop {pc}",
        "wide": "sub sp, #100;add sp, #100;bx lr",
        "leaf": "bx lr",
    }
    frames = su(Reset_Handler=8, main=8, deep=8, wide=104, leaf=0)
    bound = stack_bound.stack_bound("arm", listing(**text), frames)
    assert bound.reserve_bytes == 8 + 8 + 104
    assert bound.path == ("Reset_Handler", "main", "wide")
    assert bound.interrupt_bytes == 0


def test_arm_interrupt_costs_its_own_frame_and_the_fpu_s() -> None:
    text = {"Reset_Handler": "b.n @Reset_Handler", "USART2_IRQHandler": "push {r4, lr};pop {r4, pc}"}
    assert arm_bytes(su(Reset_Handler=0, USART2_IRQHandler=8), **text) == 120  # 108 + 8, then to 8


def test_arm_fault_handler_has_the_stack_for_itself() -> None:
    text = {
        "Reset_Handler": "bl @main",
        "main": "push {r4, lr};pop {r4, pc}",
        "USART2_IRQHandler": "bx lr",
        "qr_cortexm_fault": "b.w @report",
        "report": "push {r4, lr};bl @deep",
        "deep": "sub sp, #64;bx lr",
    }
    frames = {"Reset_Handler": 0, "main": 8, "USART2_IRQHandler": 0, "qr_cortexm_fault": 0, "report": 8}
    assert arm_bytes(su(**frames, deep=64), **text) == 120  # 8 + 108, then to 8
    assert arm_bytes(su(**frames, deep=640), **text) == 8 + 640


def test_avr_counts_return_addresses_once() -> None:
    # GCC's .su includes the two bytes of the caller's return address on AVR
    text = {"main": "call @work", "work": "call @leaf;ret", "leaf": "ret", "__vector_18": "reti"}
    assert avr_bytes(su(main=2, work=12, leaf=6, __vector_18=11), **text) == 2 + 12 + 6 + 11


def test_library_function_is_measured_by_its_pushes() -> None:
    arm = {
        "Reset_Handler": "bl @libm",
        "libm": "stmdb sp!, {r4, r5, lr};vpush {d8-d9};sub sp, #8;str.w r0, [sp, #-4]!;pop {r4, pc}",
    }
    assert arm_bytes(su(Reset_Handler=0), **arm) == 12 + 16 + 8 + 4
    avr_text = {"main": "call @lib", "lib": "push r28;push r29;sbiw r28, 0x0c;ret"}
    assert avr_bytes(su(main=2), **avr_text) == 2 + 2 + 14


def test_avr_library_frame_that_takes_two_steps() -> None:
    body = [
        "push r28;push r29;in r28, 0x3d;in r29, 0x3e;subi r28, 0x90;sbci r29, 0x00",
        "in r0, 0x3f;cli;out 0x3e, r29;out 0x3f, r0;out 0x3d, r28",
        # to a far variable and back
        "subi r28, 0x81;sbci r29, 0xFF;ld r24, Y;subi r28, 0x7F;sbci r29, 0x00",
        "subi r28, 0x70;sbci r29, 0xFF;out 0x3e, r29;out 0x3d, r28;ret",
    ]
    assert avr_bytes(su(main=2), main="call @lib", lib=";".join(body)) == 2 + 2 + 2 + 0x90


def test_avr_library_frame_by_the_shared_pushes() -> None:
    text = {
        "main": "call @lib",
        "lib": "ldi r26, 0x09;ldi r27, 0x01;ldi r30, 0x10;ldi r31, 0x00;jmp @__prologue_saves__",
        "__prologue_saves__": "push r28;push r29;sub r28, r26;sbc r29, r27;out 0x3d, r28;ijmp",
    }
    assert avr_bytes(su(main=2), **text) == 2 + 2 + 2 + 0x109


def test_avr_call_of_the_next_instruction_is_a_push() -> None:
    text = "00001000 <main>:\n    1000:\trcall\t.+4\t; 0x1100 <lib>\n"
    text += "00001100 <lib>:\n    1100:\trcall\t.+0\t; 0x1102 <lib+0x2>\n    1102:\tret\n"
    assert stack_bound.stack_bound("avr", text, su(main=2)).reserve_bytes == 2 + 2 + 2


def test_avr_shared_prologue_belongs_to_who_jumps_to_it() -> None:
    text = {
        "main": "call @lib",
        "lib": "jmp @__prologue_saves__;call @leaf;ret",
        "leaf": "push r0;ret",
        "__prologue_saves__": "push r2;push r3;push r4;ijmp",
    }
    assert avr_bytes(su(main=2), **text) == 2 + (2 + 3) + (2 + 1)


def test_tail_call_of_ours_gives_its_frame_back() -> None:
    text = {"Reset_Handler": "bl @first", "first": "sub sp, #64;add sp, #64;b.w @second", "second": "bx lr"}
    assert arm_bytes(su(Reset_Handler=0, first=64, second=80), **text) == 80


def test_tail_call_of_a_library_does_not() -> None:
    text = {
        "Reset_Handler": "bl @first",
        "first": "push {r4, r5};b.w @second",
        "second": "push {r4, r5};bx lr",
    }
    assert arm_bytes(su(Reset_Handler=0), **text) == 16


def test_library_code_may_fall_into_the_next_function() -> None:
    text = {"Reset_Handler": "bl @first", "first": "push {r4, r5}", "second": "push {r4, r5};bx lr"}
    assert arm_bytes(su(Reset_Handler=0), **text) == 16


def test_literals_after_the_end_are_not_code() -> None:
    text = {"Reset_Handler": "bl @first", "first": "bx lr;.word 0x0000ffff", "second": "push {r4, r5};bx lr"}
    assert arm_bytes(su(Reset_Handler=0), **text) == 0


def test_cold_part_runs_in_its_function_s_frame() -> None:
    text = {
        "Reset_Handler": "bl @work",
        "work": "push {r4, lr};bne.w @work__dot__cold;pop {r4, pc}",
        "work__dot__cold": "bl @leaf",
        "leaf": "push {r4, lr};pop {r4, pc}",
    }
    assert arm_bytes(su(Reset_Handler=0, work=8, leaf=8), **text) == 16


def test_clones_use_the_frame_of_their_source() -> None:
    assert stack_bound.source_name("pack.constprop.0.isra.2") == "pack"
    text = {"Reset_Handler": "bl @pack__dot__part__dot__0", "pack__dot__part__dot__0": "bx lr"}
    assert arm_bytes(su(Reset_Handler=0, pack=40), **text) == 40


def test_statics_of_one_name_count_as_the_largest() -> None:
    assert stack_bound.parse_su(["a.c:1:1:put\t8\tstatic\n", "b.c:1:1:put\t24\tdynamic,bounded\n"]) == {
        "put": 24
    }


REFUSED = {
    "recursion": ("main", "recursion", {"Reset_Handler": "bl @main", "main": "bl @main"}),
    "mutual recursion": (
        "even|odd",
        "recursion",
        {"Reset_Handler": "bl @even", "even": "bl @odd", "odd": "bl @even"},
    ),
    "function pointer": ("main", "indirect", {"Reset_Handler": "bl @main", "main": "blx r3"}),
    "jump through a register": ("main", "indirect", {"Reset_Handler": "bl @main", "main": "bx r3"}),
    "pointer from memory": ("main", "indirect", {"Reset_Handler": "bl @main", "main": "ldr pc, [r3]"}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_no_bound(case: str) -> None:
    function, reason, text = REFUSED[case]
    frames = su(**dict.fromkeys(text, 8))
    with pytest.raises(stack_bound.StackBoundError, match=f"({function}): .*{reason}"):
        stack_bound.stack_bound("arm", listing(**text), frames)


def test_avr_table_jump_has_no_bound() -> None:
    with pytest.raises(stack_bound.StackBoundError, match="indirect"):
        avr_bytes(su(main=2), main="ijmp")


def test_unreachable_sins_do_not_matter() -> None:
    assert (
        arm_bytes(su(Reset_Handler=8, lost=8), Reset_Handler="b.n @Reset_Handler", lost="blx r3;bl @lost")
        == 8
    )


def test_pop_of_the_return_address_is_a_return() -> None:
    assert arm_bytes(su(Reset_Handler=8), Reset_Handler="bl @lib", lib="push {lr};ldr.w pc, [sp], #4") == 16


def test_avr_with_long_program_counters() -> None:
    """An ATmega2560 stacks three bytes for each call and interrupt."""
    text = {"main": "push r28;call @deep;ret", "deep": "push r2;push r3;ret", "__vector_25": "push r1;reti"}
    assert avr_bytes([], **text) == 2 + 1 + 2 + 2 + 2 + 1
    bound = stack_bound.stack_bound("avr6", avr(listing(**text)), [])
    assert bound.reserve_bytes == 3 + 1 + 3 + 2 + 3 + 1


def test_a_weak_function_that_is_not_there() -> None:
    """avr-ld makes a call of address 0 of it; a test before it keeps it from happening."""
    text = avr(listing(main="push r28;call 0x0\t; 0x0 <__vectors>;ret", other="ijmp"))
    assert stack_bound.stack_bound("avr", text, []).reserve_bytes == 2 + 1


def test_constructors_run_before_main() -> None:
    text = {
        "main": "push r28;ret",
        "_GLOBAL__sub_I_Serial": "push r1;push r2;push r3;call @make;ret",
        "make": "ret",
    }
    bound = stack_bound.stack_bound("avr", avr(listing(**text)), [])
    assert bound.path == ("_GLOBAL__sub_I_Serial", "make")
    assert bound.reserve_bytes == 2 + 2 + 3 + 2


def test_frame_without_a_size() -> None:
    with pytest.raises(stack_bound.StackBoundError, match=r"grow.*no constant size"):
        stack_bound.parse_su(["a.c:1:1:grow\t16\tdynamic\n"])


def test_no_entry() -> None:
    with pytest.raises(stack_bound.StackBoundError, match="no function Reset_Handler"):
        arm_bytes([], main="bx lr")


@given(
    frames=st.lists(st.integers(0, 64).map(lambda words: 8 * words), min_size=1, max_size=8),
    edges=st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7))),
)
def test_equals_the_longest_path_of_any_tree_of_calls(frames: list[int], edges: set[tuple[int, int]]) -> None:
    """Against a brute force over all paths; calls go to later functions only, so there is no circle."""
    count = len(frames)
    calls = {(a, b) for a, b in edges if a < b < count}

    def worst(function: int) -> int:
        return frames[function] + max((worst(b) for a, b in calls if a == function), default=0)

    names = ["Reset_Handler", *(f"f{index}" for index in range(1, count))]
    bodies = [
        ";".join([f"bl @{names[b]}" for a, b in sorted(calls) if a == index] + ["bx lr"])
        for index in range(count)
    ]
    assert arm_bytes(
        su(**dict(zip(names, frames, strict=True))), **dict(zip(names, bodies, strict=True))
    ) == worst(0)


# --- Xtensa: all calls go through registers ----------------------------------------------------------------

XTENSA_LITERALS = 0x900


def xtensa(**functions: str) -> str:
    """llvm-objdump's text: each function 256 bytes after the last, instructions of 3 bytes split by `;`.

    `@name` stands for a literal that holds the function's address, `+n` for the address of the function's
    n-th instruction. The literals' contents follow, as `-s` writes them.
    """
    address = {name: 0x1000 + 0x100 * index for index, name in enumerate(functions)}
    literal = {name: XTENSA_LITERALS + 4 * index for index, name in enumerate(functions)}
    lines = ["", "firmware.elf:\tfile format elf32-xtensa", "", "Disassembly of section .text:", ""]
    for name, body in functions.items():
        lines.append(f"{address[name]:08x} <{name}>:")
        for index, insn in enumerate(body.split(";")):
            text = re.sub(r"@(\w+)", lambda found: hex(literal[found[1]]), insn.strip())
            text = re.sub(r"\+(\d+)$", lambda found: hex(address[name] + 3 * int(found[1])), text)  # noqa: B023
            mnemonic, _, operands = text.partition(" ")
            lines.append(f"{address[name] + 3 * index:8x}:      \t{mnemonic}\t{operands}")
        lines.append("")
    lines.append("Contents of section .literal:")
    for name, at in literal.items():
        lines.append(f" {at:08x} {address[name].to_bytes(4, 'little').hex()}                ....")
    return "\n".join(lines)


def xtensa_bytes(**functions: str) -> int:
    return int(stack_bound.stack_bound("xtensa", xtensa(**functions), []).reserve_bytes)


START = "l32r a4, @main;callx4 a4;j +2"
CALL = "entry a1, {};l32r a8, @{};callx8 a8;retw.n"
SAVED = 16  # the deepest frame's caller keeps four registers below it


def test_xtensa_adds_up_the_worst_chain() -> None:
    text = {
        "_start": START,
        "main": "entry a1, 48;l32r a8, @deep;callx8 a8;l32r a8, @wide;callx8 a8;retw.n",
        "deep": CALL.format(32, "leaf"),
        "wide": "entry a1, 112;retw.n",
        "leaf": "entry a1, 32;retw",
    }
    bound = stack_bound.stack_bound("xtensa", xtensa(**text), [])
    assert bound.reserve_bytes == SAVED + 48 + 112
    assert bound.path == ("_start", "main", "wide")
    assert (bound.interrupt_bytes, bound.interrupt_path) == (0, ())


XTENSA_FOLLOWED = {
    "kept across a call": "l32r a3, @leaf;callx8 a3;callx8 a3",
    "copied": "l32r a3, @leaf;or a8, a3, a3;callx8 a8",
    "moved": "l32r a3, @leaf;mov.n a8, a3;callx8 a8",
    "saved in the frame": "l32r a8, @leaf;s32i a8, a1, 4;movi a8, 7;l32i a8, a1, 4;callx8 a8",
    "saved under an array": "l32r a8, @leaf;s32i a8, a1, 4;addi a10, a1, 8;l32i a8, a1, 4;callx8 a8",
    "the same by both ways": "bnez a2, +4;l32r a8, @leaf;j +5;l32r a8, @leaf;callx8 a8",
    "in a loop": "l32r a3, @leaf;callx8 a3;addi a2, a2, -1;bnez a2, +2",
    "called directly": "call8 0x1200",
    "kept where another is stored": "l32r a8, @leaf;s8i a8, a3, 0;wsr a8, intenable;callx8 a8",
}


@pytest.mark.parametrize("case", XTENSA_FOLLOWED)
def test_xtensa_call_is_followed_to_its_literal(case: str) -> None:
    body = f"entry a1, 64;{XTENSA_FOLLOWED[case]};retw.n"
    assert xtensa_bytes(_start=START, main=body, leaf="entry a1, 96;retw.n") == SAVED + 64 + 96


def test_xtensa_two_ways_to_two_functions_count_both() -> None:
    choice = "entry a1, 32;beqz a2, +4;l32r a8, @small;j +5;l32r a8, @large;callx8 a8;retw.n"
    text = {"_start": START, "main": choice, "small": "entry a1, 32;retw.n", "large": "entry a1, 200;retw.n"}
    assert xtensa_bytes(**text) == -(-(SAVED + 32 + 200) // 16) * 16


XTENSA_REFUSED = {
    "function pointer": ("indirect", "l32i a8, a2, 0;callx8 a8"),
    "one way by pointer": ("indirect", "l32r a8, @leaf;beqz a2, +4;l32i a8, a2, 0;callx8 a8"),
    "lost in a call": ("indirect", "l32r a8, @leaf;callx8 a8;callx8 a8"),
    "changed": ("indirect", "l32r a8, @leaf;addi a8, a8, 4;callx8 a8"),
    "written through a pointer": (
        "indirect",
        "l32r a8, @leaf;s32i a8, a1, 4;addi a10, a1, 4;l32i a8, a1, 4;callx8 a8",
    ),
    "half overwritten": ("indirect", "l32r a8, @leaf;s32i a8, a1, 4;s16i a2, a1, 6;l32i a8, a1, 4;callx8 a8"),
    "table of jumps": ("indirect", "l32i a8, a2, 0;jx a8"),
    "recursion": ("recursion", "l32r a8, @main;callx8 a8"),
    "frame that grows": ("no constant size", "sub a8, a1, a2;movsp a1, a8"),
    "hardware loop": ("loop", "loopnez a2, +3;nop"),
}


@pytest.mark.parametrize("case", XTENSA_REFUSED)
def test_xtensa_has_no_bound(case: str) -> None:
    reason, body = XTENSA_REFUSED[case]
    with pytest.raises(stack_bound.StackBoundError, match=f"main: .*{reason}"):
        xtensa_bytes(_start=START, main=f"entry a1, 64;{body};retw.n", leaf="entry a1, 32;retw.n")
