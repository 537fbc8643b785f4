# SPDX-License-Identifier: Apache-2.0
"""Everything that is known of a model before any build."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.analyze.doubts import doubts
from harness.analyze.footprint import Fit, fit
from harness.analyze.layers import Layer, layers
from harness.analyze.memory import Span, spans
from harness.analyze.nearest import nearest_form
from harness.boards import Board
from harness.compiler import FLAT, Program, Refusal, cpu_named, lower, refusals
from harness.graph import Graph, Tensor, count_macs, count_params


@dataclass(frozen=True, kw_only=True, slots=True)
class Unsupported:
    """An operation that the engine does not have in this form."""

    index: int | None
    """None: the model as a whole."""
    kind: str
    why: str
    nearest: str
    """What is supported instead; empty where nothing comes near."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Analysis:
    """A model's static facts; sizes in bytes."""

    name: str
    sha256: str
    tflite_bytes: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    params: int
    macs: int
    arena_bytes: int | None
    """On a 32-bit CPU; None where something is not supported."""
    arena_bound_bytes: int | None
    """Largest sum of what is alive at one step: no plan is smaller."""
    state_bytes: int
    layers: tuple[Layer, ...]
    memory: tuple[Span, ...]
    fits: tuple[Fit, ...]
    unsupported: tuple[Unsupported, ...]
    warnings: tuple[str, ...]


def analyze(graph: Graph, *, tflite_bytes: int, boards: Sequence[Board]) -> Analysis:
    """Count, plan and estimate; nothing is built or run."""
    cpus = dict.fromkeys((FLAT, *(cpu_named(board.cpu) for board in boards)))
    refused = {cpu: refusals(graph, cpu) for cpu in cpus}
    programs = {cpu: None if refused[cpu] else lower(graph, cpu) for cpu in cpus}
    program = programs[FLAT]
    memory = spans(program) if program else ()
    return Analysis(
        name=graph.name,
        sha256=graph.sha256,
        tflite_bytes=tflite_bytes,
        inputs=graph.input_tensors(),
        outputs=graph.output_tensors(),
        params=count_params(graph),
        macs=count_macs(graph),
        arena_bytes=program.layout.plan.arena_bytes if program else None,
        arena_bound_bytes=program.layout.plan.lower_bound_bytes if program else None,
        state_bytes=sum(state.tensor.nbytes for state in program.states) if program else 0,
        layers=layers(graph, program, refused[FLAT], memory),
        memory=memory,
        fits=tuple(
            _fit(programs[cpu], refused[cpu], board) for board in boards for cpu in (cpu_named(board.cpu),)
        ),
        unsupported=tuple(_unsupported(refusal) for refusal in refused[FLAT]),
        warnings=doubts(graph),
    )


def _fit(program: Program | None, refused: Sequence[Refusal], board: Board) -> Fit:
    if program is not None:
        return fit(program, board)
    first = refused[0]
    where = f"operation {first.op.index} {first.op.kind} " if first.op else ""
    more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
    return Fit(board=board, footprint=None, reason=f"{where}{first.why.rstrip('.')}{more}", supported=False)


def _unsupported(refusal: Refusal) -> Unsupported:
    kind = refusal.op.kind if refusal.op else ""
    return Unsupported(
        index=refusal.op.index if refusal.op else None,
        kind=kind,
        why=refusal.why,
        nearest=nearest_form(kind) or refusal.fix,
    )
