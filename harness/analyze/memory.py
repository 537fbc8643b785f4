# SPDX-License-Identifier: Apache-2.0
"""What lies where in the arena, and when: the plan as rectangles over steps and bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from harness.compiler import Program

SpanKind = Literal["input", "activation", "state", "scratch"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Bytes of the arena that are taken from step `first` to step `last`, both included.

    A model's inputs are there from step 0 on; its outputs until the last step has run.
    """

    name: str
    kind: SpanKind
    offset: int
    nbytes: int
    first: int
    last: int


def spans(program: Program) -> tuple[Span, ...]:
    """One for each tensor in the arena and each scratch, in the order in which they are made.

    Tensors that share bytes, because a kernel works in place, overlap; a name for the same bytes has none.
    """
    return (*_tensors(program), *_scratches(program))


def _tensors(program: Program) -> Iterator[Span]:
    graph, end = program.graph, max(0, len(program.steps) - 1)
    roots: dict[int, int] = {}
    for folded in program.folded:
        if folded.outcome == "alias":
            source = folded.op.required_input(0)
            roots[folded.op.outputs[0]] = roots.get(source, source)
    last: dict[int, int] = {}
    for number, step in enumerate(program.steps):
        last.update((roots.get(i, i), number) for i in step.op.inputs if i is not None)
    last.update((roots.get(i, i), end) for i in graph.outputs)
    states = [state.tensor.index for state in program.states]
    made: dict[int, tuple[SpanKind, int]] = {}
    made.update((index, ("input", 0)) for index in graph.inputs)
    made.update((index, ("state", 0)) for index in states)
    for number, step in enumerate(program.steps):
        made.update((index, ("activation", number)) for index in step.op.outputs)
    for index, (kind, first) in made.items():
        if index in program.layout.offsets:
            yield Span(
                name=graph.tensors[index].name,
                kind=kind,
                offset=program.layout.offsets[index],
                nbytes=graph.tensors[index].nbytes,
                first=first,
                last=end if kind == "state" else max(first, last.get(index, first)),
            )


def _scratches(program: Program) -> Iterator[Span]:
    for number, step in enumerate(program.steps):
        for scratch in step.scratches:
            yield Span(
                name=f"{step.op.kind}: {scratch.role}",
                kind="scratch",
                offset=program.layout.scratch_offsets[number, scratch.role],
                nbytes=scratch.nbytes,
                first=number,
                last=number,
            )


def bytes_in_use(found: Iterable[Span], steps: int) -> tuple[int, ...]:
    """Bytes that are taken at each step; those that tensors share count once."""
    at_step: list[list[tuple[int, int]]] = [[] for _ in range(steps)]
    for span in found:
        for step in range(span.first, min(span.last + 1, steps)):
            at_step[step].append((span.offset, span.offset + span.nbytes))
    return tuple(_union(sorted(intervals)) for intervals in at_step)


def _union(intervals: Iterable[tuple[int, int]]) -> int:
    total = reached = 0
    for begin, end in intervals:
        total += max(0, end - max(begin, reached))
        reached = max(reached, end)
    return total
