# SPDX-License-Identifier: Apache-2.0
"""Where each buffer lies in the arena: never overlapping while alive, as small as can be found.

A buffer is a set of tensors that share bytes (through RESHAPE, or because a kernel works in place).
The lower bound is the largest sum of bytes alive at one step. Placing from both ends reaches it on
chains, where two are alive at a time; where neither that nor a greedy order reaches it, a bounded
search over placing orders follows. For any plan that is possible at all there is an order in which
lowest-first placing finds one as small, so the search is complete when its budget suffices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

#: Placements tried before the best plan so far is taken: well under a second.
_SEARCH_BUDGET: Final = 50_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Buffer:
    """`nbytes` that must be kept from step `first` to step `last`, both included."""

    nbytes: int
    first: int
    last: int
    align: int = 1

    def meets(self, other: Buffer) -> bool:
        """Whether both are alive at some step."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryPlan:
    """Byte offset of each buffer, in the order they were given."""

    offsets: tuple[int, ...]
    arena_bytes: int
    lower_bound_bytes: int
    """Largest sum of bytes alive at one step; no plan can be smaller."""


def plan_memory(buffers: Sequence[Buffer]) -> MemoryPlan:
    """Place the buffers; the arena is never larger than greedy placing by size gives."""
    bound = lower_bound(buffers)
    orders = (
        lambda i: (-buffers[i].nbytes, buffers[i].first),
        lambda i: (buffers[i].first, -buffers[i].nbytes),
        lambda i: (-(buffers[i].last - buffers[i].first), -buffers[i].nbytes),
    )
    plans = [_place_all(buffers, sorted(range(len(buffers)), key=order)) for order in orders]
    plans.append(_place_from_both_ends(buffers, bound))
    best = min(plans, key=lambda offsets: _extent(buffers, offsets))
    if _extent(buffers, best) > bound:
        best = _search(buffers, best, bound)
    return MemoryPlan(offsets=best, arena_bytes=_extent(buffers, best), lower_bound_bytes=bound)


def lower_bound(buffers: Sequence[Buffer]) -> int:
    """The largest sum of bytes alive at one step."""
    steps = {buffer.first for buffer in buffers}
    return max((sum(b.nbytes for b in buffers if b.first <= step <= b.last) for step in steps), default=0)


def _extent(buffers: Sequence[Buffer], offsets: Sequence[int]) -> int:
    return max((offset + buffer.nbytes for offset, buffer in zip(offsets, buffers, strict=True)), default=0)


def _lowest_offset(buffer: Buffer, neighbours: list[tuple[int, int]]) -> int:
    """The lowest aligned offset in the gaps between (offset, end) pairs."""
    offset = 0
    for start, end in sorted(neighbours):
        if start - offset >= buffer.nbytes:
            break
        offset = max(offset, -(-end // buffer.align) * buffer.align)
    return offset


def _highest_offset(buffer: Buffer, neighbours: list[tuple[int, int]], ceiling: int) -> int:
    """The highest aligned offset in the gaps below `ceiling`; negative where none is large enough.

    The neighbours must not overlap each other.
    """
    for start, end in sorted(neighbours, reverse=True):
        offset = (ceiling - buffer.nbytes) // buffer.align * buffer.align
        if offset >= end:
            return offset
        ceiling = min(ceiling, start)
    return (ceiling - buffer.nbytes) // buffer.align * buffer.align


def _neighbours(buffers: Sequence[Buffer], placed: dict[int, int], i: int) -> list[tuple[int, int]]:
    """(offset, end) of the placed buffers that are alive together with buffer `i`."""
    return [(at, at + buffers[j].nbytes) for j, at in placed.items() if buffers[i].meets(buffers[j])]


def _place_all(buffers: Sequence[Buffer], order: Sequence[int]) -> tuple[int, ...]:
    placed: dict[int, int] = {}
    for i in order:
        placed[i] = _lowest_offset(buffers[i], _neighbours(buffers, placed, i))
    return tuple(placed[i] for i in range(len(buffers)))


def _place_from_both_ends(buffers: Sequence[Buffer], ceiling: int) -> tuple[int, ...]:
    """By time: at the bottom while that is free, else as high below `ceiling` as there is room."""
    placed: dict[int, int] = {}
    for i in sorted(range(len(buffers)), key=lambda i: (buffers[i].first, -buffers[i].nbytes)):
        neighbours = _neighbours(buffers, placed, i)
        lowest = _lowest_offset(buffers[i], neighbours)
        highest = _highest_offset(buffers[i], neighbours, ceiling)
        placed[i] = highest if lowest > 0 and highest >= 0 else lowest
    return tuple(placed[i] for i in range(len(buffers)))


def _search(buffers: Sequence[Buffer], best: tuple[int, ...], bound: int) -> tuple[int, ...]:
    """Depth-first over placing orders; a branch ends where it cannot beat the best plan."""
    best_extent = _extent(buffers, best)
    by_size = sorted(range(len(buffers)), key=lambda i: -buffers[i].nbytes)
    placed: dict[int, int] = {}
    budget = _SEARCH_BUDGET

    # An explicit stack: a model may have more layers than Python has recursion.
    stack: list[list[int]] = [list(reversed(by_size))]
    chosen: list[int] = []
    while stack and budget and best_extent > bound:
        if not stack[-1]:
            stack.pop()
            if chosen:
                del placed[chosen.pop()]
            continue
        i = stack[-1].pop()
        budget -= 1
        offset = _lowest_offset(buffers[i], _neighbours(buffers, placed, i))
        if offset + buffers[i].nbytes >= best_extent:
            continue
        placed[i] = offset
        chosen.append(i)
        if len(placed) == len(buffers):
            best = tuple(placed[j] for j in range(len(buffers)))
            best_extent = _extent(buffers, best)
            del placed[chosen.pop()]
            continue
        stack.append([j for j in reversed(by_size) if j not in placed])
    return best
