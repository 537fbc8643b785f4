# SPDX-License-Identifier: Apache-2.0
"""A builder of one operation: alone it is a .tflite file, and several go into one file side by side."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Concatenate, Generic, ParamSpec

from tests import tflite_builder as tb

P = ParamSpec("P")

#: Input and output tensors of what was added.
Ends = tuple[list[int], list[int]]
#: Adds an operation to a model that grows.
Sample = Callable[[tb.ModelBuilder], Ends]


class OneOp(Generic[P]):
    """`f(b, ...)` adds an operation to `b`; `OneOp(f)(...)` is the file with that alone.

    `OneOp(f).on(...)` is a Sample: the same, to be added to any model.
    """

    def __init__(self, add: Callable[Concatenate[tb.ModelBuilder, P], Ends]) -> None:
        self._add = add
        functools.update_wrapper(self, add)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> bytes:
        return side_by_side([self.on(*args, **kwargs)])

    def on(self, *args: P.args, **kwargs: P.kwargs) -> Sample:
        """The operation with these arguments."""
        return lambda b: self._add(b, *args, **kwargs)


def side_by_side(samples: Iterable[Sample]) -> bytes:
    """One file with all of them; its inputs and outputs are theirs, in order."""
    b = tb.ModelBuilder()
    inputs: list[int] = []
    outputs: list[int] = []
    for add in samples:
        ins, outs = add(b)
        inputs += ins
        outputs += outs
    return b.build(inputs, outputs)
