# SPDX-License-Identifier: Apache-2.0
"""A model as frozen values: tensors, operations in execution order, inputs and outputs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from harness.graph.dtypes import DType
from harness.graph.params import Params


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantization:
    """real = scale * (stored - zero_point); one scale per tensor, or one per index of `axis`."""

    scales: tuple[float, ...]
    """Exact float32 values."""
    zero_points: tuple[int, ...]
    axis: int = 0

    @property
    def scale(self) -> float:
        """The scale of a per-tensor quantization (the first one otherwise)."""
        return self.scales[0]

    @property
    def zero_point(self) -> int:
        """The zero point of a per-tensor quantization (the first one otherwise)."""
        return self.zero_points[0]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Tensor:
    """One value of the graph; `data` is set for constants only and then has exactly `shape`."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: DType
    quantization: Quantization | None
    data: npt.NDArray[Any] | None
    is_variable: bool = False
    """Holds its value from one inference to the next; starts as zero."""
    is_dynamic: bool = False
    """The file leaves a size open; `shape` is what it falls back to."""

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.elements * self.dtype.itemsize


@dataclass(frozen=True, kw_only=True, slots=True)
class Op:
    """One operation; tensors by index into `Graph.tensors`, None for an absent optional input."""

    index: int
    kind: str
    """Name of the TFLite builtin operator, e.g. CONV_2D."""
    inputs: tuple[int | None, ...]
    outputs: tuple[int, ...]
    params: Params
    intermediates: tuple[int, ...] = ()
    """Tensors that only carry quantizations (of an LSTM's inner values)."""

    def required_input(self, position: int) -> int:
        """Index of the tensor at input `position`; ValueError where the file leaves it out."""
        index = self.inputs[position]
        if index is None:
            raise ValueError(f"operation {self.index} {self.kind} lacks its input {position}")
        return index


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Graph:
    """A whole model. `sha256` is the digest of the .tflite file that it was read from."""

    name: str
    sha256: str
    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def is_stateful(self) -> bool:
        """Whether an inference leaves something to the next one."""
        return any(tensor.is_variable for tensor in self.tensors)

    def input_tensors(self) -> tuple[Tensor, ...]:
        """The model's input tensors in order."""
        return tuple(self.tensors[i] for i in self.inputs)

    def output_tensors(self) -> tuple[Tensor, ...]:
        """The model's output tensors in order."""
        return tuple(self.tensors[i] for i in self.outputs)
