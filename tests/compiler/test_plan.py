# SPDX-License-Identifier: Apache-2.0
"""The arena plan: never wrong, never worse than greedy, exact where all orders can be tried."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.compiler import Buffer, plan_memory
from harness.compiler.plan import Stretch

quick = settings(max_examples=150, derandomize=True, deadline=None, database=None)


@st.composite
def buffers(draw: st.DrawFn, *, most: int, align: Sequence[int] = (1, 4, 8)) -> list[Buffer]:
    """Up to `most` buffers with lifetimes over ten steps; some change their size on the way."""
    made = []
    for _ in range(draw(st.integers(1, most))):
        first = draw(st.integers(-1, 8))
        last = first + draw(st.integers(0, 4))
        sizes = draw(st.lists(st.integers(1, 40), min_size=1, max_size=min(3, last - first + 1)))
        cuts = [*range(first, first + len(sizes)), last + 1]
        made.append(
            Buffer(
                nbytes=max(sizes), first=first, last=last, align=draw(st.sampled_from(align)),
                stretches=tuple(
                    Stretch(start, end - 1, size)
                    for (start, end), size in zip(itertools.pairwise(cuts), sizes, strict=True)
                ),
            )
        )  # fmt: skip
    return made


def size_at(buffer: Buffer, step: int) -> int:
    """Bytes that it takes at a step."""
    return next((nbytes for first, last, nbytes in buffer.profile() if first <= step <= last), 0)


def chain(sizes: Sequence[int]) -> list[Buffer]:
    """Layer after layer: each tensor is made at one step and read by the next."""
    return [Buffer(nbytes=size, first=step, last=step + 1) for step, size in enumerate(sizes)]


def aligned(value: int, align: int) -> int:
    return (value + align - 1) // align * align


STEPS = range(-1, 14)


def overlap(a: Buffer, a_offset: int, b: Buffer, b_offset: int) -> bool:
    """Whether they share a byte at some step."""
    return any(
        size_at(a, step) and size_at(b, step)
        and a_offset < b_offset + size_at(b, step) and b_offset < a_offset + size_at(a, step)
        for step in range(max(a.first, b.first), min(a.last, b.last) + 1)
    )  # fmt: skip


def stacked(given: Sequence[Buffer], order: Sequence[int]) -> int:
    """Arena of placing each buffer on top of everything that it meets and that came before it."""
    tops = dict.fromkeys(STEPS, 0)
    for i in order:
        alive = [step for step in STEPS if size_at(given[i], step)]
        offset = aligned(max(tops[step] for step in alive), given[i].align)
        for step in alive:
            tops[step] = offset + size_at(given[i], step)
    return max(tops.values())


def exact(given: Sequence[Buffer]) -> int:
    """The smallest arena there is: the best plan, read from the bottom up, is one of these orders."""
    return min(stacked(given, order) for order in itertools.permutations(range(len(given))))


def greedy_by_size(given: Sequence[Buffer]) -> int:
    """Arena of TensorFlow Lite Micro's planner: largest first, each into the first gap that holds it."""
    placed: list[tuple[int, Buffer]] = []
    for buffer in sorted(given, key=lambda b: (-b.nbytes, b.first)):
        taken = sorted((at, at + b.nbytes) for at, b in placed if overlap(b, 0, buffer, 0))
        offset = 0
        for low, high in taken:
            if offset + buffer.nbytes <= low:
                break
            offset = max(offset, aligned(high, buffer.align))
        placed.append((offset, buffer))
    return max(at + b.nbytes for at, b in placed)


#: By size, the second lies half on the first, and the third has room on neither side of it.
HALF_ON_ANOTHER = [
    Buffer(nbytes=14, first=6, last=7, align=4, stretches=(Stretch(6, 6, 1), Stretch(7, 7, 14))),
    Buffer(nbytes=13, first=2, last=6, align=4),
    Buffer(nbytes=6, first=2, last=2, align=8),
]


@quick
@example(HALF_ON_ANOTHER, 0)
@given(given=buffers(most=14), budget=st.sampled_from([0, 10, 1000]))
def test_a_plan_is_sound_whatever_the_search_may_spend(given: list[Buffer], budget: int) -> None:
    made = plan_memory(given, units=budget)
    places = list(zip(made.offsets, given, strict=True))
    for offset, buffer in places:
        assert offset >= 0
        assert offset % buffer.align == 0
        assert offset + buffer.nbytes <= made.arena_bytes
    for (at, a), (bt, b) in itertools.combinations(places, 2):
        assert not overlap(a, at, b, bt)
    busiest = max(sum(size_at(b, step) for b in given) for step in STEPS)
    assert made.lower_bound_bytes == busiest
    assert busiest <= made.arena_bytes <= greedy_by_size(given)


# Every placing order of the planner leaves a hole here; only the search finds the plan without one.
HOLE = [
    Buffer(nbytes=6, first=2, last=2),
    Buffer(nbytes=3, first=1, last=1),
    Buffer(nbytes=1, first=1, last=2),
    Buffer(nbytes=2, first=0, last=1),
    Buffer(nbytes=6, first=0, last=0),
]


def test_the_search_fills_a_hole_that_greedy_leaves() -> None:
    assert plan_memory(HOLE, units=0).arena_bytes > exact(HOLE)
    assert plan_memory(HOLE).arena_bytes == exact(HOLE)


@quick
@example(HOLE)
@given(buffers(most=6))
def test_exact_for_few_buffers(given: list[Buffer]) -> None:
    assert plan_memory(given).arena_bytes == exact(given)


@quick
@example([1, 1, 1, 1, 1, 1, 15, 8, 8, 11])
@given(st.lists(st.integers(1, 500), min_size=1, max_size=40))
def test_a_chain_reaches_the_lower_bound(sizes: list[int]) -> None:
    made = plan_memory(chain(sizes))
    assert made.arena_bytes == made.lower_bound_bytes


def test_the_plan_is_a_function_of_the_buffers() -> None:
    given = [Buffer(nbytes=7 * i % 13 + 1, first=i % 5, last=i % 5 + i % 3, align=4) for i in range(20)]
    assert plan_memory(given) == plan_memory(list(given))


def test_no_buffers() -> None:
    assert plan_memory([]).arena_bytes == 0


def test_a_large_model_whose_bound_cannot_be_reached_is_planned() -> None:
    """Residual blocks: the search must give up; what it costs is measured by `./run bench`."""
    given = [
        Buffer(nbytes=1000 + 37 * (i * i % 29), first=i, last=i + 1 + 3 * (i % 4 == 0), align=4)
        for i in range(300)
    ]  # fmt: skip
    planned = plan_memory(given)
    assert planned.lower_bound_bytes <= planned.arena_bytes <= greedy_by_size(given)
