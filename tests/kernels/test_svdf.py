# SPDX-License-Identifier: Apache-2.0
"""SVDF against the oracle, several samples in a row; what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.compiler import compile_graph, lower
from harness.errors import UnsupportedError
from harness.graph import DType, Graph, SvdfParams, Tensor, read_tflite
from tests.native_model import NativeModel

from .models import ACTIVATIONS, check, few, random_inputs
from .models_recurrent import SVDF_FORMS, SvdfQuant, SvdfSize, svdf
from .strategies import scales, seeds, zero_points

INTEGER_FORMS = ("int8", "int8 with int16 state")

sizes = st.builds(
    SvdfSize,
    batches=st.integers(1, 3),
    inputs=st.integers(1, 9),
    units=st.integers(1, 5),
    rank=st.integers(1, 3),
    memory=st.integers(1, 6),
)
#: From states that hardly move to states that saturate; shifts to the left are among them.
quants = st.builds(
    SvdfQuant,
    input_zero=zero_points,
    state_zero=zero_points,
    output_zero=zero_points,
    to_state=scales(-12, 2),
    to_output=scales(-10, 2),
)


@pytest.mark.parametrize("form", INTEGER_FORMS)
@example(
    size=SvdfSize(memory=1), quant=SvdfQuant(state_zero=127, to_state=1.0), seed=1
)  # the newest value wraps
@given(size=sizes, quant=quants, seed=seeds)
@few(10)
def test_integers(form: str, size: SvdfSize, quant: SvdfQuant, seed: int) -> None:
    check(svdf(form, size, quant=quant, seed=seed), seed=seed)


@example(size=SvdfSize(), activation="TANH", seed=1)
@given(size=sizes, activation=st.sampled_from([*ACTIVATIONS, "TANH"]), seed=seeds)
@few(6)
def test_reals(size: SvdfSize, activation: str, seed: int) -> None:
    check(svdf("float32", size, activation=activation, seed=seed), seed=seed)


@pytest.mark.parametrize("form", SVDF_FORMS)
def test_the_state_goes_from_sample_to_sample_until_a_reset(form: str) -> None:
    graph = read_tflite(svdf(form), name="model")
    model = NativeModel(graph, compile_graph(graph))
    (inputs,) = random_inputs(graph, samples=3, seed=3)
    repeated = [np.repeat(inputs[2:], 6, axis=0)]
    (first,) = model.run(repeated)
    assert not np.array_equal(first[0], first[1])
    # After as many samples as the memory holds, the same input gives the same output.
    assert np.array_equal(first[3], first[5])
    (again,) = model.run(repeated)
    assert np.array_equal(first, again)


@pytest.mark.parametrize("form", SVDF_FORMS)
def test_no_bias_is_a_bias_of_zeros(form: str) -> None:
    """The oracle does not survive a model without a bias."""
    with_bias = read_tflite(svdf(form), name="model")
    position = with_bias.ops[0].inputs[3]
    zeros = replace(
        with_bias,
        tensors=tuple(
            replace(t, data=np.zeros_like(t.data)) if t.index == position and t.data is not None else t
            for t in with_bias.tensors
        ),
    )
    absent = read_tflite(svdf(form, bias=False), name="model")
    inputs = random_inputs(absent, samples=6, seed=1)
    (theirs,), (ours,) = (NativeModel(graph, compile_graph(graph)).run(inputs) for graph in (zeros, absent))
    assert np.array_equal(ours, theirs)


def test_relu_that_the_output_range_says_is_taken() -> None:
    check(svdf("int8", quant=SvdfQuant(output_zero=-128), activation="RELU"))


def changed(graph: Graph, position: int, change: Callable[[Tensor], Tensor]) -> Graph:
    """The same with input `position` of the SVDF changed."""
    index = graph.ops[0].inputs[position]
    return replace(graph, tensors=tuple(change(t) if i == index else t for i, t in enumerate(graph.tensors)))


def with_rank(graph: Graph, rank: int) -> Graph:
    (op,) = graph.ops
    assert isinstance(op.params, SvdfParams)
    return replace(graph, ops=(replace(op, params=replace(op.params, rank=rank)),))


INT8 = read_tflite(svdf("int8"), name="model")
FLOAT32 = read_tflite(svdf("float32"), name="model")

REFUSED = {
    "fuses TANH in int8": read_tflite(svdf("int8", activation="TANH"), name="model"),
    "fuses RELU into an output whose range is wider": read_tflite(
        svdf("int8", activation="RELU"), name="model"
    ),
    "rank 4": with_rank(INT8, 4),
    "rank 0": with_rank(INT8, 0),
    "makes [1, 3] of [1, 5] with 6 units": with_rank(INT8, 1),
    "no variable": changed(INT8, 4, lambda t: replace(t, is_variable=False)),
    "has a state": changed(INT8, 4, lambda t: replace(t, shape=(1, 23))),
    "works on int8, float32, int8": changed(
        changed(INT8, 2, lambda t: replace(t, dtype=DType.FLOAT32)),
        4, lambda t: replace(t, dtype=DType.FLOAT32),
    ),
    "a computed input 1": changed(FLOAT32, 1, lambda t: replace(t, data=None, is_variable=True)),
    "no usable int8 quantization": changed(INT8, 4, lambda t: replace(t, quantization=None)),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED)
def test_refused(why: str) -> None:
    with pytest.raises(UnsupportedError) as refusal:
        lower(REFUSED[why])
    assert why in str(refusal.value)
