# SPDX-License-Identifier: Apache-2.0
"""A CPU that faults says where, from its handler to the row of the case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness import pipeline
from harness.build import Firmware
from harness.compiler import Cpu, GeneratedSource, compile_graph
from harness.elf import function_at
from harness.errors import DeviceFaultError, ReasonCode
from harness.graph import Graph
from harness.link.session import Session
from harness.records import Status
from harness.sweep import Case
from harness.targets import qemu
from harness.targets.process import start
from tests.case_runner import result_of
from tests.firmware.fake_model import work

pytestmark = pytest.mark.emulator

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "results" / "reference" / "models" / "sine__ptq-int8.tflite"

#: Arm's names of bits of CFSR, and Xtensa's EXCCAUSE.
STKERR, BFARVALID, PRECISERR, UNDEFINSTR = 1 << 12, 1 << 15, 1 << 9, 1 << 16
ILLEGAL_INSTRUCTION = 0

BROKEN = """\
static __attribute__((noinline)) void broken(void)
{
    __asm__ volatile("INSTRUCTION");
}
"""
#: Where no machine that we have keeps memory or devices.
NO_MEMORY = """\
static __attribute__((noinline)) void broken(void)
{
    *(volatile uint32_t *)0xD0000000 = 1;
}
"""
#: As deep as the stack can go: below it is no memory, and above it our data, which a real one would have
#: run over.
OVERFLOW = """\
static __attribute__((noinline)) void broken(void)
{
    __asm__ volatile("mov sp, %0\\n\\tpush {r0-r7}" ::"r"(0x20000008));
}
"""

MakeFirmware = Callable[..., Firmware]


def fault_of(firmware: Firmware, folder: Path) -> DeviceFaultError:
    """What the host learns; asked again by somebody who knows nothing, the device says the same."""
    with start(qemu.command(firmware, firmware.board), log=folder / "log") as transport:
        session = Session(transport)
        session.hello()
        with pytest.raises(DeviceFaultError) as caught:
            session.infer([work(3)])
        with pytest.raises(DeviceFaultError) as again:
            Session(transport).hello()
    first, second = caught.value, again.value
    assert (first.pc, first.lr, first.syndrome) == (second.pc, second.lr, second.syndrome)
    return first


@pytest.mark.parametrize(
    ("board", "instruction", "syndrome"),
    [
        ("stm32f4", "udf #0", UNDEFINSTR),
        ("mps2_an386", "udf #0", UNDEFINSTR),
        ("mps2_an500", "udf #0", UNDEFINSTR),
        ("lm3s6965evb", "udf #0", UNDEFINSTR),
        ("esp32", "ill", ILLEGAL_INSTRUCTION),
    ],
)
def test_the_function_that_faults_is_named(
    firmware: MakeFirmware, tmp_path: Path, board: str, instruction: str, syndrome: int
) -> None:
    built = firmware(board, before=BROKEN.replace("INSTRUCTION", instruction), inside="broken();")
    fault = fault_of(built, tmp_path)
    assert function_at(built.elf, fault.pc) == "broken"
    assert function_at(built.elf, fault.lr) == "qr_model_invoke"
    assert fault.syndrome == syndrome


def test_an_address_without_memory(firmware: MakeFirmware, tmp_path: Path) -> None:
    built = firmware("stm32f4", before=NO_MEMORY, inside="broken();")
    fault = fault_of(built, tmp_path)
    assert function_at(built.elf, fault.pc) == "broken"
    assert fault.syndrome == PRECISERR | BFARVALID


@pytest.mark.parametrize("board", ["stm32f4", "lm3s6965evb"])
def test_the_handler_works_without_a_stack(firmware: MakeFirmware, tmp_path: Path, board: str) -> None:
    fault = fault_of(firmware(board, before=OVERFLOW, inside="broken();"), tmp_path)
    assert (fault.pc, fault.lr) == (0, 0)
    assert fault.syndrome & STKERR
    assert "most likely the stack overflowed" in str(fault)


def test_the_row_of_the_case_names_the_function(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A hard fault in generated code, from the CPU's vector to the row."""

    def compiled(graph: Graph, cpu: Cpu) -> GeneratedSource:
        source = compile_graph(graph, cpu)
        files = dict(source.files)
        begin = "void qr_model_invoke(void)\n{\n"
        assert files["model.c"].count(begin) == 1
        broken = BROKEN.replace("INSTRUCTION", "udf #0")
        files["model.c"] = files["model.c"].replace(begin, f"{broken}\n{begin}    broken();\n")
        return replace(source, files=files)

    monkeypatch.setattr(pipeline, "compile_graph", compiled)
    case = Case.parse("sine/ptq-int8/aot@stm32f4:qemu")
    outcome = result_of(case, MODEL.read_bytes(), tmp_path, samples=3).outcome
    assert (outcome.status, outcome.reason_code) == (Status.FAILED, ReasonCode.FAULT)
    assert outcome.reason is not None
    assert " in broken(), called from 0x0800" in outcome.reason
