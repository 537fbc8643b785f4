# SPDX-License-Identifier: Apache-2.0
"""Which tensor lies where: lifetimes, sharing of bytes, then offsets by the planner."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from harness.compiler.cpu import Cpu
from harness.compiler.fold import FoldedGraph
from harness.compiler.kernel_call import KernelCall, Scratch
from harness.compiler.plan import (
    SEARCH_BUDGET,
    Buffer,
    MemoryPlan,
    Stretch,
    fullest_step,
    lower_bound,
    plan_memory,
)
from harness.graph import Graph, Op, Tensor

#: Other ways of sharing that are looked at.
_TRIALS: Final = 48
#: And drawn at random, fewer in a model of many steps; what each search may spend.
_DRAWS: Final = 128
_DRAWN_STEPS: Final = 20_000
_DRAWN_UNITS: Final = 8_000


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

    An output that takes over the bytes of an input saves them, but must lie where the input lay. So several
    ways of sharing are planned: never, never growing, whenever possible, and the best of these changed step
    by step where the arena is fullest, or at random where no plan reaches its bound.
    """
    nowhere = dict.fromkeys(range(len(steps)), 0)
    rules = [
        Sharing.of(graph, steps, grow=True, wishes=nowhere),
        Sharing.of(graph, steps, grow=False, wishes={}),
        Sharing.of(graph, steps, grow=True, wishes={}),
    ]
    best = min(reversed(rules), key=lambda sharing: lower_bound(sharing.buffers(cpu)))
    bound = lower_bound(best.buffers(cpu))
    placed: list[tuple[ArenaLayout, Sharing]] = []
    for sharing in (_climb(graph, steps, best, cpu), *reversed(rules)):
        placed.append((_place(graph, sharing, cpu), sharing))
        if placed[-1][0].plan.arena_bytes <= bound:
            return placed[-1][0]
    return _drawn(graph, *min(placed, key=lambda pair: pair[0].plan.arena_bytes), bound, cpu)


def _drawn(graph: FoldedGraph, layout: ArenaLayout, sharing: Sharing, bound: int, cpu: Cpu) -> ArenaLayout:
    """Change the sharing of a few steps at random while a plan misses the bound, keeping what is no worse.

    Sums of bytes do not tell how well the buffers of a way of sharing fit together; only a plan does.
    """
    steps = sharing.steps
    rng = random.Random(0)  # noqa: S311 - the same model, the same plan
    able = [number for number, step in enumerate(steps) if step.in_place]
    for _ in range(min(_DRAWS, _DRAWN_STEPS // len(steps)) if able else 0):
        wishes = dict(sharing.wishes)
        for number in rng.choices(able, k=rng.randint(1, 3)):
            wishes[number] = rng.randint(0, len(steps[number].in_place))
        tried = Sharing.of(graph, steps, grow=sharing.grow, wishes=wishes)
        if lower_bound(tried.buffers(cpu)) > layout.plan.arena_bytes:
            continue
        placed = _place(graph, tried, cpu, units=_DRAWN_UNITS)
        if placed.plan.arena_bytes <= layout.plan.arena_bytes:
            layout, sharing = placed, tried
        if layout.plan.arena_bytes <= bound:
            break
    return layout


@dataclass(slots=True)
class Sharing:
    """The buffers while the steps are walked: which tensor lies in whose, how large, how long."""

    tensors: Sequence[Tensor]
    steps: Sequence[Step]
    grow: bool
    """Whether an output may take over a smaller input's bytes."""
    wishes: Mapping[int, int]
    """Step -> which of its `in_place` inputs gives way (from 1; 0: none), whatever `grow` says."""
    owner: dict[int, int] = field(default_factory=dict)
    lives: dict[int, list[Stretch]] = field(default_factory=dict)
    """By owner: when each of its tensors is alive, in the order in which they are made."""

    @classmethod
    def of(
        cls, graph: FoldedGraph, steps: Sequence[Step], *, grow: bool, wishes: Mapping[int, int]
    ) -> Sharing:
        """Walk the steps."""
        tensors, last_use = graph.graph.tensors, _last_uses(graph, steps)
        sharing = cls(tensors=tensors, steps=steps, grow=grow, wishes=wishes)
        for tensor in graph.graph.input_tensors():
            sharing.put(tensor, tensor.index, made=-1, read_last=last_use.get(tensor.index, -1))
        for tensor in variables(graph.graph):
            # alive from one inference to the next
            sharing.put(tensor, tensor.index, made=-1, read_last=len(steps))
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
                sharing.put(
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
        able = (h for h in hosts if h is not None and (self.grow or output.nbytes <= self._room(h)))
        return next(able, None)

    def _room(self, host: int) -> int:
        return max(life.nbytes for life in self.lives[host])

    def put(self, tensor: Tensor, host: int, *, made: int, read_last: int) -> None:
        """Lay a tensor that is made at one step and read until another into the buffer of `host`."""
        self.owner[tensor.index] = host
        life = Stretch(made, max(made, read_last), tensor.nbytes)
        self.lives.setdefault(host, []).append(life)

    def buffers(self, cpu: Cpu) -> list[Buffer]:
        """One for each of `lives`, in its order, then the scratch of all steps."""
        align: dict[int, int] = {}
        for index, host in self.owner.items():
            align[host] = max(align.get(host, 1), cpu.align(self.tensors[index].dtype.itemsize))
        return [
            *(_buffer(lives, align[host]) for host, lives in self.lives.items()),
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
        alive = {
            host
            for host, buffer in zip(self.lives, buffers, strict=False)
            if buffer.first <= peak <= buffer.last
        }
        return [
            number
            for number, step in enumerate(self.steps)
            if step.in_place and self.owner[step.op.outputs[0]] in alive
        ]


def _buffer(lives: Sequence[Stretch], align: int) -> Buffer:
    """A buffer that at each step is as large as the largest of its tensors that are alive."""
    cuts = sorted({life.first for life in lives} | {life.last + 1 for life in lives})
    stretches: list[Stretch] = []
    for first, end in itertools.pairwise(cuts):
        nbytes = max((life.nbytes for life in lives if life.first <= first <= life.last), default=0)
        if stretches and stretches[-1].nbytes == nbytes:
            stretches[-1] = stretches[-1]._replace(last=end - 1)
        else:
            stretches.append(Stretch(first, end - 1, nbytes))
    return Buffer(
        nbytes=max(stretch.nbytes for stretch in stretches),
        first=cuts[0],
        last=cuts[-1] - 1,
        align=align,
        stretches=tuple(stretches) if len(stretches) > 1 else (),
    )


def _climb(graph: FoldedGraph, steps: Sequence[Step], start: Sharing, cpu: Cpu) -> Sharing:
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
        tried = [Sharing.of(graph, steps, grow=best.grow, wishes=wish) for wish in wishes]
        lower = [(lower_bound(sharing.buffers(cpu)), at) for at, sharing in enumerate(tried)]
        if not lower or min(lower)[0] >= bound:
            break
        bound, at = min(lower)
        best, buffers = tried[at], tried[at].buffers(cpu)
    return best


def _place(graph: FoldedGraph, sharing: Sharing, cpu: Cpu, *, units: int = SEARCH_BUDGET) -> ArenaLayout:
    """Offsets of all tensors, aliases and scratch included; `units` as in `plan_memory`."""
    plan = plan_memory(sharing.buffers(cpu), units=units)
    count = len(sharing.lives)
    at = dict(zip(sharing.lives, plan.offsets[:count], strict=True))
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
