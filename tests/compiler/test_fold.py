# SPDX-License-Identifier: Apache-2.0
"""What is known before the first inference: values against TFLM's or numpy's, names, and open shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from harness.compiler import FLAT, compile_graph
from harness.compiler.fold import FoldedGraph, fold
from harness.compiler.settle import settled
from harness.errors import UnsupportedError
from harness.graph import read_tflite
from harness.reference import interpret
from tests import tflite_builder as tb
from tests.native_model import NativeModel

Array = npt.NDArray[Any]


def ints(values: npt.ArrayLike) -> Array:
    return np.array(values, np.int32)


def folded(b: tb.ModelBuilder, x: int, y: int) -> FoldedGraph:
    return fold(read_tflite(b.build([x], [y]), name="model"), FLAT)


def constant_of(kind: str, inputs: list[Array], shape: tuple[int, ...], options: tb.Options | None) -> Any:
    """What an operation on constants is worked out to; a RELU beside it makes a model of it."""
    b = tb.ModelBuilder()
    x, relu = b.tensor((1, 4), "float32"), b.tensor((1, 4), "float32")
    b.op("RELU", [x], [relu])
    dtype = inputs[-1 if kind == "FILL" else 0].dtype.name
    y = b.tensor(shape, "int32" if kind == "RANK" else dtype)
    b.op(kind, [b.constant(value, value.dtype.name) for value in inputs], [y], options)
    graph = folded(b, x, relu)
    assert [op.kind for op in graph.ops] == ["RELU"]
    assert [(f.op.kind, f.outcome) for f in graph.folded] == [(kind, "constant")]
    return graph.graph.tensors[y].data


MATRIX = np.arange(12, dtype=np.int32).reshape(3, 4)


@pytest.mark.parametrize(
    ("kind", "inputs", "options", "expected"),
    [
        ("FILL", [ints([2, 3]), np.array(1.5, np.float32)], None, np.full((2, 3), 1.5, np.float32)),
        ("RANGE", [ints(2), ints(11), ints(3)], None, ints([2, 5, 8])),
        ("RANK", [MATRIX], None, ints(2)),
        ("ZEROS_LIKE", [MATRIX], None, np.zeros((3, 4), np.int32)),
        ("REDUCE_PROD", [MATRIX[1:], ints([0])], ("ReducerOptions", {}), ints([32, 45, 60, 77])),
        ("SUM", [MATRIX, ints([-1])], ("ReducerOptions", {"KeepDims": True}), ints([[6], [22], [38]])),
        ("FLOOR_DIV", [ints([7, -7]), ints([2, 2])], None, ints([3, -4])),
        ("MAXIMUM", [ints([7, -7]), ints([2])], ("MaximumMinimumOptions", {}), ints([7, 2])),
        ("PAD", [MATRIX, ints([[0, 1], [1, 0]])], ("PadOptions", {}), np.pad(MATRIX, [(0, 1), (1, 0)])),
        ("SLICE", [MATRIX, ints([1, 0]), ints([-1, 2])], ("SliceOptions", {}), MATRIX[1:, :2]),
        ("TRANSPOSE", [MATRIX, ints([1, 0])], ("TransposeOptions", {}), MATRIX.T),
        ("TILE", [MATRIX, ints([1, 2])], ("TileOptions", {}), np.tile(MATRIX, (1, 2))),
        ("REVERSE_V2", [MATRIX, ints([0])], ("ReverseV2Options", {}), MATRIX[::-1]),
        ("BROADCAST_TO", [ints([[1], [2]]), ints([2, 2])], ("BroadcastToOptions", {}),
         ints([[1, 1], [2, 2]])),
        ("GATHER", [MATRIX, ints([[1, 3]])], ("GatherOptions", {"Axis": 1}), MATRIX[:, [[1, 3]]]),
        ("GATHER", [MATRIX[:2], ints([[1, 3], [0, 0]])], ("GatherOptions", {"Axis": 1, "BatchDims": 1}),
         ints([[1, 3], [4, 4]])),
        ("STRIDED_SLICE", [MATRIX, ints([2, 0]), ints([0, 4]), ints([-1, 2])], tb.slice_options(),
         MATRIX[2:0:-1, 0:4:2]),
        ("STRIDED_SLICE", [MATRIX, ints([0, 1]), ints([0, 2]), ints([1, 1])],
         tb.slice_options(begin_mask=1, end_mask=1, shrink_axis_mask=2), MATRIX[:, 1]),
    ],
)  # fmt: skip
def test_values(kind: str, inputs: list[Array], options: tb.Options | None, expected: Array) -> None:
    value = constant_of(kind, inputs, expected.shape, options)
    assert value.dtype == expected.dtype
    assert value.tolist() == expected.tolist()


def test_several_outputs() -> None:
    b = tb.ModelBuilder()
    x, relu = b.tensor((1, 4), "float32"), b.tensor((1, 4), "float32")
    b.op("RELU", [x], [relu])
    parts = [b.tensor((3, 2), "int32") for _ in range(2)]
    b.op("SPLIT", [b.constant(1, "int32"), b.constant(MATRIX, "int32")], parts, ("SplitOptions", {}))
    values = [folded(b, x, relu).graph.tensors[part].data for part in parts]
    assert [value.tolist() for value in values if value is not None] == [
        MATRIX[:, :2].tolist(), MATRIX[:, 2:].tolist()
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "inputs", "shape"),
    [
        ("FILL", [ints([1 << 20, 1 << 20]), np.array(0, np.float32)], (2,)),
        ("FILL", [ints([-2]), np.array(0, np.float32)], (2,)),
        ("RANGE", [ints(0), ints(2**31 - 1), ints(1)], (2,)),
        ("RANGE", [ints(0), ints(4), ints(0)], (2,)),
        ("GATHER", [MATRIX, ints([4])], (1, 4)),
        ("GATHER", [MATRIX, np.array([1.0], np.float32)], (1, 4)),
    ],
)
def test_values_that_cannot_be(kind: str, inputs: list[Array], shape: tuple[int, ...]) -> None:
    options = ("GatherOptions", {"Axis": 0}) if kind == "GATHER" else None
    with pytest.raises(UnsupportedError, match=f"operation 1 {kind} .* do not fit together"):
        constant_of(kind, inputs, shape, options)


def open_reshape() -> bytes:
    """As a converter leaves it with an open batch: what lies behind the RESHAPE has sizes of 1."""
    b = tb.ModelBuilder()
    x = b.tensor((1, 2, 6), "float32", signature=(-1, 2, 6))
    shape, batch, target = (b.tensor((n,), "int32") for n in (3, 1, 3))
    b.op("SHAPE", [x], [shape], ("ShapeOptions", {}))
    bounds = [b.constant([value], "int32") for value in (0, 1, 1)]
    b.op("STRIDED_SLICE", [shape, *bounds], [batch], tb.slice_options())
    parts = [batch, b.constant([4, 3], "int32")]
    b.op("CONCATENATION", parts, [target], ("ConcatenationOptions", {"Axis": 0}))
    flat = b.tensor((1, 1, 3), "float32", signature=(-1, -1, 3))
    relu = b.tensor((1, 1, 3), "float32", signature=(-1, -1, 3))
    y = b.tensor((1, 3, 1), "float32", signature=(-1, 3, -1))
    b.op("RESHAPE", [x, target], [flat], ("ReshapeOptions", {}))
    b.op("RELU", [flat], [relu])
    b.op("TRANSPOSE", [relu, b.constant([0, 2, 1], "int32")], [y], ("TransposeOptions", {}))
    return b.build([x], [y])


def test_open_sizes_are_worked_out() -> None:
    graph = read_tflite(open_reshape(), name="model")
    values = np.random.default_rng(1).normal(size=(3, 12)).astype(np.float32)
    (ours,) = NativeModel(graph, compile_graph(graph)).run([values])
    moved = np.maximum(values.reshape(3, 4, 3), 0).transpose(0, 2, 1)
    assert ours.tolist() == moved.reshape(3, 12).tolist()


def test_the_oracle_is_given_a_file_without_open_sizes() -> None:
    data = open_reshape()
    graph = read_tflite(settled(data), name="model")
    assert [tensor.shape for tensor in graph.output_tensors()] == [(1, 3, 4)]
    values = np.random.default_rng(1).normal(size=(3, 12)).astype(np.float32)
    expected = interpret(data, [values])
    assert expected.oracle.startswith("tflm")
    ours = NativeModel(graph, compile_graph(graph)).run([values])
    assert ours[0].tolist() == expected.outputs[0].tolist()


def test_a_file_without_open_sizes_is_settled() -> None:
    b = tb.ModelBuilder()
    x, y = b.tensor((1, 4), "float32"), b.tensor((1, 4), "float32")
    b.op("RELU", [x], [y])
    data = b.build([x], [y])
    assert settled(data) is data
