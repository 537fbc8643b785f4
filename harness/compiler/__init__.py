# SPDX-License-Identifier: Apache-2.0
"""Engine `aot`: a graph becomes C text. No file is written and no process is started here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.compiler.emit import MODEL_ABI, generate_config, generate_source
from harness.compiler.lower import Program, lower
from harness.compiler.plan import Buffer, MemoryPlan, plan_memory
from harness.errors import UnsupportedError
from harness.graph import DType, Graph

__all__ = [
    "MODEL_ABI",
    "Buffer",
    "GeneratedSource",
    "MemoryPlan",
    "Program",
    "compile_graph",
    "lower",
    "plan_memory",
]

_IO_DTYPES = (DType.FLOAT32, DType.INT8)


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneratedSource:
    """The generated part of one firmware: file name -> text, and what the build must know of it."""

    files: Mapping[str, str]
    arena_bytes: int
    model_bytes: int
    """Flash of all tables, padding not counted: what the model needs at the least."""
    model_sha256: str


def compile_graph(graph: Graph) -> GeneratedSource:
    """Generate model.c and model_config.h.

    Raises:
        UnsupportedError: names the operation or tensor that the engine cannot do.
    """
    for tensor in (*graph.input_tensors(), *graph.output_tensors()):
        if tensor.dtype not in _IO_DTYPES:
            raise UnsupportedError(
                f"{graph.name}: tensor '{tensor.name}' is {tensor.dtype.value}.",
                fix="Inputs and outputs are float32 or int8.",
            )
    program = lower(graph)
    return GeneratedSource(
        files={"model.c": generate_source(graph, program), "model_config.h": generate_config(graph, program)},
        arena_bytes=program.plan.arena_bytes,
        model_bytes=sum(constant.nbytes for step in program.steps for constant in step.call.constants),
        model_sha256=graph.sha256,
    )
