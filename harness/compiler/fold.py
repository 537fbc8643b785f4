# SPDX-License-Identifier: Apache-2.0
"""What is known before the first inference is worked out here and never reaches the device.

Shape arithmetic and conversions of constants become constants; operations that only give the same
bytes another shape become names for those bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.compiler.cpu import Cpu
from harness.compiler.kernels.common import unsupported
from harness.compiler.site import Site
from harness.graph import (
    AxisParams,
    DType,
    GatherParams,
    Graph,
    Op,
    Quantization,
    StridedSliceParams,
    Tensor,
)

#: The same bytes under another shape.
ALIASES: Final = ("EXPAND_DIMS", "RESHAPE", "SQUEEZE")

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Folded:
    """An operation that the device never sees, and what became of it: a constant, or an alias."""

    op: Op
    outcome: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FoldedGraph:
    """What is left to do."""

    graph: Graph
    """Tensors that became known are constants in it; operations are all still there."""
    ops: tuple[Op, ...]
    """Those that need a kernel, in order."""
    roots: Mapping[int, int]
    """Tensor -> the tensor whose bytes it names."""
    folded: tuple[Folded, ...]

    def root(self, index: int) -> int:
        """The tensor whose bytes these are."""
        return self.roots.get(index, index)


def fold(graph: Graph, cpu: Cpu) -> FoldedGraph:
    """Separate what is known now from what needs a kernel.

    Raises:
        UnsupportedError: an operation whose constants do not fit together.
    """
    tensors = list(graph.tensors)
    roots: dict[int, int] = {}
    ops: list[Op] = []
    folded: list[Folded] = []
    for op in graph.ops:
        site = Site(graph=graph, op=op, cpu=cpu)
        value = _evaluate(site, op, tensors)
        if value is not None:
            index = op.outputs[0]
            tensors[index] = replace(tensors[index], data=value, shape=value.shape)
            folded.append(Folded(op=op, outcome="constant"))
        elif op.kind in ALIASES:
            source, target = _aliased(site, tensors)
            roots[target] = roots.get(source, source)
            folded.append(Folded(op=op, outcome="alias"))
        else:
            ops.append(op)
    known = replace(graph, tensors=tuple(tensors))
    return FoldedGraph(graph=known, ops=tuple(ops), roots=roots, folded=tuple(folded))


def _aliased(site: Site, tensors: Sequence[Tensor]) -> tuple[int, int]:
    op = site.op
    if not op.inputs or op.inputs[0] is None or not op.outputs:
        raise unsupported(site, "lacks its input or output")
    source, target = op.inputs[0], op.outputs[0]
    a, b = tensors[source], tensors[target]
    if (a.dtype, a.elements) != (b.dtype, b.elements):
        raise unsupported(site, "changes the number of elements or their type")
    return source, target


def _evaluate(site: Site, op: Op, tensors: Sequence[Tensor]) -> Array | None:
    """The value of an operation on constants; None where it must be left to the device."""
    if len(op.outputs) != 1:
        return None
    output = tensors[op.outputs[0]]
    if op.kind == "SHAPE" and op.inputs and op.inputs[0] is not None:
        return np.asarray(tensors[op.inputs[0]].shape, output.dtype.numpy)
    evaluate = _EVALUATORS.get(op.kind)
    inputs = [tensors[i] for i in op.inputs if i is not None]
    if evaluate is None or not inputs:
        return None
    values = [tensor.data for tensor in inputs if tensor.data is not None]
    if len(values) != len(inputs):
        return None
    try:
        value = evaluate(_Folding(op=op, values=values, inputs=inputs, output=output))
    except (ArithmeticError, LookupError, ValueError) as error:
        raise unsupported(site, f"has tensors or options that do not fit together ({error})") from error
    if value is None:
        return None
    return value.astype(output.dtype.numpy, order="C")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Folding:
    op: Op
    values: Sequence[Array]
    inputs: Sequence[Tensor]
    output: Tensor

    def axis(self) -> int:
        if not isinstance(self.op.params, AxisParams):
            raise ValueError("no axis")
        return self.op.params.axis


def _reshaped(f: _Folding) -> Array | None:
    return f.values[0].reshape(f.output.shape)


def _packed(f: _Folding) -> Array | None:
    return np.stack(f.values, axis=f.axis())


def _concatenated(f: _Folding) -> Array | None:
    return np.concatenate(f.values, axis=f.axis())


def _gathered(f: _Folding) -> Array | None:
    params = f.op.params
    if not isinstance(params, GatherParams) or params.batch_dims:
        return None
    return np.take(f.values[0], f.values[1], axis=params.axis)


def _transposed(f: _Folding) -> Array | None:
    return np.transpose(f.values[0], [int(axis) for axis in f.values[1].reshape(-1)])


def _sliced_vector(f: _Folding) -> Array | None:
    """STRIDED_SLICE of a vector, as shapes are taken apart."""
    params, vector = f.op.params, f.values[0]
    if not isinstance(params, StridedSliceParams) or vector.ndim != 1 or len(f.values) != 4:
        return None
    if params.ellipsis_mask or params.new_axis_mask or params.offset:
        return None
    begin, end, stride = (int(value.reshape(-1)[0]) for value in f.values[1:])
    if params.shrink_axis_mask & 1:
        return None if params.begin_mask & 1 else np.asarray(vector[begin])
    return vector[None if params.begin_mask & 1 else begin : None if params.end_mask & 1 else end : stride]


def _integers(f: _Folding) -> Array | None:
    """Arithmetic of shapes: whole numbers without a scale."""
    if f.output.dtype not in (DType.INT32, DType.INT64) or f.output.quantization is not None:
        return None
    a, b = f.values
    arithmetic: Mapping[str, Callable[[Array, Array], Array]] = {
        "ADD": np.add, "SUB": np.subtract, "MUL": np.multiply
    }  # fmt: skip
    return arithmetic[f.op.kind](a, b)


def _cast(f: _Folding) -> Array | None:
    return f.values[0]


def _dequantized(f: _Folding) -> Array | None:
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


_EVALUATORS: Final[dict[str, Callable[[_Folding], Array | None]]] = {
    "ADD": _integers,
    "CAST": _cast,
    "CONCATENATION": _concatenated,
    "DEQUANTIZE": _dequantized,
    "EXPAND_DIMS": _reshaped,
    "GATHER": _gathered,
    "MUL": _integers,
    "PACK": _packed,
    "RESHAPE": _reshaped,
    "SQUEEZE": _reshaped,
    "STRIDED_SLICE": _sliced_vector,
    "SUB": _integers,
    "TRANSPOSE": _transposed,
}
#: What may be gone before the device sees it, `SHAPE` included.
FOLDED: Final = tuple(sorted({*_EVALUATORS, *ALIASES, "SHAPE"}))
