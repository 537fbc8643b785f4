# SPDX-License-Identifier: Apache-2.0
"""Which tensor lies where: lifetimes, sharing of bytes, then offsets by the planner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from harness.compiler.cpu import Cpu
from harness.compiler.fold import FoldedGraph
from harness.compiler.kernel_call import KernelCall, Scratch
from harness.compiler.plan import Buffer, MemoryPlan, fullest_step, lower_bound, plan_memory
from harness.graph import Graph, Op, Tensor

#: Other ways of sharing that are looked at.
_TRIALS: Final = 48


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

    An output that takes over the bytes of an input mostly saves them; but one that is larger makes room for
    itself while only the input is alive, which may be a loss. So three ways of sharing are planned: never
    growing, always growing, and the better of these changed step by step where the arena is fullest.
    """
    rules = [_Sharing.of(graph, steps, grow=grow, wishes={}) for grow in (False, True)]
    best = min(rules, key=lambda sharing: lower_bound(sharing.buffers(cpu)))
    sharings = [*rules, _climb(graph, steps, best, cpu)]
    layouts = [_place(graph, sharing, cpu) for sharing in sharings]
    return min(layouts, key=lambda layout: layout.plan.arena_bytes)


@dataclass(slots=True)
class _Sharing:
    """The buffers while the steps are walked: which tensor lies in whose, how large, how long."""

    tensors: Sequence[Tensor]
    steps: Sequence[Step]
    grow: bool
    """Whether an output may take over a smaller input's bytes."""
    wishes: Mapping[int, int]
    """Step -> which of its `in_place` inputs gives way (from 1; 0: none), whatever `grow` says."""
    owner: dict[int, int] = field(default_factory=dict)
    nbytes: dict[int, int] = field(default_factory=dict)
    first: dict[int, int] = field(default_factory=dict)
    last: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls, graph: FoldedGraph, steps: Sequence[Step], *, grow: bool, wishes: Mapping[int, int]
    ) -> _Sharing:
        """Walk the steps."""
        tensors, last_use = graph.graph.tensors, _last_uses(graph, steps)
        sharing = cls(tensors=tensors, steps=steps, grow=grow, wishes=wishes)
        for tensor in graph.graph.input_tensors():
            sharing._put(tensor, tensor.index, made=-1, read_last=last_use.get(tensor.index, -1))
        for tensor in variables(graph.graph):
            # alive from one inference to the next
            sharing._put(tensor, tensor.index, made=-1, read_last=len(steps))
        for number, step in enumerate(steps):
            roots = [graph.root(step.op.required_input(i)) for i in step.in_place]
            hosts = [
                sharing.owner[root]
                if root in sharing.owner and last_use[root] == number and not tensors[root].is_variable
                else None
                for root in roots
            ]
            for position, index in enumerate(step.op.outputs):
                host = sharing._host(number, tensors[index], hosts) if position == 0 else None
                sharing._put(
                    tensors[index],
                    index if host is None else host,
                    made=number,
                    read_last=last_use.get(index, number),
                )
        return sharing

    def _host(self, number: int, output: Tensor, hosts: Sequence[int | None]) -> int | None:
        """Whose bytes the output takes over; None: nobody's."""
        if number in self.wishes:
            wish = self.wishes[number]
            return hosts[wish - 1] if wish else None
        able = (h for h in hosts if h is not None and (self.grow or output.nbytes <= self.nbytes[h]))
        return next(able, None)

    def _put(self, tensor: Tensor, host: int, *, made: int, read_last: int) -> None:
        """Lay a tensor that is made at one step and read until another into the buffer of `host`."""
        self.owner[tensor.index] = host
        self.nbytes[host] = max(self.nbytes.get(host, 0), tensor.nbytes)
        self.first.setdefault(host, made)
        self.last[host] = max(self.last.get(host, made), read_last)

    def buffers(self, cpu: Cpu) -> list[Buffer]:
        """One for each of `nbytes`, in its order, then the scratch of all steps."""
        align: dict[int, int] = {}
        for index, host in self.owner.items():
            align[host] = max(align.get(host, 1), cpu.align(self.tensors[index].dtype.itemsize))
        return [
            *(
                Buffer(nbytes=size, first=self.first[host], last=self.last[host], align=align[host])
                for host, size in self.nbytes.items()
            ),
            *(
                Buffer(nbytes=room.nbytes, first=number, last=number, align=cpu.align(room.align))
                for number, room in self.scratches()
            ),
        ]

    def scratches(self) -> list[tuple[int, Scratch]]:
        """Step number and scratch."""
        return [(number, room) for number, step in enumerate(self.steps) for room in step.scratches]

    def at_peak(self, buffers: Sequence[Buffer]) -> list[int]:
        """Steps that may share, and whose output lies in a buffer that is alive when most is."""
        peak = fullest_step(buffers)
        return [
            number
            for number, step in enumerate(self.steps)
            if step.in_place and self.first[host := self.owner[step.op.outputs[0]]] <= peak <= self.last[host]
        ]


def _climb(graph: FoldedGraph, steps: Sequence[Step], start: _Sharing, cpu: Cpu) -> _Sharing:
    """Change one step's sharing at a time for as long as that lowers the bound."""
    best, buffers = start, start.buffers(cpu)
    bound, trials = lower_bound(buffers), _TRIALS
    while trials > 0:
        wishes = [
            {**best.wishes, number: wish}
            for number in best.at_peak(buffers)
            for wish in range(len(steps[number].in_place) + 1)
        ][:trials]
        trials -= max(1, len(wishes))
        tried = [_Sharing.of(graph, steps, grow=best.grow, wishes=wish) for wish in wishes]
        lower = [(lower_bound(sharing.buffers(cpu)), at) for at, sharing in enumerate(tried)]
        if not lower or min(lower)[0] >= bound:
            break
        bound, at = min(lower)
        best, buffers = tried[at], tried[at].buffers(cpu)
    return best


def _place(graph: FoldedGraph, sharing: _Sharing, cpu: Cpu) -> ArenaLayout:
    """Offsets of all tensors, aliases and scratch included."""
    plan = plan_memory(sharing.buffers(cpu))
    count = len(sharing.nbytes)
    at = dict(zip(sharing.nbytes, plan.offsets[:count], strict=True))
    offsets = {index: at[host] for index, host in sharing.owner.items()}
    offsets.update({index: offsets[root] for index, root in graph.roots.items() if root in offsets})
    rooms = zip(sharing.scratches(), plan.offsets[count:], strict=True)
    return ArenaLayout(
        plan=plan,
        offsets=offsets,
        scratch_offsets={(number, room.role): place for (number, room), place in rooms},
    )


def variables(graph: Graph) -> tuple[Tensor, ...]:
    """The tensors that keep their values from one inference to the next, in order of their index."""
    used = {i for op in graph.ops for i in op.inputs if i is not None}
    return tuple(t for t in graph.tensors if t.is_variable and t.data is None and t.index in used)


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
