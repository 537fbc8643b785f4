# SPDX-License-Identifier: Apache-2.0
"""A tensor as nested loops over its bytes: what an operation that only moves values does.

`View` picks elements of a tensor by one loop per axis and is inside of the tensor by construction;
a `Move` copies what one view shows to where another one points.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.graph import Op, Tensor

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """Index (i, j, ...) of it is element `start` + i * strides[0] + j * strides[1] + ... of a tensor."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    start: int = 0

    @staticmethod
    def dense(shape: Sequence[int]) -> View:
        """All elements in the order of memory."""
        after = (math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
        return View(shape=tuple(shape), strides=tuple(after))

    def part(self, axis: int, start: int, count: int, step: int = 1) -> View:
        """`count` indices of an axis, from `start` on in steps of `step`, which may be below 0.

        Raises:
            ValueError: an index is not there.
        """
        size, last = self.shape[axis], start + (count - 1) * step
        if count < 1 or not (0 <= start < size and 0 <= last < size):
            raise ValueError(f"{count} indices from {start} in steps of {step} of an axis of {size}")
        stride = self.strides[axis]
        return View(
            shape=_with(self.shape, axis, count),
            strides=_with(self.strides, axis, stride * step),
            start=self.start + start * stride,
        )

    def permuted(self, order: Sequence[int]) -> View:
        """Axis i is what axis order[i] was.

        Raises:
            ValueError: `order` does not name every axis once.
        """
        if sorted(order) != list(range(len(self.shape))):
            raise ValueError(f"{list(order)} is no order of {len(self.shape)} axes")
        shape, strides = tuple(self.shape[a] for a in order), tuple(self.strides[a] for a in order)
        return replace(self, shape=shape, strides=strides)

    def repeated(self, axis: int, count: int) -> View:
        """A new axis before `axis`, along which nothing changes."""
        shape = (*self.shape[:axis], count, *self.shape[axis:])
        return replace(self, shape=shape, strides=(*self.strides[:axis], 0, *self.strides[axis:]))

    def without(self, axis: int) -> View:
        """An axis of size 1 dropped."""
        if self.shape[axis] != 1:
            raise ValueError(f"an axis of {self.shape[axis]} cannot go")
        shape = self.shape[:axis] + self.shape[axis + 1 :]
        return replace(self, shape=shape, strides=self.strides[:axis] + self.strides[axis + 1 :])

    def split(self, axis: int, inner: int) -> View:
        """An axis as two: of size / `inner` and of `inner`.

        Raises:
            ValueError: it does not divide the axis.
        """
        size, stride = self.shape[axis], self.strides[axis]
        if inner < 1 or size % inner:
            raise ValueError(f"an axis of {size} is not made of {inner}")
        return replace(
            self,
            shape=(*self.shape[:axis], size // inner, inner, *self.shape[axis + 1 :]),
            strides=(*self.strides[:axis], inner * stride, stride, *self.strides[axis + 1 :]),
        )

    def of(self, flat: Array) -> Array:
        """The view of these values, shape `shape`; writing to it writes to them."""
        item = flat.itemsize
        strides = [stride * item for stride in self.strides]
        return np.lib.stride_tricks.as_strided(flat[self.start :], self.shape, strides)


def _with(values: tuple[int, ...], position: int, value: int) -> tuple[int, ...]:
    return (*values[:position], value, *values[position + 1 :])


@dataclass(frozen=True, kw_only=True, slots=True)
class Loop:
    """One loop of a copy; the steps are in bytes."""

    count: int
    from_step: int
    to_step: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """What `take` shows of input `source` goes to where `put` points in output `target`.

    A source of None is the output itself, of which an earlier move has made that part.
    """

    source: int | None
    target: int = 0
    take: View
    put: View

    def __post_init__(self) -> None:
        if _significant(self.take.shape) != _significant(self.put.shape):
            raise ValueError(f"{list(self.take.shape)} does not fit into {list(self.put.shape)}")

    def loops(self, item_bytes: int) -> tuple[int, tuple[Loop, ...]]:
        """(bytes that lie together on both sides, the loops over such runs, the innermost first)."""
        axes = zip(_moving(self.take), _moving(self.put), strict=True)
        merged: list[Loop] = []
        for (count, taken), (_, put) in reversed(list(axes)):
            loop = Loop(count=count, from_step=taken * item_bytes, to_step=put * item_bytes)
            inner = merged[-1] if merged else None
            if inner and (loop.from_step, loop.to_step) == (
                inner.count * inner.from_step,
                inner.count * inner.to_step,
            ):
                merged[-1] = replace(inner, count=inner.count * count)
            else:
                merged.append(loop)
        if merged and merged[0].from_step == merged[0].to_step == item_bytes:
            return merged[0].count * item_bytes, tuple(merged[1:])
        return item_bytes, tuple(merged)

    @property
    def only_forward(self) -> bool:
        """Whether no element is written behind one that is still to be read, both starting at one address."""
        axes = zip(_moving(self.take), _moving(self.put), strict=True)
        return self.take.start >= self.put.start and all(t[1] >= p[1] > 0 for t, p in axes)


def _moving(view: View) -> list[tuple[int, int]]:
    """(size, stride) of the axes that have more than one index."""
    return [(n, stride) for n, stride in zip(view.shape, view.strides, strict=True) if n > 1]


def _significant(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(size for size in shape if size > 1)


def is_alias(moves: Sequence[Move], op: Op, tensors: Sequence[Tensor]) -> int | None:
    """The input whose bytes the single output is, as they are; None where bytes have to move."""
    if len(op.outputs) != 1 or len(moves) != 1 or moves[0].source is None:
        return None
    output, source = tensors[op.outputs[0]], tensors[op.required_input(moves[0].source)]
    run, loops = moves[0].loops(1)
    whole = not loops and run == output.elements == source.elements
    return source.index if whole else None


def carry_out(moves: Sequence[Move], values: Sequence[Array | None], outputs: Sequence[Array]) -> None:
    """Do the moves from the values of an operation's inputs to flat `outputs`.

    Raises:
        ValueError: an input without a value is read.
    """
    flat = [None if value is None else np.ascontiguousarray(value).reshape(-1) for value in values]
    for move in moves:
        source = outputs[0] if move.source is None else flat[move.source]
        if source is None:
            raise ValueError(f"input {move.source} is not known")
        target = move.put.of(outputs[move.target])
        target[...] = move.take.of(source).reshape(target.shape)


def starts(sizes: Sequence[int]) -> list[int]:
    """Where each of several parts begins that lie one behind the other."""
    return list(itertools.accumulate(sizes, initial=0))[:-1]
