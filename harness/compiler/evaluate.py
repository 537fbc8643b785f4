# SPDX-License-Identifier: Apache-2.0
"""The value of an operation on constants: shape arithmetic, conversions, and whatever only moves values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.compiler.moves import MOVES, Moving, axis_of, interior
from harness.compiler.views import carry_out
from harness.graph import DType, GatherParams, Op, Quantization, Tensor

Array = npt.NDArray[Any]

#: No model has a constant of this size; a damaged one may ask for it.
_MAX_ELEMENTS: Final = 1 << 24


@dataclass(frozen=True, kw_only=True, slots=True)
class Folding:
    """An operation whose inputs are all constants; absent ones are left out of `inputs` and `values`."""

    op: Op
    tensors: Sequence[Tensor]
    inputs: Sequence[Tensor]
    values: Sequence[Array]

    @property
    def output(self) -> Tensor:
        """The first output."""
        return self.tensors[self.op.outputs[0]]


def evaluate(op: Op, tensors: Sequence[Tensor]) -> list[Array] | None:
    """A value for each output in its own type; None where it must be left to the device.

    Raises:
        ArithmeticError, LookupError, ValueError: constants that do not fit together.
    """
    present = [tensors[index] for index in op.inputs if index is not None]
    if not present or not op.outputs:
        return None
    by_shape = _BY_SHAPE.get(op.kind)
    if by_shape is not None:
        return [by_shape(present[0]).astype(tensors[op.outputs[0]].dtype.numpy)]
    values = [tensor.data for tensor in present if tensor.data is not None]
    if len(values) != len(present):
        return None
    f = Folding(op=op, tensors=tensors, inputs=present, values=values)
    if op.kind in MOVES:
        return _moved(f)
    evaluator = _EVALUATORS.get(op.kind)
    value = None if evaluator is None or len(op.outputs) != 1 else evaluator(f)
    return None if value is None else [value.astype(f.output.dtype.numpy, order="C")]


def _moved(f: Folding) -> list[Array] | None:
    moving = Moving(op=f.op, tensors=f.tensors)
    outputs = [np.zeros(_checked(tensor.elements), tensor.dtype.numpy) for tensor in moving.outputs()]
    carry_out(MOVES[f.op.kind](moving), f.values, outputs)
    return [flat.reshape(tensor.shape) for flat, tensor in zip(outputs, moving.outputs(), strict=True)]


def _checked(elements: int) -> int:
    if not 0 <= elements <= _MAX_ELEMENTS:
        raise ValueError(f"a constant of {elements} values")
    return elements


def _reshaped(f: Folding) -> Array | None:
    return f.values[0].reshape(f.output.shape)


def _padded(f: Folding) -> Array | None:
    """PAD of what has no zero point, and PADV2."""
    if len(f.values) < 3 and f.output.quantization is not None:
        return None
    fill = f.values[2].reshape(-1)[0] if len(f.values) > 2 else 0
    flat = np.full(_checked(f.output.elements), fill, f.output.dtype.numpy)
    carry_out(interior(Moving(op=f.op, tensors=f.tensors)), f.values, [flat])
    return flat.reshape(f.output.shape)


def _gathered(f: Folding) -> Array | None:
    params, (data, indices) = f.op.params, f.values
    if not isinstance(params, GatherParams):
        raise ValueError("its options are missing")
    if indices.dtype.kind not in "iu":
        raise ValueError(f"indices of {indices.dtype.name}")
    axis = axis_of(params.axis, data.ndim)
    lead = axis_of(params.batch_dims, indices.ndim) if params.batch_dims else 0
    if lead > axis or data.shape[:lead] != indices.shape[:lead]:
        raise ValueError(f"{lead} batch axes of {list(data.shape)} and {list(indices.shape)}")
    if ((indices < 0) | (indices >= data.shape[axis])).any():
        raise ValueError(f"an index outside of an axis of {data.shape[axis]}")
    if not lead:
        return np.take(data, indices, axis=axis)
    batches = zip(
        data.reshape(-1, *data.shape[lead:]), indices.reshape(-1, *indices.shape[lead:]), strict=True
    )
    taken = np.stack([np.take(entry, picks, axis=axis - lead) for entry, picks in batches])
    return taken.reshape(*data.shape[:lead], *taken.shape[1:])


def _filled(f: Folding) -> Array | None:
    dims = [int(size) for size in f.values[0].reshape(-1)]
    _checked(math.prod(dims) if min(dims, default=0) >= 0 else -1)
    return np.full(dims, f.values[1].reshape(-1)[0])


def _range(f: Folding) -> Array | None:
    start, limit, delta = (value.reshape(-1)[0].item() for value in f.values)
    _checked(math.ceil((limit - start) / delta))
    return np.arange(start, limit, delta)


def _integers(f: Folding) -> Array | None:
    """Arithmetic of shapes: whole numbers without a scale."""
    if f.output.dtype not in (DType.INT32, DType.INT64) or f.output.quantization is not None:
        return None
    a, b = f.values
    return _ARITHMETIC[f.op.kind](a, b)


_ARITHMETIC: Final[dict[str, Callable[[Array, Array], Array]]] = {
    "ADD": np.add,
    "FLOOR_DIV": np.floor_divide,
    "FLOOR_MOD": np.mod,
    "MAXIMUM": np.maximum,
    "MINIMUM": np.minimum,
    "MUL": np.multiply,
    "SUB": np.subtract,
}


def _reduced(f: Folding) -> Array | None:
    """Sums and products of shapes; the output's own shape says whether axes of size 1 are kept."""
    if f.output.dtype not in (DType.INT32, DType.INT64) or f.output.quantization is not None:
        return None
    data = f.values[0]
    axes = tuple({axis_of(int(axis), data.ndim) for axis in f.values[1].reshape(-1)})
    return np.asarray(_REDUCTIONS[f.op.kind](data, axes)).reshape(f.output.shape)


