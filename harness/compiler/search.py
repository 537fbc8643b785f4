# SPDX-License-Identifier: Apache-2.0
"""The smallest arena for buffers that no greedy order packs: search over stacks, within a budget.

Read from the bottom up, every plan can be pushed down until each buffer lies at 0 or on one that is alive
with it. So it is enough to try orders in which buffers are stacked, each on top of whatever below it is
alive with it, with offsets that never fall from one to the next. A branch ends when, at some step, the top
of the stack and what is still to be placed there exceed the capacity; and a buffer does not float over
a gap that would hold a whole one that is still to come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

#: (stretches of time without gaps: first step, last step, bytes), alignment
Block = tuple[Sequence[tuple[int, int, int]], int]


@dataclass(slots=True)
class Budget:
    """What may still be spent; a unit is one step of one buffer looked at."""

    units: int

    @property
    def is_spent(self) -> bool:
        return self.units <= 0


def search(blocks: Sequence[Block], best: Sequence[int], *, enough: int, budget: Budget) -> Sequence[int]:
    """Offsets with an extent of at most `enough` if there are any, else the smallest found.

    Args:
        best: a valid plan, given back when the search finds no smaller one within its budget.
    """
    low, high = enough, _extent(blocks, best)  # capacities: too small (but `enough`), and possible
    capacity = enough
    while low < high and not budget.is_spent:
        # so that one hard capacity does not take what others need
        share = Budget(max(1, budget.units // 3))
        before = share.units
        found = _Stack.of(blocks, capacity).fill(share)
        budget.units -= before - share.units
        if found is not None:
            best, high = found, _extent(blocks, found)
        else:
            # proven too small, or too hard to tell
            low = capacity + 1
        capacity = max(low, (low + high) // 2 if high - low > 1 else low)
        if capacity >= high:
            break
    return best


def _extent(blocks: Sequence[Block], offsets: Sequence[int]) -> int:
    return max((at + _largest(block) for at, block in zip(offsets, blocks, strict=True)), default=0)


def _largest(block: Block) -> int:
    return max(nbytes for _, _, nbytes in block[0])


@dataclass(slots=True)
class _Stack:
    """A plan that grows from the bottom; a section is a stretch of time in which nothing begins or ends."""

    blocks: Sequence[Block]
    capacity: int
    spans: list[range]
    """By block: its sections."""
    heights: list[list[int]]
    """By block: its bytes in each of its sections."""
    largest: list[int]
    """By block: the most of these."""
    meets: list[list[int]]
    """By block: those that share a section with it."""
    tops: list[int]
    """By section: top of the highest block that is placed there."""
    waiting: list[int]
    """By section: bytes still to be placed there."""
    offsets: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, blocks: Sequence[Block], capacity: int) -> _Stack:
        stretches = [stretch for profile, _ in blocks for stretch in profile]
        times = sorted({first for first, _, _ in stretches} | {last + 1 for _, last, _ in stretches})
        at = {time: number for number, time in enumerate(times)}
        spans = [range(at[profile[0][0]], at[profile[-1][1] + 1]) for profile, _ in blocks]
        heights = [
            [nbytes for first, last, nbytes in profile for _ in range(at[first], at[last + 1])]
            for profile, _ in blocks
        ]
        waiting = [0] * len(times)
        for span, height in zip(spans, heights, strict=True):
            for section, nbytes in zip(span, height, strict=True):
                waiting[section] += nbytes
        meets = [
            [j for j, b in enumerate(spans) if i != j and a.start < b.stop and b.start < a.stop]
            for i, a in enumerate(spans)
        ]
        return cls(
            blocks=blocks,
            capacity=capacity,
            spans=spans,
            heights=heights,
            largest=[max(height) for height in heights],
            meets=meets,
            tops=[0] * len(times),
            waiting=waiting,
        )

    def fill(self, budget: Budget) -> tuple[int, ...] | None:
        """Offsets within the capacity; None: there are none, or the budget is spent."""
        if any(bytes_ > self.capacity for bytes_ in self.waiting):
            return None
        # An explicit stack: a model may have more layers than Python has recursion.
        branches: list[Iterator[int]] = [iter(self._candidates(0, budget))]
        undo: list[tuple[int, list[int]]] = []
        while branches:
            if len(self.offsets) == len(self.blocks):
                return tuple(self.offsets[i] for i in range(len(self.blocks)))
            if budget.is_spent:
                return None
            i = next(branches[-1], None)
            if i is None:
                branches.pop()
                if undo:
                    self._take_back(*undo.pop())
                continue
            tops = [self.tops[section] for section in self.spans[i]]
            floor = self._offset(i)
            undo.append((i, tops))
            self._put(i, floor)
            branches.append(iter(self._candidates(floor, budget) if self._fits(i) else ()))
        return None

    def _offset(self, i: int) -> int:
        """The lowest place on top of everything that is placed and alive with the block."""
        span, align = self.spans[i], self.blocks[i][1]
        top = max(self.tops[span.start : span.stop])
        return -(-top // align) * align

    def _candidates(self, floor: int, budget: Budget) -> list[int]:
        """What may come next, at `floor` or above, the most promising first."""
        offsets = {i: self._offset(i) for i in range(len(self.blocks)) if i not in self.offsets}
        budget.units -= sum(len(self.spans[i]) for i in offsets)
        chosen = []
        for i, offset in offsets.items():
            if offset < floor or offset + self.largest[i] > self.capacity:
                continue
            # a whole block that would lie below this one comes first
            below = (offsets[j] + self.largest[j] for j in self.meets[i] if j in offsets)
            if offset and any(end <= offset for end in below):
                continue
            chosen.append(i)
        return sorted(
            chosen,
            key=lambda i: (offsets[i], -self._pressure(i), -self.largest[i], -len(self.spans[i]), i),
        )

    def _pressure(self, i: int) -> int:
        """How full the fullest section of the block is going to be."""
        return max(self.tops[section] + self.waiting[section] for section in self.spans[i])

    def _put(self, i: int, offset: int) -> None:
        self.offsets[i] = offset
        for section, nbytes in zip(self.spans[i], self.heights[i], strict=True):
            self.tops[section] = offset + nbytes
            self.waiting[section] -= nbytes

    def _take_back(self, i: int, tops: list[int]) -> None:
        del self.offsets[i]
        for section, nbytes, top in zip(self.spans[i], self.heights[i], tops, strict=True):
            self.tops[section] = top
            self.waiting[section] += nbytes

    def _fits(self, i: int) -> bool:
        """Whether what is still to come can lie on top."""
        return all(self.tops[s] + self.waiting[s] <= self.capacity for s in self.spans[i])
