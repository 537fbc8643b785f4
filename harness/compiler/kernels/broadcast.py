# SPDX-License-Identifier: Apache-2.0
"""Two shapes side by side, as few axes as describe them (firmware/lib/nn/nn_binary.h)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

#: NN_MAX_AXES of nn_binary.h.
MAX_AXES: Final = 8

Shape = Sequence[int]


@dataclass(frozen=True, kw_only=True, slots=True)
class AxisPair:
    """One axis of the output; a stride of 0 where an operand repeats along it. Strides count elements."""

    size: int
    a_stride: int
    b_stride: int


def broadcast_axes(a: Shape, b: Shape, output: Shape) -> tuple[AxisPair, ...]:
    """The axes of the output, the innermost first, neighbours merged; at least one.

    Raises:
        ValueError: the operands do not broadcast to the output, or it takes more than MAX_AXES axes.
    """
    rank = max(len(a), len(b), len(output))
    a, b, output = (_extended(shape, rank) for shape in (a, b, output))
    for sizes in zip(a, b, output, strict=True):
        if sizes[2] != max(sizes[:2]) or not {sizes[0], sizes[1]} <= {1, sizes[2]}:
            raise ValueError(f"shapes {list(a)} and {list(b)} make no {list(output)}")
    strides = zip(output, _strides(a), _strides(b), strict=True)
    axes = [AxisPair(size=size, a_stride=i, b_stride=j) for size, i, j in strides if size > 1]
    merged: list[AxisPair] = []
    for axis in reversed(axes):
        if merged and _continues(merged[-1], axis):
            merged[-1] = replace(merged[-1], size=merged[-1].size * axis.size)
        else:
            merged.append(axis)
    if len(merged) > MAX_AXES:
        raise ValueError(f"broadcasting along {len(merged)} axes in turn")
    return tuple(merged) or (AxisPair(size=1, a_stride=0, b_stride=0),)


def _extended(shape: Shape, rank: int) -> tuple[int, ...]:
    return (1,) * (rank - len(shape)) + tuple(shape)


def _strides(shape: Shape) -> tuple[int, ...]:
    """Elements from one index to the next along each axis; 0 where the size is 1."""
    below = (math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
    return tuple(step if size > 1 else 0 for size, step in zip(shape, below, strict=True))


def _continues(inner: AxisPair, outer: AxisPair) -> bool:
    """Whether both operands go on along `outer` as they would along a longer `inner`."""
    return (outer.a_stride, outer.b_stride) == (inner.a_stride * inner.size, inner.b_stride * inner.size)
