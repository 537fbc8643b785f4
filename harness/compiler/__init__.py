# SPDX-License-Identifier: Apache-2.0
"""Engine `aot`: a graph becomes C text. No file is written and no process is started here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.compiler.cpu import AVR, FLAT, Cpu, cpu_named
from harness.compiler.emit import MODEL_ABI, generate_config, generate_source, tables
from harness.compiler.lower import Program, Refusal, lower, refusals
from harness.compiler.plan import Buffer, MemoryPlan, plan_memory
from harness.graph import Graph

__all__ = [
    "AVR",
    "FLAT",
    "MODEL_ABI",
    "Buffer",
    "Cpu",
    "GeneratedSource",
    "MemoryPlan",
    "Program",
    "Refusal",
    "compile_graph",
    "cpu_named",
    "lower",
    "plan_memory",
    "refusals",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneratedSource:
    """The generated part of one firmware: file name -> text, and what the build must know of it."""

    files: Mapping[str, str]
    arena_bytes: int
    model_bytes: int
    """Flash of all tables, padding not counted: what the model needs at the least."""
    model_sha256: str


def compile_graph(graph: Graph, cpu: Cpu = FLAT, *, stepwise: bool = False) -> GeneratedSource:
    """Generate model.c and model_config.h for a CPU.

    `stepwise` adds a way to run each step alone (for `--check-layers`).

    Raises:
        UnsupportedError: names the operation or tensor that the engine cannot do.
    """
    program = lower(graph, cpu)
    return GeneratedSource(
        files={
            "model.c": generate_source(program, stepwise=stepwise),
            "model_config.h": generate_config(program, stepwise=stepwise),
        },
        arena_bytes=program.layout.plan.arena_bytes,
        model_bytes=sum(constant.nbytes for constant in tables(program).values()),
        model_sha256=graph.sha256,
    )
