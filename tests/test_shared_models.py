# SPDX-License-Identifier: Apache-2.0
"""Public models that lie beside the checkout, where they do: whole networks against the oracle.

The suite stands without them; `../shared/models` is not part of the repository.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.compiler import compile_graph
from harness.errors import UnsupportedError
from harness.graph import count_macs, count_params, read_tflite
from tests.kernels.models import check

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
