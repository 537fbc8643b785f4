# SPDX-License-Identifier: Apache-2.0
"""What is known before the first inference is worked out here and never reaches the device.

Shape arithmetic and conversions of constants become constants; operations that only give the same
bytes another shape become names for those bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from harness.compiler.cpu import Cpu
from harness.compiler.evaluate import EVALUATED, Array, evaluate
from harness.compiler.kernels.common import unsupported
from harness.compiler.moves import MOVES, Moving
from harness.compiler.shapes import open_shapes
from harness.compiler.site import Site
from harness.compiler.views import is_alias
from harness.graph import Graph, Op, Tensor

#: The same bytes under another shape.
ALIASES: Final = ("EXPAND_DIMS", "RESHAPE", "SQUEEZE")


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
        for position, shape in open_shapes(Moving(op=op, tensors=tensors)).items():
            index = op.outputs[position]
            tensors[index] = replace(tensors[index], shape=shape)
        values = _evaluate(site, tensors)
        alias = None if values is not None else _alias(site, tensors)
        if values is not None:
            for index, value in zip(op.outputs, values, strict=True):
                tensors[index] = replace(tensors[index], data=value, shape=value.shape)
            folded.append(Folded(op=op, outcome="constant"))
        elif alias is not None:
            source, target = alias
            roots[target] = roots.get(source, source)
            folded.append(Folded(op=op, outcome="alias"))
        else:
            ops.append(op)
    known = replace(graph, tensors=tuple(tensors))
    return FoldedGraph(graph=known, ops=tuple(ops), roots=roots, folded=tuple(folded))


def _evaluate(site: Site, tensors: Sequence[Tensor]) -> list[Array] | None:
    """The values of an operation on constants; None where it must be left to the device."""
    try:
        return evaluate(site.op, tensors)
    except (ArithmeticError, LookupError, ValueError) as error:
        raise unsupported(site, f"has tensors or options that do not fit together ({error})") from error


def _alias(site: Site, tensors: Sequence[Tensor]) -> tuple[int, int] | None:
    """(source, target) of an operation that moves no byte."""
    op = site.op
    if op.kind in MOVES:
        source = _unmoved(op, tensors)
        return None if source is None else (source, op.outputs[0])
    return _reshaped(site, tensors) if op.kind in ALIASES else None


def _unmoved(op: Op, tensors: Sequence[Tensor]) -> int | None:
    """The input that a slice takes whole, that a transposition leaves as it is, and the like."""
    try:
        source = is_alias(MOVES[op.kind](Moving(op=op, tensors=tensors)), op, tensors)
    except (LookupError, ValueError):
        # its kernel says what is wrong with it
        return None
    if source is None or tensors[source].is_variable:
        return None
    a, b = tensors[source], tensors[op.outputs[0]]
    return source if (a.dtype, a.quantization) == (b.dtype, b.quantization) else None


def _reshaped(site: Site, tensors: Sequence[Tensor]) -> tuple[int, int]:
    op = site.op
    if not op.inputs or op.inputs[0] is None or not op.outputs:
        raise unsupported(site, "lacks its input or output")
    source, target = op.inputs[0], op.outputs[0]
    a, b = tensors[source], tensors[target]
    if (a.dtype, a.elements) != (b.dtype, b.elements):
        raise unsupported(site, "changes the number of elements or their type")
    if a.is_variable:
        # what is read later under the new name would have changed by then
        raise unsupported(site, "renames a state")
    return source, target


#: What may be gone before the device sees it.
FOLDED: Final = tuple(sorted({*EVALUATED, *ALIASES}))