_REDUCTIONS: Final[dict[str, Callable[[Array, tuple[int, ...]], Any]]] = {
    "REDUCE_MAX": lambda data, axes: np.max(data, axis=axes),
    "REDUCE_MIN": lambda data, axes: np.min(data, axis=axes),
    "REDUCE_PROD": lambda data, axes: np.prod(data, axis=axes, dtype=data.dtype),
    "SUM": lambda data, axes: np.sum(data, axis=axes, dtype=data.dtype),
}


def _cast(f: Folding) -> Array | None:
    return f.values[0]


def _dequantized(f: Folding) -> Array | None:
    if f.output.dtype is not DType.FLOAT32:
        return None
    if f.inputs[0].dtype is DType.FLOAT16:
        return f.values[0].astype(np.float32)
    quantization = f.inputs[0].quantization
    return None if quantization is None else dequantized(f.values[0], quantization)


def dequantized(values: Array, quantization: Quantization) -> npt.NDArray[np.float32]:
    """Real values in float32, per tensor or per channel.

    Raises:
        ValueError: the scales do not fit the shape.
    """
    if len(quantization.scales) == 1:
        scales, zeros = np.float32(quantization.scale), np.float32(quantization.zero_point)
        return ((values.astype(np.float32) - zeros) * scales).astype(np.float32)
    shape = [1] * values.ndim
    if not 0 <= quantization.axis < values.ndim:
        raise ValueError(f"no axis {quantization.axis}")
    shape[quantization.axis] = len(quantization.scales)
    per_scale = np.asarray(quantization.scales, np.float32).reshape(shape)
    per_zero = np.asarray(quantization.zero_points, np.float32).reshape(shape)
    return ((values.astype(np.float32) - per_zero) * per_scale).astype(np.float32)


#: What needs to know no more than the shape of its first input.
_BY_SHAPE: Final[dict[str, Callable[[Tensor], Array]]] = {
    "RANK": lambda tensor: np.asarray(len(tensor.shape)),
    "SHAPE": lambda tensor: np.asarray(tensor.shape, np.int64),
    "ZEROS_LIKE": lambda tensor: np.zeros(tensor.shape if _checked(tensor.elements) else 0),
}
_EVALUATORS: Final[dict[str, Callable[[Folding], Array | None]]] = {
    "CAST": _cast,
    "DEQUANTIZE": _dequantized,
    "EXPAND_DIMS": _reshaped,
    "FILL": _filled,
    "GATHER": _gathered,
    "PAD": _padded,
    "PADV2": _padded,
    "RANGE": _range,
    "RESHAPE": _reshaped,
    "SQUEEZE": _reshaped,
    **dict.fromkeys(_ARITHMETIC, _integers),
    **dict.fromkeys(_REDUCTIONS, _reduced),
}
#: What may be gone before the device sees it.
EVALUATED: Final = tuple(sorted({*_BY_SHAPE, *_EVALUATORS, *MOVES}))
