# SPDX-License-Identifier: Apache-2.0
"""Where each buffer lies in the arena: never overlapping while alive, as small as can be found.

A buffer is a set of tensors that share bytes (through RESHAPE, or because a kernel works in place), or
scratch. The lower bound is the largest sum of bytes alive at one step. The buffers fall into groups that
never meet in time; each is planned alone. Placing from both ends reaches the bound on chains, where two
are alive at a time; where neither that nor a greedy order reaches it, a bounded search follows (search.py)
that finds the smallest plan there is when its budget suffices.

Buffers are compared with their neighbours in time only, so a network of n layers costs n log n.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NamedTuple

from harness.compiler.search import Budget, search

#: Units of work (search.py) until the best plan so far is taken: well under a second.
SEARCH_BUDGET: Final = 400_000


class Stretch(NamedTuple):
    """`nbytes` that are kept from step `first` to step `last`, both included."""

    first: int
    last: int
    nbytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Buffer:
    """Bytes at one offset, kept from step `first` to step `last`, both included."""

    nbytes: int
    """The most that it takes at any step."""
    first: int
    last: int
    align: int = 1
    stretches: tuple[Stretch, ...] = ()
    """How much it takes when, without gaps in time; empty: `nbytes` all the time.

    A kernel that works in place may leave less behind than it found, or more.
    """

    def profile(self) -> tuple[Stretch, ...]:
        """The stretches."""
        return self.stretches or (Stretch(self.first, self.last, self.nbytes),)


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryPlan:
    """Byte offset of each buffer, in the order they were given."""

    offsets: tuple[int, ...]
    arena_bytes: int
    lower_bound_bytes: int
    """Largest sum of bytes alive at one step; no plan can be smaller."""


def plan_memory(buffers: Sequence[Buffer], *, units: int = SEARCH_BUDGET) -> MemoryPlan:
    """Place the buffers; the arena is never larger than greedy placing by size gives.

    Args:
        units: what the search may spend.
    """
    bound = lower_bound(buffers)
    offsets = [0] * len(buffers)
    budget = Budget(units)
    # A group needs to be no smaller than what another one takes anyway.
    enough = bound
    for group in _groups(buffers):
        members = [buffers[i] for i in group]
        placed = _plan_group(members, enough, budget)
        enough = max(enough, _extent(members, placed))
        for i, offset in zip(group, placed, strict=True):
            offsets[i] = offset
    return MemoryPlan(offsets=tuple(offsets), arena_bytes=_extent(buffers, offsets), lower_bound_bytes=bound)


def lower_bound(buffers: Sequence[Buffer]) -> int:
    """The largest sum of bytes alive at one step."""
    return _peak(buffers)[0]


def fullest_step(buffers: Sequence[Buffer]) -> int:
    """The first step at which that many bytes are alive."""
    return _peak(buffers)[1]


def _peak(buffers: Sequence[Buffer]) -> tuple[int, int]:
    # all that ends at a step is gone before what begins at the next
    events = [(s.first, 1, s.nbytes) for b in buffers for s in b.profile()]
    events += [(s.last + 1, 0, -s.nbytes) for b in buffers for s in b.profile()]
    alive = largest = 0
    at = -1
    for step, _, change in sorted(events):
        alive += change
        if alive > largest:
            largest, at = alive, step
    return largest, at


def _groups(buffers: Sequence[Buffer]) -> list[list[int]]:
    """Indices of buffers that are connected by meeting in time, the groups in order of time."""
    groups: list[list[int]] = []
    end = None
    for i in sorted(range(len(buffers)), key=lambda i: buffers[i].first):
        if end is None or buffers[i].first > end:
            groups.append([])
            end = buffers[i].last
        groups[-1].append(i)
        end = max(end, buffers[i].last)
    return groups


def _plan_group(buffers: Sequence[Buffer], enough: int, budget: Budget) -> Sequence[int]:
    """Offsets with an extent of at most `enough`, or as small as is found."""
    neighbours = _neighbours(buffers)
    orders: tuple[Callable[[int], tuple[int, int]], ...] = (
        lambda i: (-buffers[i].nbytes, buffers[i].first),
        lambda i: (buffers[i].first, -buffers[i].nbytes),
        lambda i: (-(buffers[i].last - buffers[i].first), -buffers[i].nbytes),
    )
    by_size = sorted(range(len(buffers)), key=orders[0])
    # what fits together at every step may leave less room for the rest than whole boxes do
    boxes = [replace(buffer, stretches=()) for buffer in buffers]
    trials: tuple[Callable[[], Sequence[int]], ...] = (
        *(partial(_place_all, buffers, sorted(range(len(buffers)), key=key), neighbours) for key in orders),
        partial(_place_from_both_ends, buffers, enough, neighbours),
        partial(_place_all, boxes, by_size, neighbours),
    )
    best: Sequence[int] = ()
    for trial in trials:
        placed = trial()
        if not best or _extent(buffers, placed) < _extent(buffers, best):
            best = placed
        if _extent(buffers, best) <= enough:
            return best
    return search([(b.profile(), b.align) for b in buffers], best, enough=enough, budget=budget)


def _neighbours(buffers: Sequence[Buffer]) -> list[list[int]]:
    """For each buffer, those that are alive at the same time at some step."""
    found: list[list[int]] = [[] for _ in buffers]
    alive: list[int] = []
    for i in sorted(range(len(buffers)), key=lambda i: buffers[i].first):
        alive = [j for j in alive if buffers[j].last >= buffers[i].first]
        for j in alive:
            found[i].append(j)
            found[j].append(i)
        alive.append(i)
    return found


def _extent(buffers: Sequence[Buffer], offsets: Sequence[int]) -> int:
    return max((offset + buffer.nbytes for offset, buffer in zip(offsets, buffers, strict=True)), default=0)


#: Offsets of a buffer strictly between the two would make it overlap a certain other.
_Forbidden = tuple[int, int]


def _forbidden(
    buffers: Sequence[Buffer], placed: dict[int, int], i: int, neighbours: list[int]
) -> list[_Forbidden]:
    """What the neighbours that are placed leave no room for."""
    found = []
    mine = buffers[i].profile()
    for j in neighbours:
        if j in placed:
            at = placed[j]
            found += [
                (at - a.nbytes, at + b.nbytes)
                for b in buffers[j].profile()
                for a in mine
                if a.first <= b.last and b.first <= a.last
            ]
    return found


def _lowest_offset(buffer: Buffer, forbidden: list[_Forbidden]) -> int:
    """The lowest aligned offset that nothing forbids."""
    offset = 0
    for low, high in sorted(forbidden):
        if low >= offset:
            break
        if high > offset:
            offset = -(-high // buffer.align) * buffer.align
    return offset


def _highest_offset(buffer: Buffer, forbidden: list[_Forbidden], ceiling: int) -> int:
    """The highest aligned offset below `ceiling` that nothing forbids; negative where there is none."""
    offset = (ceiling - buffer.nbytes) // buffer.align * buffer.align
    for low, high in sorted(forbidden, key=lambda pair: pair[1], reverse=True):
        if high <= offset:
            break
        if low < offset:
            offset = low // buffer.align * buffer.align
    return offset


def _place_all(
    buffers: Sequence[Buffer], order: Sequence[int], neighbours: Sequence[list[int]]
) -> tuple[int, ...]:
    placed: dict[int, int] = {}
    for i in order:
        placed[i] = _lowest_offset(buffers[i], _forbidden(buffers, placed, i, neighbours[i]))
    return tuple(placed[i] for i in range(len(buffers)))


def _place_from_both_ends(
    buffers: Sequence[Buffer], ceiling: int, neighbours: Sequence[list[int]]
) -> tuple[int, ...]:
    """By time: at the bottom while that is free, else as high below `ceiling` as there is room."""
    placed: dict[int, int] = {}
    for i in sorted(range(len(buffers)), key=lambda i: (buffers[i].first, -buffers[i].nbytes)):
        forbidden = _forbidden(buffers, placed, i, neighbours[i])
        lowest = _lowest_offset(buffers[i], forbidden)
        highest = _highest_offset(buffers[i], forbidden, ceiling)
        placed[i] = highest if lowest > 0 and highest >= 0 else lowest
    return tuple(placed[i] for i in range(len(buffers)))
