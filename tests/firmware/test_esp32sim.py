# SPDX-License-Identifier: Apache-2.0
"""The ESP32 lane's port in QEMU: its link, and its count against QEMU's own log of what was executed."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from harness import llvm
from harness.build import Firmware
from harness.elf import function_at
from harness.errors import DeviceFaultError, DoesNotFitError
from harness.link.session import Session
from harness.targets import qemu
from harness.targets.process import start
from tests.firmware import qemu_runs
from tests.firmware.conftest import MakeFirmware
from tests.firmware.fake_model import BYTES, work
from tests.firmware.qemu_runs import running

pytestmark = pytest.mark.emulator

RING_BYTES = 4096

#: Calls deeper than the core has registers: windows overflow and underflow within the section.
BEFORE = """
static volatile uint32_t seen, factors[2] = {0x9e3779b9u, 0x7f4a7c15u};
__attribute__((noinline)) static void leaf(uint32_t x) { seen = (uint32_t)((uint64_t)x * 0x9e3779b9u >> 32); }
__attribute__((noinline)) static void five(uint32_t x) { leaf(x + 1); seen++; }
__attribute__((noinline)) static void four(uint32_t x) { five(x + 2); seen++; }
__attribute__((noinline)) static void three(uint32_t x) { four(x + 3); seen++; }
__attribute__((noinline)) static void two(uint32_t x) { three(x + 4); seen++; }
__attribute__((noinline)) static void one(uint32_t x) { two(x + 5); seen++; }
"""

#: The tensor's last byte chooses: high words of products, each a trapped instruction here; calls; the end.
INSIDE = f"""
    if (qr_arena[{BYTES - 1}] == 1) {{
        for (; turns; turns--) {{
            factors[0] = (uint32_t)((int64_t)(int32_t)factors[0] * (int32_t)factors[1] >> 31);
            factors[1] = (uint32_t)((uint64_t)factors[0] * 0xfedcba98u >> 32) ^ factors[1];
        }}
    }} else if (qr_arena[{BYTES - 1}] == 2) {{
        one(turns);
        turns = 0;
    }} else if (qr_arena[{BYTES - 1}] == 3) {{
        __asm__ volatile("ill");
    }}
