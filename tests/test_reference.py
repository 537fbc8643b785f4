# SPDX-License-Identifier: Apache-2.0
"""The oracle's interface; what it computes is its own affair."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import pytest

from harness.children import CompletedRun
from harness.errors import ModelError, OracleError
from harness.interpreters import trace
from harness.reference import expected_outputs, interpret, oracle_name, tensors
from tests import tflite_builder as tb
from tests.tflite_builder import ModelBuilder

TFLITE = f"tflite-reference {version('tensorflow')}"
ORDINARY = f"tflite-optimized {version('tensorflow')}"


def two_in_two_out() -> bytes:
    b = ModelBuilder()
    x, z = b.tensor((1, 2, 2), "float32"), b.tensor((1, 3), scale=0.5, zero_point=-1)
    sum_, real = b.tensor((1, 2, 2), "float32"), b.tensor((1, 3), "float32")
    b.op("ADD", [x, x], [sum_], tb.add_options())
    b.op("DEQUANTIZE", [z], [real])
    return b.build([x, z], [real, sum_])


def delay_line(*, bias: bool = True) -> bytes:
    """A state that each inference shifts by one sample: the output is the sum of the last three."""
    b = ModelBuilder()
    x, y = b.tensor((1, 1), "float32"), b.tensor((1, 1), "float32")
    memory = b.tensor((1, 3), "float32", is_variable=True)
    feature, time = b.constant(np.ones((1, 1)), "float32"), b.constant(np.ones((1, 3)), "float32")
    nothing = b.constant(np.zeros(1), "float32") if bias else -1
    b.op("SVDF", [x, feature, time, nothing, memory], [y], tb.svdf_options(1))
    return b.build([x], [y])


def test_one_row_per_sample_and_one_array_per_output() -> None:
    x = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32)
    z = np.array([[-1, 0, 1], [127, -128, 3]], np.int8)
    told = expected_outputs(two_in_two_out(), [x, z])
    real, sum_ = told.outputs
    assert told.oracle == oracle_name()
    assert real.dtype == sum_.dtype == np.float32
    assert real.tolist() == [[0.0, 0.5, 1.0], [64.0, -63.5, 2.0]]
    assert sum_.tolist() == (2 * x).tolist()


def test_inputs_may_come_in_the_shape_of_the_tensor() -> None:
    x = np.arange(8, dtype=np.float32).reshape(2, 1, 2, 2)
    z = np.zeros((2, 1, 3), np.int8)
    _, sum_ = expected_outputs(two_in_two_out(), [x, z]).outputs
    assert sum_.tolist() == (2 * x.reshape(2, 4)).tolist()


def test_it_names_itself() -> None:
    assert oracle_name() == f"tflm {version('tflite-micro')}"


def test_a_model_that_all_interpreters_refuse() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 2), scale=0.5), b.tensor((1, 2), scale=0.5)
    b.op("COS", [x], [y])
    with pytest.raises(
        ModelError, match=r"refuse the model: tflm [^;]*; tflite-reference [^;]*; tflite-optimized "
    ):
        expected_outputs(b.build([x], [y]), [np.zeros((1, 2), np.int8)])


def test_where_tflm_lacks_an_operation_tflite_answers() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 2), "float32"), b.tensor((2, 2), "int64")
    b.op("WHERE", [x], [y])
    told = expected_outputs(b.build([x], [y]), [np.ones((1, 2), np.float32)])
    assert told.oracle == TFLITE
    assert told.outputs[0].tolist() == [[0, 0, 0, 1]]


def test_where_tflm_crashes_tflite_answers() -> None:
    """TFLM dereferences the bias of an SVDF that has none."""
    told = expected_outputs(delay_line(bias=False), [np.array([[1], [2]], np.float32)])
    assert told.oracle == TFLITE
    assert told.outputs[0].tolist() == [[1], [2]]


def test_what_no_interpreter_survives_is_an_error_and_not_our_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crash = CompletedRun(argv=(), returncode=-11, output="boom", seconds=0.1, timed_out=False)
    monkeypatch.setattr("harness.children.run", lambda *_, **__: crash)
    with pytest.raises(OracleError, match="does not survive this model \\(boom"):
        expected_outputs(b"not seen before", [np.zeros((1, 4), np.int8)])


def hybrid() -> bytes:
    """y = x W' with W stored as int8 of two scales."""
    b = ModelBuilder()
    x, y = b.tensor((1, 2), "float32"), b.tensor((1, 2), "float32")
    stored = np.array([[1, 2], [3, -4]], np.int8)
    weights = b.constant(stored, "int8", scales=(0.1, 0.25), zero_points=(0, 0), axis=0)
    b.op("FULLY_CONNECTED", [x, weights, -1], [y], tb.fully_connected_options())
    return b.build([x], [y])


