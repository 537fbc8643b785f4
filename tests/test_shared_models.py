# SPDX-License-Identifier: Apache-2.0
"""Public models that lie beside the checkout, where they do: whole networks against the oracle.

The suite stands without them; `../shared/models` is not part of the repository.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.boards import load_boards
from harness.build import build
from harness.compiler import compile_graph
from harness.errors import DoesNotFitError, UnsupportedError
from harness.graph import count_macs, count_params, read_tflite
from harness.measure import measure
from harness.records import verify
from harness.reference import expected_outputs
from harness.targets import qemu
from tests.kernels.models import check, random_inputs

MODELS = Path(__file__).resolve().parents[2] / "shared" / "models"

pytestmark = pytest.mark.skipif(not MODELS.is_dir(), reason=f"extra models are not at {MODELS}")


@pytest.mark.parametrize(
    "name", ["ad_float", "ad_int8", "hello_float", "hello_int8", "kws_int8", "micro_speech_int8"]
)
def test_equals_the_oracle(name: str) -> None:
    check((MODELS / f"{name}.tflite").read_bytes(), samples=8)


def test_a_hybrid_model_is_refused_with_the_way_out() -> None:
    graph = read_tflite((MODELS / "kws_float.tflite").read_bytes(), name="kws_float")
    with pytest.raises(UnsupportedError, match=r"int8 weights on float32.*full integer quantization"):
        compile_graph(graph)


def test_keyword_spotting_costs_what_its_authors_say() -> None:
    """MLPerf Tiny gives 2.7 million MACs for its DS-CNN."""
    graph = read_tflite((MODELS / "kws_int8.tflite").read_bytes(), name="kws")
    assert round(count_macs(graph) / 1e6, 1) == 2.7
    assert 20_000 < count_params(graph) < 25_000


@pytest.mark.emulator
def test_a_model_that_outgrows_the_f405_runs_on_the_mps2(tmp_path: Path) -> None:
    content = (MODELS / "ad_float.tflite").read_bytes()
    graph = read_tflite(content, name="ad_float")
    source, boards = compile_graph(graph), load_boards()
    with pytest.raises(DoesNotFitError) as caught:
        build(source, boards["stm32f4"], case_id="ad/stm32f4", cache=tmp_path / "cache")
    assert caught.value.region == "flash"
    board = boards["mps2_an386"]
    firmware = build(source, board, case_id="ad/mps2", cache=tmp_path / "cache")
    inputs = random_inputs(graph, samples=2, seed=5)
    with qemu.open(firmware, board, log=tmp_path / "log") as transport:
        result = measure(transport, expected_digest=firmware.firmware_sha256, inputs=inputs, warmup=0)
    told = expected_outputs(content, inputs)
    (expected,) = told.outputs
    assert verify(result.outputs, expected, told.oracle).mismatches == 0
