# SPDX-License-Identifier: Apache-2.0
"""SOFTMAX and L2_NORMALIZATION against the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.compiler import lower
from harness.errors import UnsupportedError
from harness.graph import read_tflite
from tests import tflite_builder as tb
from tests.native_model import native_model

from .models import Array, check, few
from .models_reduce import l2_normalization, softmax
from .strategies import scales, seeds, zero_points

betas = st.sampled_from([1.0, 1.0, 0.5, 3.0])


@st.composite
def shapes(draw: st.DrawFn) -> list[int]:
    """Up to three leading axes before 1 to 40 classes."""
    return [*draw(st.lists(st.integers(1, 3), max_size=3)), draw(st.integers(1, 40))]


@pytest.mark.parametrize("output", ["int8", "int16"])
@example(shape=[1, 511], scale=0.5, beta=1.0, seed=1)
@example(shape=[2, 10], scale=2.0**-20, beta=1.0, seed=1)
@example(shape=[2, 10], scale=40.0, beta=1.0, seed=1)
@example(shape=[1, 1], scale=0.1, beta=1.0, seed=1)
@given(shape=shapes(), scale=scales(-10, 4), beta=betas, seed=seeds)
@few(10)
def test_softmax_of_int8(output: str, shape: list[int], scale: float, beta: float, seed: int) -> None:
    check(softmax("int8", output, shape, scale=scale, beta=beta), seed=seed)


@pytest.mark.parametrize("output", ["int8", "int16"])
def test_softmax_of_every_difference(output: str) -> None:
    pairs = np.stack([np.arange(-128, 128), np.full(256, 127)], axis=1).astype(np.int8)
    for scale in (0.01, 0.05, 0.3):
        check(softmax("int8", output, [256, 2], scale=scale), inputs=[pairs.reshape(1, -1)])


@pytest.mark.parametrize(("output", "depth"), [("int8", 511), ("int16", 4095)])
def test_softmax_of_equal_values_at_the_largest_depth_of_the_oracle(output: str, depth: int) -> None:
    equal = np.stack([np.full(depth, value, np.int8) for value in (-128, 0, 127)])
    check(softmax("int8", output, [1, depth]), inputs=[equal])


def test_softmax_of_a_thousand_classes() -> None:
    """The oracle aborts where more than 511 values are equal; one value that stands out is what occurs."""
    inputs = np.random.default_rng(1).integers(-128, 128, (4, 1001), dtype=np.int8)
    check(softmax("int8", "int8", [1, 1001], scale=0.3), inputs=[inputs])
    flat = native_model(softmax("int8", "int8", [1, 4095])).run([np.zeros((1, 4095), np.int8)])
    assert set(flat[0].reshape(-1).tolist()) == {-128}


@example(shape=[1, 3000], scale=0.5, beta=1.0, seed=1)
@example(shape=[2, 10], scale=2.0**-18, beta=1.0, seed=1)
@example(shape=[2, 10], scale=400.0, beta=1.0, seed=1)
@example(shape=[1, 1], scale=0.1, beta=1.0, seed=1)
@given(shape=shapes(), scale=scales(-10, 4), beta=betas, seed=seeds)
@few(10)
def test_softmax_of_int16(shape: list[int], scale: float, beta: float, seed: int) -> None:
    check(softmax("int16", "int16", shape, scale=scale, beta=beta), seed=seed)


def test_softmax_of_every_int16_difference() -> None:
    """Two classes, every distance between them at a scale where all of the exponential's table is used."""
    pairs: Array = np.stack([np.arange(-32768, 32768), np.full(65536, 32767)], axis=1).astype(np.int16)
    check(softmax("int16", "int16", [65536, 2], scale=256 * 10 / 65535), inputs=[pairs.reshape(1, -1)])


def test_softmax_of_int16_over_all_sums() -> None:
    """Equal values, 1 to 300 of them before far smaller ones: the reciprocal's table from end to end."""
    rows = np.where(np.arange(300) < np.arange(1, 301)[:, np.newaxis], 0, -32768).astype(np.int16)
    check(softmax("int16", "int16", [300, 300], scale=256 * 0.001), inputs=[rows.reshape(1, -1)])


@given(shape=shapes(), beta=betas, seed=seeds)
@few(6)
def test_softmax_of_float32(shape: list[int], beta: float, seed: int) -> None:
    check(softmax("float32", "float32", shape, beta=beta), seed=seed)


@example(shape=[1, 3000], zero_point=-128, seed=1)
@example(shape=[2, 1], zero_point=0, seed=1)
@given(shape=shapes(), zero_point=zero_points, seed=seeds)
@few(10)
def test_l2_normalization_of_int8(shape: list[int], zero_point: int, seed: int) -> None:
    check(l2_normalization("int8", shape, zero_point=zero_point), seed=seed)


def test_l2_normalization_of_every_pair() -> None:
    """All lengths up to 360 and then some; a row of zeros among them."""
    pairs = np.stack(np.meshgrid(np.arange(-128, 128), np.arange(-128, 128)), axis=-1).astype(np.int8)
    check(l2_normalization("int8", [65536, 2], zero_point=0), inputs=[pairs.reshape(1, -1)])


@given(shape=shapes(), seed=seeds)
@few(5)
def test_l2_normalization_of_float32(shape: list[int], seed: int) -> None:
    check(l2_normalization("float32", shape), seed=seed)


def test_l2_normalization_of_next_to_nothing() -> None:
    tiny = np.array([[0, 0, 0], [1e-8, 0, -1e-7], [1e-30, 0, 0]], np.float32)
    check(l2_normalization("float32", [1, 3]), inputs=[tiny])


@pytest.mark.parametrize(
    ("kind", "options", "depth", "output"),
    [
        ("SOFTMAX", tb.softmax_options(), 5000, {"scale": 1 / 256, "zero_point": -128}),
        ("SOFTMAX", tb.softmax_options(), 5, {"scale": 1 / 128, "zero_point": -128}),
        ("L2_NORMALIZATION", ("L2NormOptions", {}), 5, {"scale": 1 / 256}),
        ("L2_NORMALIZATION", ("L2NormOptions", {}), 33026, {"scale": 1 / 128}),
        ("L2_NORMALIZATION", ("L2NormOptions", {"FusedActivationFunction": 1}), 5, {"scale": 1 / 128}),
    ],
)
def test_what_the_kernels_cannot_is_refused(
    kind: str, options: tb.Options, depth: int, output: dict[str, float]
) -> None:
    b = tb.ModelBuilder()
    x, y = b.tensor((1, depth), scale=0.1), b.tensor((1, depth), **output)  # type: ignore[arg-type]
    b.op(kind, [x], [y], options)
    with pytest.raises(UnsupportedError, match="support"):
        lower(read_tflite(b.build([x], [y]), name="model"))
