# SPDX-License-Identifier: Apache-2.0
"""UNIDIRECTIONAL_SEQUENCE_LSTM against the oracle, several samples in a row; what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.compiler import AVR, compile_graph, lower
from harness.errors import UnsupportedError
from harness.graph import Activation, Graph, LstmParams, Op, Quantization, Tensor, read_tflite
from harness.interpreters import interpret
from harness.records import verify
from tests.native_model import NativeModel

from .models import check, few, random_inputs
from .models_recurrent import LSTM_FORMS, LstmQuant, LstmSize, lstm
from .strategies import scales, seeds, zero_points

INTEGER_FORMS = ("int8", "int16")

sizes = st.builds(
    LstmSize,
    batches=st.integers(1, 3),
    steps=st.integers(1, 5),
    inputs=st.integers(1, 9),
    units=st.integers(1, 6),
    time_major=st.booleans(),
)
#: Cells as the converter makes them, -16, to the coarsest that fits.
quants = st.builds(
    LstmQuant,
    input_scale=scales(-7, 0),
    input_zero=zero_points,
    hidden_scale=scales(-10, -6),
    hidden_zero=zero_points,
    cell_power=st.integers(-16, 2),
    weight_scale=scales(-10, -4),
    bias=st.sampled_from([0, 3000, 10**6]),
)
clips = st.sampled_from([0.0, 10.0, 0.5, 1e-6, -1.0])

#: Sums of more than 256 products in a row, at both ends of the range.
LONG = LstmSize(steps=2, inputs=600, units=2)


@pytest.mark.parametrize("form", INTEGER_FORMS)
@example(size=LONG, quant=LstmQuant(weight_scale=0.0001), clip=0.0, seed=1)
@example(size=LstmSize(), quant=LstmQuant(input_zero=-128, hidden_zero=127), clip=0.0, seed=1)
@example(size=LstmSize(), quant=LstmQuant(bias=10**7), clip=0.0, seed=1)
@given(size=sizes, quant=quants, clip=clips, seed=seeds)
@few(10)
def test_integers(form: str, size: LstmSize, quant: LstmQuant, clip: float, seed: int) -> None:
    check(lstm(form, size, quant=quant, clip=clip, seed=seed), seed=seed)


@pytest.mark.parametrize("form", INTEGER_FORMS)
@pytest.mark.parametrize("seed", [0, 8, 11])
def test_the_cell_is_exact(form: str, seed: int) -> None:
    """Scales that were rounded to float32 once changed one cell value in ten thousand by one."""
    quant = LstmQuant(input_scale=0.01 + seed / 150, weight_scale=0.0031, hidden_scale=0.007, cell_power=-15)
    data = lstm(form, LstmSize(steps=1, inputs=6, units=40), quant=quant, show_cell=True, seed=seed)
    check(data, samples=100, seed=seed)


@given(size=sizes, clip=clips, seed=seeds)
@few(6)
def test_float32(size: LstmSize, clip: float, seed: int) -> None:
    check(lstm("float32", size, clip=clip, seed=seed), seed=seed)


@given(size=sizes, clip=clips, seed=seeds)
@few(6)
def test_hybrid_is_float32_with_dequantized_weights(size: LstmSize, clip: float, seed: int) -> None:
    """The oracle has no hybrid LSTM."""
    graph = read_tflite(lstm("hybrid", size, clip=clip, seed=seed), name="model")
    inputs = random_inputs(graph, samples=6, seed=seed)
    (ours,) = NativeModel(graph, compile_graph(graph)).run(inputs)
    twin = lstm("hybrid", size, clip=clip, seed=seed, dequantized=True)
    expected = interpret(twin, inputs, stream=True)
    assert verify(ours, expected.outputs[0], expected.oracle).mismatches == 0


@pytest.mark.parametrize("form", LSTM_FORMS)
def test_the_state_goes_from_sample_to_sample_until_a_reset(form: str) -> None:
    graph = read_tflite(lstm(form), name="model")
    model = NativeModel(graph, compile_graph(graph))
    (inputs,) = random_inputs(graph, samples=3, seed=3)
    repeated = [np.repeat(inputs[2:], 3, axis=0)]
    (first,) = model.run(repeated)
    assert not np.array_equal(first[0], first[1])
    (again,) = model.run(repeated)
    assert np.array_equal(first, again)


@pytest.mark.parametrize("form", [form for form in LSTM_FORMS if form != "hybrid"])
def test_the_outputs_say_something(form: str) -> None:
    """Gates that are all open or shut would hide errors in the tests above."""
    data = lstm(form, LstmSize(units=6))
    inputs = random_inputs(read_tflite(data, name="model"), samples=8, seed=0)
    (outputs,) = interpret(data, inputs, stream=True).outputs
    assert len(np.unique(outputs)) > 40


def test_no_scratch() -> None:
    """Input, output and both states are all that lies in the arena."""
    size = LstmSize(steps=4, inputs=8, units=8)
    program = lower(read_tflite(lstm("int8", size), name="model"))
    assert program.layout.plan.arena_bytes == 4 * 8 + 4 * 8 + 8 + 2 * 8


def test_the_hidden_values_start_at_their_zero_point() -> None:
    program = lower(read_tflite(lstm("int8", quant=LstmQuant(hidden_zero=-5)), name="model"))
    assert [state.fill for state in program.states] == [0x100 - 5, 0]


def changed_op(graph: Graph, change: Callable[[Op], Op]) -> Graph:
    return replace(graph, ops=tuple(change(op) for op in graph.ops))


def with_input(graph: Graph, position: int, index: int | None) -> Graph:
    """The same with another tensor as input `position` of the LSTM."""

    def change(op: Op) -> Op:
        inputs = list(op.inputs)
        inputs[position] = index
        return replace(op, inputs=tuple(inputs))

    return changed_op(graph, change)


def with_tensor(graph: Graph, position: int, change: Callable[[Tensor], Tensor]) -> Graph:
    """The same with input `position` of the LSTM changed."""
    (op,) = graph.ops
    index = op.inputs[position]
    return replace(graph, tensors=tuple(change(t) if i == index else t for i, t in enumerate(graph.tensors)))


def with_scales(graph: Graph, position: int, scales_: tuple[float, ...], zero: int = 0) -> Graph:
    quantization = Quantization(scales=scales_, zero_points=(zero,) * len(scales_))
    return with_tensor(graph, position, lambda t: replace(t, quantization=quantization))


def with_activation(graph: Graph, activation: Activation) -> Graph:
    def change(op: Op) -> Op:
        assert isinstance(op.params, LstmParams)
        return replace(op, params=replace(op.params, activation=activation))

    return changed_op(graph, change)


INT8 = read_tflite(lstm("int8"), name="model")
INT16 = read_tflite(lstm("int16"), name="model")
FLOAT32 = read_tflite(lstm("float32"), name="model")
BIAS = INT8.ops[0].inputs[12]

REFUSED = {
    "has a peephole": with_input(INT8, 9, BIAS),
    "has a projection": with_input(INT8, 16, BIAS),
    "has layer normalization": with_input(FLOAT32, 21, BIAS),
    "lacks the weights or the bias of a gate": with_input(FLOAT32, 1, None),
    "has the activation RELU": with_activation(INT8, Activation.RELU),
    "works on int8 with int32 weights": with_input(INT8, 2, BIAS),
    "input 5 of shape": with_tensor(INT8, 5, lambda t: replace(t, shape=(3, 4))),
    "a computed input 3": with_tensor(FLOAT32, 3, lambda t: replace(t, data=None, is_variable=True)),
    "no variable": with_tensor(FLOAT32, 18, lambda t: replace(t, is_variable=False)),
    "of 2 int8, not 3 int8": with_tensor(INT8, 18, lambda t: replace(t, shape=(1, 2))),
    "one tensor as input and state": with_input(FLOAT32, 19, FLOAT32.ops[0].inputs[18]),
    "no usable quantization": with_scales(INT8, 1, (0.1, 0.2, 0.3)),
    "no usable quantization on tensor 't0'": with_scales(INT16, 0, (0.1,), 3),
    "has a cell with a scale of 16": with_scales(INT8, 19, (16.0,)),
    "scales products of its gates": with_scales(INT8, 18, (2.0**-40,)),
    "scales its sums": with_scales(INT16, 2, (1000.0,)),
}


@pytest.mark.parametrize("why", REFUSED)
def test_refused(why: str) -> None:
    with pytest.raises(UnsupportedError) as refusal:
        lower(REFUSED[why])
    assert why in str(refusal.value)


def test_too_large_for_avr() -> None:
    with pytest.raises(UnsupportedError, match="more than 32767"):
        lower(read_tflite(lstm("int8", LstmSize(steps=300, inputs=200)), name="model"), AVR)
