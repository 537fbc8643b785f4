# SPDX-License-Identifier: Apache-2.0
"""ADD, SUB, MUL, SQUARED_DIFFERENCE, MAXIMUM and MINIMUM against the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.compiler import lower
from harness.compiler.kernels.broadcast import broadcast_axes
from harness.errors import UnsupportedError
from harness.graph import read_tflite
from tests import tflite_builder as tb

from .models import Array, check, few
from .models_binary import CHOICES, KINDS, Scale, binary
from .one_op import side_by_side
from .strategies import activations, scales, seeds, zero_points

DTYPES = ("int8", "int16", "int32", "float32")
ROUNDED = ("ADD", "SUB", "MUL", "SQUARED_DIFFERENCE")
Shapes = tuple[list[int], list[int]]


@st.composite
def shape_pairs(draw: st.DrawFn) -> Shapes:
    """Up to rank 4; each operand lacks leading axes, or has size 1 where the other has more."""
    whole = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    kept = st.integers(0, 2).map(bool)
    a, b = ([size if draw(kept) else 1 for size in whole] for _ in range(2))
    lacking = st.integers(0, len(whole) - 1)
    return a[draw(lacking) :], b[draw(lacking) :]


#: Scale and zero point of a, b and the output.
scale_triples = st.tuples(*[st.tuples(scales(-8, 0), zero_points)] * 3)
LOUD: tuple[Scale, ...] = ((0.8, -128), (0.01, 127), (0.02, 127))
QUIET: tuple[Scale, ...] = ((0.01, 127), (0.8, -128), (3.0, -128))
ALTERNATING: Shapes = ([2, 1, 3, 1], [1, 3, 1, 4])


@pytest.mark.parametrize("kind", KINDS)
@example(shapes=([2, 3], [2, 3]), scales_=LOUD, activation="NONE", seed=1)
@example(shapes=ALTERNATING, scales_=QUIET, activation="RELU6", seed=1)
@example(shapes=([3], [2, 2, 2, 3]), scales_=LOUD, activation="RELU", seed=2)
@example(shapes=([2, 4, 1], [1]), scales_=QUIET, activation="RELU_N1_TO_1", seed=3)
@given(shapes=shape_pairs(), scales_=scale_triples, activation=activations, seed=seeds)
@few(10)
def test_int8(kind: str, shapes: Shapes, scales_: tuple[Scale, ...], activation: str, seed: int) -> None:
    check(binary(kind, "int8", shapes, scales=scales_, activation=activation), seed=seed)


@pytest.mark.parametrize("kind", ROUNDED)
def test_every_pair_of_int8_values(kind: str) -> None:
    every = np.arange(-128, 128, dtype=np.int8)
    check(
        binary(kind, "int8", ([256, 1], [1, 256]), scales=((0.035, -7), (0.02, 11), (0.05, 3))),
        inputs=[every[np.newaxis], every[np.newaxis]],
    )


@pytest.mark.parametrize("kind", KINDS)
@example(shapes=([2, 3], [2, 3]), scales_=LOUD, activation="NONE", seed=1)
@example(shapes=ALTERNATING, scales_=QUIET, activation="RELU6", seed=1)
@given(shapes=shape_pairs(), scales_=scale_triples, activation=activations, seed=seeds)
@few(5)
def test_int16(kind: str, shapes: Shapes, scales_: tuple[Scale, ...], activation: str, seed: int) -> None:
    check(binary(kind, "int16", shapes, scales=scales_, activation=activation), seed=seed, samples=32)


@pytest.mark.parametrize("kind", KINDS)
@example(shapes=ALTERNATING, activation="RELU6", seed=1)
@given(shapes=shape_pairs(), activation=activations, seed=seeds)
@few(4)
def test_float32(kind: str, shapes: Shapes, activation: str, seed: int) -> None:
    check(binary(kind, "float32", shapes, activation=activation), seed=seed)


@pytest.mark.parametrize("kind", KINDS)
@example(shapes=ALTERNATING, activation="RELU6", seed=1)
@given(shapes=shape_pairs(), activation=activations, seed=seeds)
@few(3)
def test_int32(kind: str, shapes: Shapes, activation: str, seed: int) -> None:
    """Random int32: sums and products wrap."""
    check(binary(kind, "int32", shapes, activation="NONE" if kind == "ADD" else activation), seed=seed)


@pytest.mark.parametrize("kind", CHOICES)
def test_int64(kind: str) -> None:
    check(binary(kind, "int64", ([2, 3], [1, 3])))


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
@pytest.mark.parametrize("constant", [0, 1])
def test_a_constant_operand_on_either_side(dtype: str, constant: int) -> None:
    """All kinds in one model: the constant is along the rows of the other operand."""
    shapes = ([3], [2, 3]) if constant == 0 else ([2, 3], [3])
    check(side_by_side(binary.on(kind, dtype, shapes, constant=constant) for kind in KINDS))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("constant", [0, 1])
@example(scales_=LOUD, activation="NONE")
@example(scales_=QUIET, activation="RELU6")
@given(scales_=scale_triples, activation=activations)
@few(4)
def test_a_constant_number_makes_a_table(
    kind: str, constant: int, scales_: tuple[Scale, ...], activation: str
) -> None:
    shapes = ([], [256]) if constant == 0 else ([256], [1, 1])
    data = binary(kind, "int8", shapes, scales=scales_, activation=activation, constant=constant)
    (step,) = lower(read_tflite(data, name="model")).steps
    assert step.calls[0].function == "nn_lookup_int8"
    check(data, inputs=[np.arange(-128, 128, dtype=np.int8).reshape(1, 256)])


def test_a_tensor_with_itself() -> None:
    b = tb.ModelBuilder()
    x, y = b.tensor((3, 4), scale=0.05, zero_point=4), b.tensor((3, 4), scale=0.1)
    b.op("ADD", [x, x], [y], tb.add_options())
    check(b.build([x], [y]))


@given(shapes=shape_pairs())
@few(200)
def test_axes_walk_as_numpy_broadcasts(shapes: Shapes) -> None:
    """The merged axes name, for each output element, the operands' elements that numpy takes."""
    a, b = (np.arange(np.prod(shape)).reshape(shape) for shape in shapes)
    axes = broadcast_axes(a.shape, b.shape, np.broadcast_shapes(a.shape, b.shape))
    sizes = [axis.size for axis in reversed(axes)]
    strides = ([axis.a_stride for axis in reversed(axes)], [axis.b_stride for axis in reversed(axes)])
    for operand, stride in zip(np.broadcast_arrays(a, b), strides, strict=True):
        walked: Array = np.indices(sizes).reshape(len(sizes), -1).T @ stride
        np.testing.assert_array_equal(walked, operand.reshape(-1))


