# SPDX-License-Identifier: Apache-2.0
"""What a model's author may not have meant: hybrid layers, float islands, open sizes, missing scales."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

from harness.graph import DType, Graph, Op, Tensor

_INTEGERS: Final = (DType.INT8, DType.UINT8, DType.INT16)
#: They lead from one kind of number to the other, and belong to neither.
_BRIDGES: Final = ("CAST", "DEQUANTIZE", "QUANTIZE")


def doubts(graph: Graph) -> tuple[str, ...]:
    """Sentences, in the order of the operations."""
    return (*_open_sizes(graph), *_hybrids(graph), *_islands(graph), *_missing_scales(graph))


def _open_sizes(graph: Graph) -> Iterator[str]:
    for tensor in graph.input_tensors():
        if tensor.is_dynamic:
            yield (
                f"Input '{tensor.name}' leaves a size open; {list(tensor.shape)} is taken. "
                "Convert the model with a fixed shape to choose it yourself."
            )


def _hybrids(graph: Graph) -> Iterator[str]:
    found: list[Op] = []
    for op in graph.ops:
        constants = [t for t in _inputs(graph, op) if t.data is not None]
        weights = [t for t in constants if t.dtype in _INTEGERS and t.quantization]
        if weights and _computes_in_float(graph, op) and op.kind not in _BRIDGES:
            found.append(op)
    if found:
        several = len(found) > 1
        yield (
            f"Operation{'s' if several else ''} {', '.join(str(op.index) for op in found)}"
            f" ({', '.join(dict.fromkeys(op.kind for op in found))}) {'are' if several else 'is'} hybrid:"
            " integer weights on float32 activations. It saves flash, not time; full integer quantization"
            " saves both."
        )


def _islands(graph: Graph) -> Iterator[str]:
    """Runs of float operations in a model that otherwise computes in integers."""
    working = [op for op in graph.ops if op.kind not in _BRIDGES and op.outputs and _activations(graph, op)]
    kinds = [_computes_in_float(graph, op) for op in working]
    if all(kinds) or not any(kinds) or sum(kinds) * 2 > len(kinds):
        return
    for is_float, run in itertools.groupby(zip(kinds, working, strict=True), key=lambda pair: pair[0]):
        ops = [op for _, op in run]
        if is_float:
            names = ", ".join(dict.fromkeys(op.kind for op in ops))
            one, several = f"Operation {ops[0].index} ({names}) computes", f"Operations {ops[0].index} to"
            start = one if len(ops) == 1 else f"{several} {ops[-1].index} ({names}) compute"
            yield f"{start} in float32 between integer ones: slow without an FPU."


def _missing_scales(graph: Graph) -> Iterator[str]:
    made = {i for op in graph.ops for i in op.outputs} | set(graph.inputs)
    for index in sorted(made):
        tensor = graph.tensors[index]
        if tensor.dtype in (DType.INT8, DType.INT16) and tensor.quantization is None:
            yield (
                f"Tensor '{tensor.name}' is {tensor.dtype.value} without a scale: its numbers have no meaning"
                " of their own."
            )


def _computes_in_float(graph: Graph, op: Op) -> bool:
    found = _activations(graph, op)
    return bool(found) and all(tensor.dtype is DType.FLOAT32 for tensor in found)


def _activations(graph: Graph, op: Op) -> list[Tensor]:
    """Operands that are not constants, and outputs; indices and shapes left out."""
    tensors = [t for t in _inputs(graph, op) if t.data is None] + [graph.tensors[i] for i in op.outputs]
    return [t for t in tensors if t.dtype in (*_INTEGERS, DType.FLOAT32)]


def _inputs(graph: Graph, op: Op) -> list[Tensor]:
    return [graph.tensors[i] for i in op.inputs if i is not None]