"""
LOOP, MULTIPLIES, CALLS, ILLEGAL = range(4)


def job(turns: int, kind: int) -> bytes:
    """An input tensor for work of that kind."""
    return work(turns, 7)[:-1] + bytes([kind])


@pytest.fixture(scope="session")
def esp32(firmware: MakeFirmware) -> Firmware:
    return firmware("esp32", before=BEFORE, inside=INSIDE)


def test_hello_and_outputs(esp32: Firmware, tmp_path: Path) -> None:
    with running(esp32, tmp_path / "log") as (session, _):
        hello = session.hello()
        assert (hello.board, hello.counter) == ("esp32", "instructions")
        assert (hello.counter_hz, hello.cpu_hz) == (15_625_000, 0)
        assert hello.firmware_sha256 == esp32.firmware_sha256
        data = bytes(4) + bytes(range(4, BYTES))
        assert session.infer([data]).outputs[0] == data[::-1]


def test_ticks_are_instructions_even_after_the_counter_wraps(esp32: Firmware, tmp_path: Path) -> None:
    # two instructions a turn: the last lies beyond a whole round of CCOUNT
    turns = [10, 11, 1_000_000, 850_000_000]
    with running(esp32, tmp_path / "log") as (session, _):
        ticks = [session.infer([work(each)]).ticks for each in turns]
    assert ticks == [ticks[0] + 2 * (each - 10) for each in turns]


def test_a_section_that_ends_with_the_half_round_is_counted_like_any_other(
    esp32: Firmware, tmp_path: Path
) -> None:
    """Five turns apart, as wide as the window was: an interrupt behind the reading was taken off."""
    half = (1 << 31) * 25 // 64 // 2
    turns = [10, *range(half - 55, half - 30, 5)]
    with running(esp32, tmp_path / "log") as (session, _):
        ticks = [session.infer([work(each)]).ticks for each in turns]
    assert ticks == [ticks[0] + 2 * (each - 10) for each in turns]


def test_two_runs_give_the_same_ticks(esp32: Firmware, tmp_path: Path) -> None:
    runs = []
    for name in "ab":
        with running(esp32, tmp_path / name) as (session, _):
            runs.append([session.infer([job(turns, turns % 3)]).ticks for turns in range(40)])
            assert session.status().empty_ticks == 0
    assert runs[0] == runs[1]


@dataclass(slots=True)
class Section:
    """What QEMU logged between the two readings of the counter."""

    executed: int = 0
    handler: int = 0
    traps: int = 0


def readings(elf: Path) -> tuple[int, int]:
    """Addresses of the instructions that read the counter: the last of start, the first of stop."""
    found = []
    for symbol, at in (("qr_port_timer_start", -1), ("qr_port_timer_stop", 0)):
        command = ["llvm-objdump-22", "-d", "--mcpu=esp32", f"--disassemble-symbols={symbol}", str(elf)]
        listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found.append(int(re.findall(r"^([0-9a-f]+):.*rsr\ta\d+, ccount", listing, re.MULTILINE)[at], 16))
    return found[0], found[1]


def handler(elf: Path) -> tuple[range, int]:
    """Addresses of the trap handler, and that of the vector that leads to it."""
    with elf.open("rb") as file:
        symbols: Any = ELFFile(file).get_section_by_name(".symtab")
        address = {symbol.name: symbol.entry.st_value for symbol in symbols.iter_symbols()}
        vectors = address["qr_vectors"]
        return range(address["qr_trap"], vectors + 0x1000), vectors + 0x340


def sections(elf: Path, log: Path) -> list[Section]:
    """One for each timed section since start, from a log with a line for each instruction executed."""
    begin, end = readings(elf)
    inside, vector = handler(elf)
    found: list[Section] = []
    current: Section | None = None
    for line in log.read_text(encoding="latin-1").splitlines():
        if line.startswith("Stopped execution") and current:
            current.executed -= 1  # announced, and not executed after all
        match = re.match(r"Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/", line)
        if match is None:
            continue
        pc = int(match[1], 16)
        if pc == begin:
            current = Section()
            found.append(current)
        elif pc == end:
            current = None
        if current is not None:
            current.executed += 1
            current.traps += pc == vector
            current.handler += pc in inside or vector <= pc < vector + 6
    return found


@pytest.mark.parametrize(("kind", "turns", "traps"), [(LOOP, 100, 0), (MULTIPLIES, 40, 80), (CALLS, 7, 1)])
def test_count_equals_qemu_s_own(esp32: Firmware, tmp_path: Path, kind: int, turns: int, traps: int) -> None:
    log = tmp_path / "instructions"
    tracing = [*qemu_runs.one_by_one(), "-d", "exec,nochain", "-D", str(log)]
    with start([*qemu.command(esp32, esp32.board), *tracing], log=tmp_path / "log") as transport:
        session = Session(transport)
        session.hello()
        ticks = session.infer([job(turns, kind)]).ticks
        session.status()
    logged = sections(esp32.elf, log)
    assert len(logged) == 6  # four to calibrate, the inference, the empty one of the status
    inference, empty = logged[4:]
    assert (inference.traps, empty.traps) == (traps, 0)
    # a trapped instruction is logged once itself, which is what it is worth
    assert ticks == inference.executed - inference.handler - empty.executed


def test_ring_takes_a_frame_while_nobody_reads(esp32: Firmware, tmp_path: Path) -> None:
    with running(esp32, tmp_path / "log") as (session, transport):
        for _ in range(5):
            qemu_runs.send_junk(transport, RING_BYTES - 1)
            assert session.status().rx_lost == 0


def test_stack_stays_within_the_bound(esp32: Firmware, tmp_path: Path) -> None:
    assert esp32.stack_report["path"][-2:] == ["five", "leaf"]
    with running(esp32, tmp_path / "log") as (session, _):
        session.infer([job(3, CALLS)])
        status = session.status()
    assert 8 * 32 <= status.stack_bytes <= status.any_stack_bytes <= esp32.sizes.stack_reserve_bytes


def test_an_unexpected_exception_is_told(esp32: Firmware, tmp_path: Path) -> None:
    with running(esp32, tmp_path / "log") as (session, _):
        session.infer([job(1, LOOP)])
        with pytest.raises(DeviceFaultError) as caught:
            session.infer([job(1, ILLEGAL)])
    assert caught.value.syndrome == 0  # EXCCAUSE of an illegal instruction
    assert function_at(esp32.elf, caught.value.pc) == "qr_model_invoke"


def test_the_end_of_the_input_ends_the_emulator(esp32: Firmware) -> None:
    done = subprocess.run(qemu.command(esp32, esp32.board), input=b"", timeout=20, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("counting", [["-icount", "shift=5"], ["-icount", "shift=7"], []])
def test_another_clock_is_refused(esp32: Firmware, counting: list[str]) -> None:
    command = qemu.command(esp32, esp32.board)
    at = command.index("-icount")
    done = subprocess.run(
        [*command[:at], *counting, *command[at + 2 :]], capture_output=True, timeout=20, check=False
    )
    assert done.returncode == 1
    assert b"-icount shift=6" in done.stderr


def test_too_large_an_arena_is_told_with_its_size(firmware: MakeFirmware) -> None:
    with pytest.raises(DoesNotFitError, match="ram") as caught:  # larger than all the real addresses
        firmware("esp32", arena_bytes=30_000_000)
    assert re.search(r"30[,.]?\d\d\d[,.]?\d\d\d", str(caught.value))


def test_two_folders_give_the_same_bytes(firmware: MakeFirmware, esp32: Firmware) -> None:
    assert (
        firmware("esp32", place="elsewhere", before=BEFORE, inside=INSIDE).firmware_sha256
        == esp32.firmware_sha256
    )


def test_another_release_of_llvm_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert llvm.unavailable() is None
    other = tmp_path / "llc-22"
    other.write_text("#!/bin/sh\necho 'Debian LLVM version 22.2.0'\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    reason = llvm.unavailable()
    assert reason is not None
    assert re.search(r"llc-22 is of LLVM 22\.2, and 22\.1 is needed", reason)


@pytest.mark.parametrize(
    ("does", "reason"), [("kill -9 $$", r"llc-22 was ended by signal 9"), ("exit 3", r"`apt-get install ")]
)
def test_an_llvm_that_dies_without_a_word_has_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, reason: str
) -> None:
    """An empty one was no reason at all, and ended the whole sweep."""
    other = tmp_path / "llc-22"
    other.write_text(f"#!/bin/sh\n{does}\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert re.search(reason, llvm.unavailable() or "")