def test_a_hybrid_model_is_what_its_weights_stand_for() -> None:
    told = expected_outputs(hybrid(), [np.array([[10, 1], [0, 0.003]], np.float32)])
    assert told.oracle == f"{TFLITE} with dequantized weights"
    # quantizing the activations on the way, as TFLite's hybrid kernels do, would lose the 1 beside the 10
    np.testing.assert_allclose(told.outputs[0], [[1.2, 6.5], [0.0006, -0.003]], rtol=1e-6)


def test_what_the_reference_kernels_lack_the_ordinary_ones_answer() -> None:
    """There is no ELU among the reference kernels, and no TFLM for hybrid models."""
    b = ModelBuilder()
    x, hidden, y = (b.tensor((1, 2), "float32") for _ in range(3))
    weights = b.constant(np.array([[1, 2], [3, -4]], np.int8), "int8", scales=(0.5,), zero_points=(0,))
    b.op("FULLY_CONNECTED", [x, weights, -1], [hidden], tb.fully_connected_options())
    b.op("ELU", [hidden], [y])
    told = expected_outputs(b.build([x], [y]), [np.array([[2, 1]], np.float32)])
    assert told.oracle == f"{ORDINARY} with dequantized weights"
    np.testing.assert_allclose(told.outputs[0], [[2, 1]], rtol=1e-6)
    told = expected_outputs(b.build([x], [y]), [np.array([[-2, 0]], np.float32)])
    np.testing.assert_allclose(told.outputs[0], [[np.expm1(-1), np.expm1(-3)]], rtol=1e-6)


def test_unequal_numbers_of_samples() -> None:
    with pytest.raises(ValueError, match="zip"):
        interpret(two_in_two_out(), [np.zeros((2, 4), np.float32), np.zeros((1, 3), np.int8)])


@pytest.mark.parametrize("without_tflm", [False, True])
def test_samples_are_on_their_own_unless_they_are_a_stream(without_tflm: bool) -> None:
    inputs = [np.array([[1], [2], [3], [4]], np.float32)]
    model = delay_line()
    alone = interpret(model, inputs, without_tflm=without_tflm).outputs[0]
    stream = interpret(model, inputs, stream=True, without_tflm=without_tflm).outputs[0]
    assert alone.tolist() == [[1], [2], [3], [4]]
    assert stream.tolist() == [[1], [3], [6], [9]]


def test_the_child_knows_a_stream_too() -> None:
    inputs = [np.array([[1], [2], [3], [4]], np.float32)]
    assert expected_outputs(delay_line(), inputs, stream=True).outputs[0][3, 0] == 9
    assert expected_outputs(delay_line(), inputs).outputs[0][3, 0] == 4


@pytest.mark.parametrize("without_tflm", [False, True])
def test_every_tensor_of_a_model_can_be_asked_for(without_tflm: bool) -> None:
    x = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32)
    z = np.array([[-1, 0, 1], [127, -128, 3]], np.int8)
    traced = trace(two_in_two_out(), [x, z], without_tflm=without_tflm)
    assert set(traced.values) == {0, 1, 2, 3}
    assert traced.values[2].tolist() == (2 * x).tolist()
    assert traced.values[3].tolist() == [[0.0, 0.5, 1.0], [64.0, -63.5, 2.0]]


def test_the_child_gives_every_tensor_too() -> None:
    inputs = [np.array([[1], [2], [3], [4]], np.float32)]
    traced = tensors(delay_line(), inputs, stream=True)
    assert traced.oracle == oracle_name()
    assert traced.values[1].tolist() == [[1], [3], [6], [9]]
