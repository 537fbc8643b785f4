# SPDX-License-Identifier: Apache-2.0
"""Which tensor lies where: lifetimes, sharing of bytes, then offsets by the planner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.compiler.cpu import Cpu
from harness.compiler.fold import FoldedGraph
from harness.compiler.kernel_call import KernelCall, Scratch
from harness.compiler.plan import Buffer, MemoryPlan, plan_memory
from harness.graph import Graph, Op, Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """The kernel calls of one operation."""

    op: Op
    calls: tuple[KernelCall, ...]

    @property
    def in_place(self) -> tuple[int, ...]:
        """Inputs whose bytes output 0 may take over."""
        return self.calls[0].in_place if len(self.calls) == 1 else ()

    @property
    def scratches(self) -> tuple[Scratch, ...]:
        """What the calls have for themselves, each role once."""
        found = {a.role: a for call in self.calls for a in call.arguments if isinstance(a, Scratch)}
        return tuple(found.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class ArenaLayout:
    """The arena: offsets in bytes of every tensor that lies in it, aliases included, and of scratch."""

    plan: MemoryPlan
    offsets: Mapping[int, int]
    """By tensor index."""
    scratch_offsets: Mapping[tuple[int, str], int]
    """By step number and role."""


def lay_out(graph: FoldedGraph, steps: Sequence[Step], cpu: Cpu) -> ArenaLayout:
    """Plan the arena of a program.

    An output that is larger than the input it replaces makes room for itself while only the input is
    alive: sometimes a gain, sometimes a loss, so both are planned.
    """
    candidates = [_lay_out(graph, steps, cpu, grow=grow) for grow in (False, True)]
    return min(candidates, key=lambda layout: layout.plan.arena_bytes)


@dataclass(slots=True)
class _Sharing:
    """The buffers while the steps are walked: which tensor lies in whose, how large, how long."""

    owner: dict[int, int] = field(default_factory=dict)
    nbytes: dict[int, int] = field(default_factory=dict)
    first: dict[int, int] = field(default_factory=dict)
    last: dict[int, int] = field(default_factory=dict)

    def put(self, tensor: Tensor, host: int, *, made: int, read_last: int) -> None:
        """Lay a tensor that is made at one step and read until another into the buffer of `host`."""
        self.owner[tensor.index] = host
        self.nbytes[host] = max(self.nbytes.get(host, 0), tensor.nbytes)
        self.first.setdefault(host, made)
        self.last[host] = max(self.last.get(host, made), read_last)


def _lay_out(graph: FoldedGraph, steps: Sequence[Step], cpu: Cpu, *, grow: bool) -> ArenaLayout:
    tensors = graph.graph.tensors
    last_use = _last_uses(graph, steps)
    sharing = _Sharing()
    for tensor in graph.graph.input_tensors():
        sharing.put(tensor, tensor.index, made=-1, read_last=last_use.get(tensor.index, -1))
    for tensor in variables(graph.graph):
        # alive from one inference to the next
        sharing.put(tensor, tensor.index, made=-1, read_last=len(steps))
    for number, step in enumerate(steps):
        hosts = [
            sharing.owner[root]
            for root in (graph.root(step.op.required_input(i)) for i in step.in_place)
            if root in sharing.owner and last_use[root] == number and not tensors[root].is_variable
        ]
        for position, index in enumerate(step.op.outputs):
            output = tensors[index]
            fitting = [host for host in hosts if grow or output.nbytes <= sharing.nbytes[host]]
            host = fitting[0] if fitting and position == 0 else index
            sharing.put(output, host, made=number, read_last=last_use.get(index, number))
    return _place(graph, steps, sharing, cpu)


def variables(graph: Graph) -> tuple[Tensor, ...]:
    """The tensors that keep their values from one inference to the next, in order of their index."""
    used = {i for op in graph.ops for i in op.inputs if i is not None}
    return tuple(t for t in graph.tensors if t.is_variable and t.data is None and t.index in used)


def _place(graph: FoldedGraph, steps: Sequence[Step], sharing: _Sharing, cpu: Cpu) -> ArenaLayout:
    """Offsets of all tensors, aliases and scratch included."""
    tensors = graph.graph.tensors
    align: dict[int, int] = {}
    for index, host in sharing.owner.items():
        align[host] = max(align.get(host, 1), cpu.align(tensors[index].dtype.itemsize))
    buffers = [
        Buffer(
            nbytes=sharing.nbytes[host], first=sharing.first[host], last=sharing.last[host], align=align[host]
        )
        for host in sharing.nbytes
    ]
    scratches = [(number, s) for number, step in enumerate(steps) for s in step.scratches]
    buffers += [
        Buffer(nbytes=s.nbytes, first=number, last=number, align=cpu.align(s.align))
        for number, s in scratches
    ]
    plan = plan_memory(buffers)
    at = dict(zip(sharing.nbytes, plan.offsets, strict=False))
    offsets = {index: at[host] for index, host in sharing.owner.items()}
    offsets.update({index: offsets[root] for index, root in graph.roots.items() if root in offsets})
    places = plan.offsets[len(sharing.nbytes) :]
    return ArenaLayout(
        plan=plan,
        offsets=offsets,
        scratch_offsets={(n, s.role): place for (n, s), place in zip(scratches, places, strict=True)},
    )


def _last_uses(graph: FoldedGraph, steps: Sequence[Step]) -> dict[int, int]:
    """Step at which each root tensor is read last; a graph output lives to the end."""
    last: dict[int, int] = {}
    for number, step in enumerate(steps):
        for index in step.op.inputs:
            if index is not None:
                last[graph.root(index)] = number
    for index in graph.graph.outputs:
        last[graph.root(index)] = len(steps)
    return last
