# SPDX-License-Identifier: Apache-2.0
"""The oracle's interface; what it computes is its own affair."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import pytest

from harness.errors import ModelError, OracleError
from harness.reference import expected_outputs, interpret, oracle_name
from tests import tflite_builder as tb
from tests.tflite_builder import ModelBuilder


def two_in_two_out() -> bytes:
    b = ModelBuilder()
    x, z = b.tensor((1, 2, 2), "float32"), b.tensor((1, 3), scale=0.5, zero_point=-1)
    sum_, real = b.tensor((1, 2, 2), "float32"), b.tensor((1, 3), "float32")
    b.op("ADD", [x, x], [sum_], tb.add_options())
    b.op("DEQUANTIZE", [z], [real])
    return b.build([x, z], [real, sum_])


def test_one_row_per_sample_and_one_array_per_output() -> None:
    x = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32)
    z = np.array([[-1, 0, 1], [127, -128, 3]], np.int8)
    real, sum_ = expected_outputs(two_in_two_out(), [x, z])
    assert real.dtype == sum_.dtype == np.float32
    assert real.tolist() == [[0.0, 0.5, 1.0], [64.0, -63.5, 2.0]]
    assert sum_.tolist() == (2 * x).tolist()


def test_inputs_may_come_in_the_shape_of_the_tensor() -> None:
    x = np.arange(8, dtype=np.float32).reshape(2, 1, 2, 2)
    z = np.zeros((2, 1, 3), np.int8)
    _, sum_ = expected_outputs(two_in_two_out(), [x, z])
    assert sum_.tolist() == (2 * x.reshape(2, 4)).tolist()


def test_it_names_itself() -> None:
    assert oracle_name() == f"tflm {version('tflite-micro')}"


def test_a_model_that_it_refuses() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 2), "float32"), b.tensor((1, 2), "float32")
    b.op("WHERE", [x], [y])
    with pytest.raises(ModelError, match="refuses the model"):
        expected_outputs(b.build([x], [y]), [np.zeros((1, 2), np.float32)])


def test_a_model_that_kills_it_is_an_error_and_not_our_end() -> None:
    """TFLM dereferences the bias of an int8 DEPTHWISE_CONV_2D that has none."""
    b = ModelBuilder()
    x, y = (b.tensor((1, 2, 2, 1), scale=0.5) for _ in range(2))
    weights = b.constant(np.ones((1, 1, 1, 1), np.int8), "int8", scales=(0.5,), zero_points=(0,), axis=3)
    b.op("DEPTHWISE_CONV_2D", [x, weights, -1], [y], tb.conv_options(depth_multiplier=1))
    with pytest.raises(OracleError, match="does not survive"):
        expected_outputs(b.build([x], [y]), [np.zeros((1, 4), np.int8)])


def test_unequal_numbers_of_samples() -> None:
    with pytest.raises(ValueError, match="zip"):
        interpret(two_in_two_out(), [np.zeros((2, 4), np.float32), np.zeros((1, 3), np.int8)])
