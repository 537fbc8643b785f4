# SPDX-License-Identifier: Apache-2.0
"""Programs in which a kernel that leaves its own tensors is caught: sanitizers, an arena full of holes."""

from __future__ import annotations

from dataclasses import replace

from harness.compiler import Program
from tests.native_model import FLAGS

SANITIZE = (
    *FLAGS, "-g", "-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all",
)  # fmt: skip

RED_ZONE_BYTES = 64


def spread(program: Program) -> Program:
    """The same program with every tensor alone between two red zones."""
    offsets: dict[int, int] = {}
    end = RED_ZONE_BYTES
    for index in program.layout.offsets:
        offsets[index] = end
        end += -(-program.graph.tensors[index].nbytes // 8) * 8 + RED_ZONE_BYTES
    scratch: dict[tuple[int, str], int] = {}
    for number, step in enumerate(program.steps):
        for room in step.scratches:
            scratch[number, room.role] = end
            end += -(-room.nbytes // 8) * 8 + RED_ZONE_BYTES
    layout = program.layout
    plan = replace(layout.plan, arena_bytes=end)
    return replace(program, layout=replace(layout, offsets=offsets, scratch_offsets=scratch, plan=plan))


def spans(program: Program) -> list[tuple[int, int]]:
    """(offset, bytes) of everything that may be touched in the arena."""
    layout = program.layout
    rooms = {
        (number, room.role): room.nbytes
        for number, step in enumerate(program.steps)
        for room in step.scratches
    }
    tensors = [(at, program.graph.tensors[i].nbytes) for i, at in layout.offsets.items()]
    return tensors + [(at, rooms[key]) for key, at in layout.scratch_offsets.items()]
