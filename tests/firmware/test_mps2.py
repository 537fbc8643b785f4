# SPDX-License-Identifier: Apache-2.0
"""The mps2 port: the same counts as the STM32F405, whose timer needs no conversion, and no end to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.boards import load_boards
from harness.build import build
from harness.compiler import compile_graph
from harness.graph import read_tflite
from harness.measure import measure
from harness.targets import qemu
from tests.emulator.test_kernels_on_target import branches
from tests.firmware.conftest import MakeFirmware
from tests.firmware.fake_model import work
from tests.firmware.qemu_runs import running
from tests.kernels.models import random_inputs

pytestmark = pytest.mark.emulator

#: The timer wraps after 2^32 ticks, of which an instruction takes 3.2.
WRAP_INSTRUCTIONS = 2**32 * 40 // 128


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_a_model_takes_as_many_instructions_as_on_the_f405(dtype: str, tmp_path: Path) -> None:
    """netduinoplus2 counts with TIM2 at 1 GHz and -icount shift=0: a tick is an instruction as it comes."""
    graph = read_tflite(branches(dtype), name=dtype)
    inputs = random_inputs(graph, samples=3, seed=8)
    shaped = [values.reshape(-1, *t.shape) for values, t in zip(inputs, graph.input_tensors(), strict=True)]
    ticks = {}
    for name in ("stm32f4", "mps2_an386"):
        board = load_boards()[name]
        firmware = build(compile_graph(graph), board, case_id=f"{dtype}/{name}", cache=tmp_path / "cache")
        with qemu.open(firmware, board, log=tmp_path / "log") as transport:
            result = measure(transport, expected_digest=firmware.firmware_sha256, inputs=shaped, warmup=0)
        ticks[name] = [int(value) for value in result.ticks]
    assert ticks["mps2_an386"] == ticks["stm32f4"]
    assert min(ticks["stm32f4"]) > 1000


def test_sections_longer_than_the_timer(firmware: MakeFirmware, tmp_path: Path) -> None:
    with running(firmware("mps2_an386"), tmp_path / "log") as (session, _):
        empty = session.infer([work(0)]).ticks
        for turns in (WRAP_INSTRUCTIONS // 4, WRAP_INSTRUCTIONS // 2 + 1000):
            assert session.infer([work(turns)]).ticks == empty + 2 * turns
