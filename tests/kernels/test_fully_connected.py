# SPDX-License-Identifier: Apache-2.0
"""FULLY_CONNECTED against the oracle in every form, per tensor and per channel."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tflite
from hypothesis import example, given
from hypothesis import strategies as st

from harness.compiler import compile_graph
from harness.graph import read_tflite
from tests import tflite_builder as tb

from .models import PLAIN, Quant, check, few
from .models_window import FORMS, computed_weights, fully_connected, made, weights
from .models_window import given as value
from .strategies import activations, biases, layer_quants, layer_quants_int16, seeds, zero_points

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


@pytest.mark.parametrize("bias_type", ["int32", "int64"])
@example(rows=1, inputs=700, outputs=2, quant=Quant(gain=2**-14, per_channel=False), bias=0, seed=1)
@example(rows=1, inputs=3, outputs=2, quant=Quant(gain=2**-14, per_channel=False), bias=2**31 - 1, seed=1)
@given(
    rows=rows, inputs=sizes, outputs=sizes, quant=layer_quants_int16, bias=st.sampled_from([0, 200_000]),
    seed=seeds,
)  # fmt: skip
@few(6)
def test_int16(
    *, bias_type: str, rows: int, inputs: int, outputs: int, quant: Quant, bias: int, seed: int
) -> None:
    model = fully_connected(
        "int16", rows=rows, inputs=inputs, outputs=outputs, quant=quant, bias=bias, bias_type=bias_type,
        seed=seed,
    )  # fmt: skip
    check(model, seed=seed)


@pytest.mark.parametrize("declared", ["FLOAT32", "INT32", "INT64"])
def test_int16_without_a_bias_sums_as_the_options_say(declared: str) -> None:
    """With 32 bits and a multiplier of 31 the result is another one than with 64 bits and 15."""
    b, quant = tb.ModelBuilder(), Quant(input_scale=0.001, gain=2**-9)
    x, y = value(b, "int16", (4, 40), quant), made(b, "int16", (4, 30), quant)
    w, _ = weights(b, "int16", (30, 40), quant=quant, axis=0, bias=None, seed=1)
    name, fields = tb.fully_connected_options()
    options = {**fields, "QuantizedBiasType": getattr(tflite.TensorType, declared)}
    b.op("FULLY_CONNECTED", [x, w, -1], [y], (name, options))
    check(b.build([x], [y]))


@pytest.mark.parametrize("per_channel", [False, True], ids=["per tensor", "per channel"])
@given(rows=rows, inputs=sizes, outputs=sizes, activation=activations, seed=seeds)
@few(4)
def test_hybrid(
    *, per_channel: bool, rows: int, inputs: int, outputs: int, activation: str, seed: int
) -> None:
    model = fully_connected(
        "hybrid", rows=rows, inputs=inputs, outputs=outputs, quant=Quant(per_channel=per_channel),
        activation=activation, seed=seed,
    )  # fmt: skip
    check(model, seed=seed)


@pytest.mark.parametrize("form", ["int8", "float32"])
@given(
    rows=rows, inputs=sizes, outputs=sizes, quant=layer_quants, weight_zero=zero_points,
    activation=activations, bias=st.booleans(),
)  # fmt: skip
@few(6)
def test_computed_weights(
    *, form: str, rows: int, inputs: int, outputs: int, quant: Quant, weight_zero: int, activation: str,
    bias: bool,
) -> None:  # fmt: skip
    model = computed_weights(
        form, rows=rows, inputs=inputs, outputs=outputs, quant=replace(quant, per_channel=False),
        weight_zero=weight_zero, activation=activation, bias=bias,
    )  # fmt: skip
    check(model)


@pytest.mark.parametrize("form", FORMS)
def test_one_output_takes_the_place_of_its_inputs(form: str) -> None:
    quant = Quant(gain=2**-12 if form == "int16" else 2**-7)
    data = fully_connected(form, rows=3, inputs=5, outputs=1, quant=quant)
    graph = read_tflite(data, name="model")
    assert compile_graph(graph).arena_bytes == graph.input_tensors()[0].nbytes
    check(data)
