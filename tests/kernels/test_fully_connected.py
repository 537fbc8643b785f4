# SPDX-License-Identifier: Apache-2.0
"""FULLY_CONNECTED against the oracle, per tensor and per channel."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests import tflite_builder as tb

from .models import PLAIN, Quant, check, few
from .models_window import fully_connected
from .strategies import activations, biases, layer_quants, seeds

rows = st.integers(1, 3)
sizes = st.integers(1, 40)


@pytest.mark.parametrize("per_channel", [False, True], ids=["per tensor", "per channel"])
@example(rows=1, inputs=1, outputs=1, quant=PLAIN, activation="NONE", bias=None, seed=1)
@example(
    rows=2, inputs=9, outputs=3, quant=Quant(input_zero=-128, output_zero=127), activation="RELU",
    bias=2**30, seed=1,
)  # fmt: skip
@example(
    rows=2, inputs=9, outputs=3, quant=Quant(input_zero=127, output_zero=-128, gain=2.5), activation="RELU6",
    bias=10, seed=1,
)  # fmt: skip
@given(
    rows=rows,
    inputs=sizes,
    outputs=sizes,
    quant=layer_quants,
    activation=activations,
    bias=biases,
    seed=seeds,
)
@few(14)
def test_int8(
    *, per_channel: bool, rows: int, inputs: int, outputs: int, quant: Quant, activation: str,
    bias: int | None, seed: int,
) -> None:  # fmt: skip
    model = fully_connected(
        "int8", rows=rows, inputs=inputs, outputs=outputs, quant=replace(quant, per_channel=per_channel),
        activation=activation, bias=bias, seed=seed,
    )  # fmt: skip
    check(model, seed=seed)


@given(
    rows=rows,
    inputs=sizes,
    outputs=sizes,
    activation=activations,
    bias=st.sampled_from([None, 1]),
    seed=seeds,
)
@few(12)
def test_float32(
    *, rows: int, inputs: int, outputs: int, activation: str, bias: int | None, seed: int
) -> None:
    model = fully_connected(
        "float32", rows=rows, inputs=inputs, outputs=outputs, activation=activation, bias=bias, seed=seed
    )
    check(model, seed=seed)


def test_image_without_a_reshape_is_taken_as_one_vector() -> None:
    b = tb.ModelBuilder()
    x = b.tensor((1, 2, 3, 2), scale=0.1, zero_point=7)
    y = b.tensor((1, 2), scale=0.3, zero_point=-4)
    w = b.constant([[i - 6 for i in range(12)], [9 - i for i in range(12)]], scales=[0.02])
    b.op("FULLY_CONNECTED", [x, w, -1], [y], tb.fully_connected_options())
    check(b.build([x], [y]))
