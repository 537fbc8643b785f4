# SPDX-License-Identifier: Apache-2.0
"""Builders of operations that move values, and of RESIZE_*; tensors of int8 and int16 have a scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import tflite

from tests import tflite_builder as tb

from .one_op import Ends, OneOp

Shape = Sequence[int]

_QUANTIZED: Final[dict[str, dict[str, Any]]] = {
    "int8": {"scale": 0.05, "zero_point": -3},
    "uint8": {"scale": 0.05, "zero_point": 7},
    "int16": {"scale": 0.001, "zero_point": 0},
}
_INT32: Final = tflite.TensorType.INT32


def value(b: tb.ModelBuilder, dtype: str, shape: Shape) -> int:
    """A tensor that is computed or given."""
    return b.tensor(shape, dtype, **_QUANTIZED.get(dtype, {}))


def known(b: tb.ModelBuilder, dtype: str, values: Any) -> int:
    """A constant of the same scale."""
    quantized = _QUANTIZED.get(dtype)
    if quantized is None:
        return b.constant(values, dtype)
    return b.constant(values, dtype, scales=[quantized["scale"]], zero_points=[quantized["zero_point"]])


@OneOp
def concatenation(
    b: tb.ModelBuilder, dtype: str, shapes: Sequence[Shape], axis: int, *, constant: Any = None
) -> Ends:
    """CONCATENATION of inputs and, where given, a constant behind them."""
    inputs = [value(b, dtype, shape) for shape in shapes]
    parts = [*inputs] if constant is None else [*inputs, known(b, dtype, constant)]
    total = list(shapes[0])
    total[axis] = sum(b.tensors[part].shape[axis] for part in parts)
    y = value(b, dtype, total)
    b.op("CONCATENATION", parts, [y], ("ConcatenationOptions", {"Axis": axis}))
    return inputs, [y]


@OneOp
def split(b: tb.ModelBuilder, dtype: str, shape: Shape, count: int, axis: int) -> Ends:
    """SPLIT into equal parts."""
    x = value(b, dtype, shape)
    part = list(shape)
    part[axis] //= count
    outputs = [value(b, dtype, part) for _ in range(count)]
    b.op("SPLIT", [b.constant(axis, "int32"), x], outputs, ("SplitOptions", {"NumSplits": count}))
    return [x], outputs


@OneOp
def split_v(
    b: tb.ModelBuilder, dtype: str, shape: Shape, sizes: Sequence[int], axis: int, *, rest: int | None = None
) -> Ends:
    """SPLIT_V into parts of these sizes; the file says -1 for part `rest`."""
    x = value(b, dtype, shape)
    outputs = [value(b, dtype, [*shape[:axis], size, *shape[axis:][1:]]) for size in sizes]
    written = [-1 if i == rest else size for i, size in enumerate(sizes)]
    constants = [b.constant(written, "int32"), b.constant(axis, "int32")]
    b.op("SPLIT_V", [x, *constants], outputs, ("SplitVOptions", {"NumSplits": len(sizes)}))
    return [x], outputs


@OneOp
def slice_(b: tb.ModelBuilder, dtype: str, shape: Shape, begin: Shape, size: Shape) -> Ends:
    """SLICE; a size of -1 is the rest."""
    x = value(b, dtype, shape)
    left = [total - at if n == -1 else n for total, at, n in zip(shape, begin, size, strict=True)]
    y = value(b, dtype, left)
    b.op("SLICE", [x, b.constant(begin, "int32"), b.constant(size, "int32")], [y], ("SliceOptions", {}))
    return [x], [y]


@OneOp
def strided_slice(
    b: tb.ModelBuilder,
    dtype: str,
    shape: Shape,
    ranges: Sequence[tuple[int, int, int]],
    output: Shape,
    *,
    masks: Mapping[str, int | bool] | None = None,
) -> Ends:
    """STRIDED_SLICE by (begin, end, stride); `masks` are fields of its options."""
    x, y = value(b, dtype, shape), value(b, dtype, output)
    columns = [b.constant(list(column), "int32") for column in zip(*ranges, strict=True)]
    b.op("STRIDED_SLICE", [x, *columns], [y], ("StridedSliceOptions", masks or {}))
    return [x], [y]


@OneOp
def pack(b: tb.ModelBuilder, dtype: str, shape: Shape, count: int, axis: int) -> Ends:
    """PACK of `count` inputs of one shape."""
    inputs = [value(b, dtype, shape) for _ in range(count)]
    at = axis % (len(shape) + 1)
    y = value(b, dtype, [*shape[:at], count, *shape[at:]])
    b.op("PACK", inputs, [y], tb.pack_options(count=count, axis=axis))
    return inputs, [y]


@OneOp
def unpack(b: tb.ModelBuilder, dtype: str, shape: Shape, axis: int) -> Ends:
    """UNPACK along an axis."""
    x, at = value(b, dtype, shape), axis % len(shape)
    outputs = [value(b, dtype, [*shape[:at], *shape[at + 1 :]]) for _ in range(shape[at])]
    b.op("UNPACK", [x], outputs, ("UnpackOptions", {"Num": shape[at], "Axis": axis}))
    return [x], outputs


@OneOp
def transpose(b: tb.ModelBuilder, dtype: str, shape: Shape, order: Sequence[int]) -> Ends:
    """TRANSPOSE."""
    x, y = value(b, dtype, shape), value(b, dtype, [shape[axis] for axis in order])
    b.op("TRANSPOSE", [x, b.constant(order, "int32")], [y], ("TransposeOptions", {}))
    return [x], [y]


@OneOp
def gather(
    b: tb.ModelBuilder,
    dtype: str,
    shape: Shape,
    indices: Any,
    axis: int,
    *,
    batch_dims: int = 0,
    index_dtype: str = "int32",
) -> Ends:
    """GATHER of an input by constant indices."""
    x, picked = value(b, dtype, shape), b.constant(indices, index_dtype)
    return [x], [_gather(b, dtype, (x, picked), axis, batch_dims)]


@OneOp
def gather_by_input(
    b: tb.ModelBuilder, dtype: str, table: Any, picks: Shape, axis: int, *, batch_dims: int = 0
) -> Ends:
    """GATHER of a constant by indices that are an input."""
    x, picked = known(b, dtype, table), b.tensor(picks, "int32")
    return [picked], [_gather(b, dtype, (x, picked), axis, batch_dims)]


@OneOp
def gather_by_choice(b: tb.ModelBuilder, dtype: str, table: Any, picks: int) -> Ends:
    """GATHER of a constant by the positions of the largest values in the rows of an input."""
    shape = np.shape(table)
    x, picked = value(b, "float32", (picks, shape[0])), b.tensor((picks,), "int32")
    b.op("ARG_MAX", [x, b.constant(1, "int32")], [picked], ("ArgMaxOptions", {"OutputType": _INT32}))
    return [x], [_gather(b, dtype, (known(b, dtype, table), picked), 0, 0)]


def _gather(b: tb.ModelBuilder, dtype: str, operands: tuple[int, int], axis: int, batch_dims: int) -> int:
    shape, picks = (b.tensors[operand].shape for operand in operands)
    at = axis % len(shape)
    y = value(b, dtype, [*shape[:at], *picks[batch_dims:], *shape[at + 1 :]])
    b.op("GATHER", operands, [y], ("GatherOptions", {"Axis": axis, "BatchDims": batch_dims}))
    return y


@OneOp
def pad(
    b: tb.ModelBuilder,
    dtype: str,
    shape: Shape,
    widths: Sequence[tuple[int, int]],
    *,
    fill: float | None = None,
    fill_is_input: bool = False,
) -> Ends:
    """PAD; PADV2 where a `fill` is given, which may be an input instead."""
    x = value(b, dtype, shape)
    y = value(b, dtype, [size + sum(pair) for size, pair in zip(shape, widths, strict=True)])
    inputs = [x, b.constant(widths, "int32")]
    if fill_is_input:
        given = value(b, dtype, ())
        b.op("PADV2", [*inputs, given], [y], ("PadV2Options", {}))
        return [x, given], [y]
    if fill is not None:
        b.op("PADV2", [*inputs, known(b, dtype, fill)], [y], ("PadV2Options", {}))
    else:
        b.op("PAD", inputs, [y], ("PadOptions", {}))
    return [x], [y]


@OneOp
def mirror_pad(
    b: tb.ModelBuilder, dtype: str, shape: Shape, widths: Sequence[tuple[int, int]], *, mode: str
) -> Ends:
    """MIRROR_PAD, `mode` REFLECT or SYMMETRIC."""
    x = value(b, dtype, shape)
    y = value(b, dtype, [size + sum(pair) for size, pair in zip(shape, widths, strict=True)])
    options = ("MirrorPadOptions", {"Mode": getattr(tflite.MirrorPadMode, mode)})
    b.op("MIRROR_PAD", [x, b.constant(widths, "int32")], [y], options)
    return [x], [y]


@OneOp
def resize(
    b: tb.ModelBuilder,
    kind: str,
    dtype: str,
    shape: Shape,
    size: tuple[int, int],
    *,
    corners: bool = False,
    centers: bool = False,
) -> Ends:
    """RESIZE_`kind`."""
    x, y = value(b, dtype, shape), value(b, dtype, (shape[0], *size, shape[3]))
    name = "".join(part.capitalize() for part in f"resize_{kind}_options".split("_"))
    options = (name, {"AlignCorners": corners, "HalfPixelCenters": centers})
    b.op(f"RESIZE_{kind}", [x, b.constant(size, "int32")], [y], options)
    return [x], [y]


@OneOp
def broadcast_to(b: tb.ModelBuilder, dtype: str, shape: Shape, output: Shape) -> Ends:
    """BROADCAST_TO."""
    x, y = value(b, dtype, shape), value(b, dtype, output)
    b.op("BROADCAST_TO", [x, b.constant(output, "int32")], [y], ("BroadcastToOptions", {}))
    return [x], [y]


@OneOp
def tile(b: tb.ModelBuilder, dtype: str, shape: Shape, counts: Sequence[int]) -> Ends:
    """TILE."""
    x = value(b, dtype, shape)
    y = value(b, dtype, [math.prod(pair) for pair in zip(shape, counts, strict=True)])
    b.op("TILE", [x, b.constant(counts, "int32")], [y], ("TileOptions", {}))
    return [x], [y]


@OneOp
def reverse(b: tb.ModelBuilder, dtype: str, shape: Shape, axes: Sequence[int]) -> Ends:
    """REVERSE_V2."""
    x, y = value(b, dtype, shape), value(b, dtype, shape)
    b.op("REVERSE_V2", [x, b.constant(axes, "int32")], [y], ("ReverseV2Options", {}))
    return [x], [y]


Pairs = Sequence[tuple[int, int]]


@OneOp
def space_to_batch(b: tb.ModelBuilder, dtype: str, shape: Shape, blocks: Shape, pads: Pairs) -> Ends:
    """SPACE_TO_BATCH_ND."""
    sizes = [size + sum(pair) for size, pair in zip(shape[1:], pads, strict=False)]
    small = [size // block for size, block in zip(sizes, blocks, strict=True)]
    output = [shape[0] * math.prod(blocks), *small, *shape[1 + len(blocks) :]]
    return _blocks(b, "SPACE_TO_BATCH_ND", dtype, (shape, output), (blocks, pads))


@OneOp
def batch_to_space(b: tb.ModelBuilder, dtype: str, shape: Shape, blocks: Shape, crops: Pairs) -> Ends:
    """BATCH_TO_SPACE_ND."""
    sizes = [n * block - sum(pair) for n, block, pair in zip(shape[1:], blocks, crops, strict=False)]
    output = [shape[0] // math.prod(blocks), *sizes, *shape[1 + len(blocks) :]]
    return _blocks(b, "BATCH_TO_SPACE_ND", dtype, (shape, output), (blocks, crops))


def _blocks(
    b: tb.ModelBuilder, kind: str, dtype: str, shapes: tuple[Shape, Shape], constants: tuple[Any, Any]
) -> Ends:
    x, y = (value(b, dtype, shape) for shape in shapes)
    name = "".join(part.capitalize() for part in kind.split("_")[:-1]) + "NDOptions"
    b.op(kind, [x, *(b.constant(values, "int32") for values in constants)], [y], (name, {}))
    return [x], [y]


@OneOp
def depth_to_space(b: tb.ModelBuilder, dtype: str, shape: Shape, block: int) -> Ends:
    """DEPTH_TO_SPACE."""
    batch, height, width, depth = shape
    x, y = value(b, dtype, shape), value(b, dtype, (batch, height * block, width * block, depth // block**2))
    b.op("DEPTH_TO_SPACE", [x], [y], ("DepthToSpaceOptions", {"BlockSize": block}))
    return [x], [y]


@OneOp
def space_to_depth(b: tb.ModelBuilder, dtype: str, shape: Shape, block: int) -> Ends:
    """SPACE_TO_DEPTH."""
    batch, height, width, depth = shape
    x, y = value(b, dtype, shape), value(b, dtype, (batch, height // block, width // block, depth * block**2))
    b.op("SPACE_TO_DEPTH", [x], [y], ("SpaceToDepthOptions", {"BlockSize": block}))
    return [x], [y]
