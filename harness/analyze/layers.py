# SPDX-License-Identifier: Apache-2.0
"""What each operation of a model costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.analyze.memory import Span, bytes_in_use
from harness.compiler import Program, Refusal
from harness.graph import Graph, Op, Tensor, learned, op_macs


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One operation of the file."""

    index: int
    kind: str
    name: str
    """Of its first output."""
    inputs: tuple[tuple[int, ...], ...]
    """Shapes of the operands that are not constants."""
    outputs: tuple[tuple[int, ...], ...]
    dtype: str
    """Of its first output."""
    params: int
    macs: int
    weight_bytes: int
    """Of its learned operands, as the file has them."""
    activation_bytes: int
    """Of the operands that are not constants, and of the outputs."""
    arena_bytes: int | None
    """In use while it runs; None where it does not run, or nothing is planned."""
    outcome: str
    """`kernel`, `constant` (worked out at compile time), `alias` (the same bytes), or `unsupported`."""


def layers(
    graph: Graph, program: Program | None, refused: Sequence[Refusal], memory: Sequence[Span]
) -> tuple[Layer, ...]:
    """All operations in the order of the file."""
    outcomes: dict[int, str] = {}
    arena: dict[int, int] = {}
    if program is not None:
        outcomes.update((folded.op.index, folded.outcome) for folded in program.folded)
        in_use = bytes_in_use(memory, len(program.steps))
        arena.update((step.op.index, bytes_) for step, bytes_ in zip(program.steps, in_use, strict=True))
    outcomes.update((refusal.op.index, "unsupported") for refusal in refused if refusal.op)
    return tuple(
        _layer(graph, op, operands, outcomes, arena)
        for op, operands in zip(graph.ops, learned(graph), strict=True)
    )


def _layer(
    graph: Graph, op: Op, operands: Iterable[int], outcomes: Mapping[int, str], arena: Mapping[int, int]
) -> Layer:
    weights = [graph.tensors[i] for i in dict.fromkeys(operands)]
    inputs = [t for t in _tensors(graph, op.inputs) if t.data is None and t not in weights]
    outputs = _tensors(graph, op.outputs)
    return Layer(
        index=op.index,
        kind=op.kind,
        name=outputs[0].name if outputs else "",
        inputs=tuple(tensor.shape for tensor in inputs),
        outputs=tuple(tensor.shape for tensor in outputs),
        dtype=outputs[0].dtype.value if outputs else "",
        params=sum(tensor.elements for tensor in weights),
        macs=op_macs(graph, op),
        weight_bytes=sum(tensor.nbytes for tensor in weights),
        activation_bytes=sum(tensor.nbytes for tensor in (*inputs, *outputs)),
        arena_bytes=arena.get(op.index),
        outcome=outcomes.get(op.index, "kernel"),
    )


def _tensors(graph: Graph, indices: Iterable[int | None]) -> list[Tensor]:
    return [graph.tensors[i] for i in indices if i is not None]