@pytest.mark.parametrize(
    ("shapes", "axes"),
    [
        (([2, 3, 4], [2, 3, 4]), 1), (([2, 3, 4], [4]), 2), (([2, 3, 4], [1]), 1),
        (([2, 3, 4], [2, 1, 1]), 2), (ALTERNATING, 4),
    ],
)  # fmt: skip
def test_neighbouring_axes_are_merged(shapes: Shapes, axes: int) -> None:
    assert len(broadcast_axes(*shapes, np.broadcast_shapes(*map(tuple, shapes)))) == axes


def refused(b: tb.ModelBuilder, inputs: list[int], outputs: list[int]) -> str:
    with pytest.raises(UnsupportedError) as refusal:
        lower(read_tflite(b.build(inputs, outputs), name="model"))
    return str(refusal.value)


@pytest.mark.parametrize("output", [(2, 3), (4, 3), (1, 2, 3), (2, 2, 3), (6,)])
def test_shapes_that_do_not_fit_are_refused(output: tuple[int, ...]) -> None:
    b = tb.ModelBuilder()
    x, z, y = b.tensor((2, 3), "float32"), b.tensor((3, 3), "float32"), b.tensor(output, "float32")
    b.op("MUL", [x, z], [y], ("MulOptions", {}))
    assert "do not fit together" in refused(b, [x, z], [y])


def test_a_number_that_makes_another_shape_is_refused() -> None:
    b = tb.ModelBuilder()
    x, y = b.tensor((2, 3), scale=0.1), b.tensor((6,), scale=0.1)
    b.op("ADD", [x, b.constant(5, scales=(0.1,))], [y], tb.add_options())
    assert "do not fit together" in refused(b, [x], [y])


def test_operands_of_two_types_are_refused() -> None:
    b = tb.ModelBuilder()
    x, z, y = b.tensor((2, 3), scale=0.1), b.tensor((2, 3), "float32"), b.tensor((2, 3), scale=0.1)
    b.op("ADD", [x, z], [y], tb.add_options())
    assert "makes int8 of int8 and float32" in refused(b, [x, z], [y])


@pytest.mark.parametrize("scale", [0.0, 1e-30])
def test_scales_too_far_apart_are_refused(scale: float) -> None:
    b = tb.ModelBuilder()
    x, z, y = b.tensor((2,), scale=0.1), b.tensor((2,), scale=0.1), b.tensor((2,), scale=scale)
    b.op("ADD", [x, z], [y], tb.add_options())
    refused(b, [x, z], [y])
