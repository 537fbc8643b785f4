# SPDX-License-Identifier: Apache-2.0
"""What a graph costs, counted without running it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from harness.graph.nodes import Graph, Op, Tensor
from harness.graph.params import BatchMatMulParams

#: Operands that hold what was learned, by position; others are shapes, axes and activations.
_LEARNED: Final[dict[str, tuple[int, ...]]] = {
    "ADD": (0, 1),
    "BATCH_MATMUL": (0, 1),
    "CONV_2D": (1, 2),
    "DEPTHWISE_CONV_2D": (1, 2),
    "FULLY_CONNECTED": (1, 2),
    "GATHER": (0,),
    "MUL": (0, 1),
    "PRELU": (1,),
    "SUB": (0, 1),
    "SVDF": (1, 2, 3),
    "TRANSPOSE_CONV": (1, 3),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (*range(1, 18), *range(20, 24)),
}
#: An LSTM's matrices and its peepholes: each element is one multiplication in each step of time.
_LSTM_WEIGHTS: Final = (*range(1, 12), 16)


def count_params(graph: Graph) -> int:
    """Number of learned values: each constant once, however many operations read it."""
    indices = {i for operands in learned(graph) for i in operands}
    return sum(graph.tensors[i].elements for i in indices)


def learned(graph: Graph) -> tuple[tuple[int, ...], ...]:
    """By operation, the operands that hold learned values: constants, and what float16 ones become."""
    known = {tensor.index for tensor in graph.tensors if tensor.data is not None}
    known.update(
        i for op in graph.ops if op.kind == "DEQUANTIZE" and known.issuperset(op.inputs) for i in op.outputs
    )
    return tuple(
        tuple(
            index
            for position in _LEARNED.get(op.kind, ())
            if position < len(op.inputs) and (index := op.inputs[position]) is not None and index in known
        )
        for op in graph.ops
    )


def count_macs(graph: Graph) -> int:
    """Multiply-accumulates of one inference, padded taps included (the convention of the field)."""
    return sum(op_macs(graph, op) for op in graph.ops)


def op_macs(graph: Graph, op: Op) -> int:
    """Multiply-accumulates of one operation; 0 for one that only adds, compares or moves."""
    count = _COUNTS.get(op.kind)
    needed = 3 if op.kind == "TRANSPOSE_CONV" else 2
    if count is None or len(op.inputs) < needed or not op.outputs or not graph.tensors[op.outputs[0]].shape:
        return 0
    inputs = [graph.tensors[i] if i is not None else None for i in op.inputs]
    if any(tensor is None or not tensor.shape for tensor in inputs[:needed]):
        # an LSTM may lack the weights of its input gate
        return _lstm(op, inputs, graph.tensors[op.outputs[0]]) if count is _lstm and inputs[0] else 0
    return count(op, inputs, graph.tensors[op.outputs[0]])


_Inputs = list[Tensor | None]


def _operand(inputs: _Inputs, position: int) -> Tensor:
    tensor = inputs[position]
    if tensor is None:
        raise ValueError(f"input {position} is absent")
    return tensor


def _convolution(op: Op, inputs: _Inputs, output: Tensor) -> int:
    del op
    return output.elements * math.prod(_operand(inputs, 1).shape[1:])


def _depthwise(op: Op, inputs: _Inputs, output: Tensor) -> int:
    del op
    return output.elements * math.prod(_operand(inputs, 1).shape[1:3])


def _dense(op: Op, inputs: _Inputs, output: Tensor) -> int:
    del op
    return output.elements * _operand(inputs, 1).shape[-1]


def _transposed(op: Op, inputs: _Inputs, output: Tensor) -> int:
    """Every input element meets each tap of each output channel."""
    del op, output
    taps = math.prod(_operand(inputs, 1).shape[:3])
    return _operand(inputs, 2).elements * taps


def _matmul(op: Op, inputs: _Inputs, output: Tensor) -> int:
    swapped = isinstance(op.params, BatchMatMulParams) and op.params.adj_x
    shape = _operand(inputs, 0).shape
    summed: int = shape[-2] if swapped and len(shape) > 1 else shape[-1]
    return output.elements * summed


def _svdf(op: Op, inputs: _Inputs, output: Tensor) -> int:
    """Per sample: each filter over the newest input, then over its memory."""
    del op
    weights = sum(tensor.elements for tensor in inputs[1:3] if tensor is not None)
    return weights * output.shape[0]


def _lstm(op: Op, inputs: _Inputs, output: Tensor) -> int:
    """Per step of time and sample: every element of the matrices."""
    shape = _operand(inputs, 0).shape
    del op, output
    weights: int = sum(t.elements for i in _LSTM_WEIGHTS if i < len(inputs) and (t := inputs[i]) is not None)
    return weights * math.prod(shape[:-1])


_COUNTS: Final[dict[str, Callable[[Op, _Inputs, Tensor], int]]] = {
    "BATCH_MATMUL": _matmul,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
    "SVDF": _svdf,
    "TRANSPOSE_CONV": _transposed,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
}
