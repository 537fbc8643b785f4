# SPDX-License-Identifier: Apache-2.0
"""What a model is put to: inputs as its tensors hold them, alike for device and oracle, and the score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.errors import ModelError
from harness.graph import DType, Graph, Tensor, to_real, to_stored
from harness.records import Score, Verification, verify
from harness.workloads import Examples, Workload

Array = npt.NDArray[Any]

#: How many inputs are drawn where there are no data.
SEEDED_SAMPLES: Final = 32


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Trial:
    """A model with the samples that it is run on."""

    graph: Graph
    inputs: tuple[Array, ...]
    """One array per input tensor, shape (samples, *tensor.shape), in the tensor's dtype."""
    examples: Examples | None
    """Where `inputs` come from; None: they are drawn."""

    def split(self, outputs: Array) -> list[Array]:
        """The columns of (samples, elements) by output tensor, each in its tensor's dtype."""
        tensors = self.graph.output_tensors()
        ends = np.cumsum([tensor.elements for tensor in tensors])
        parts = np.split(outputs, ends[:-1], axis=1)
        return [part.astype(tensor.dtype.numpy) for part, tensor in zip(parts, tensors, strict=True)]

    def score(self, workload: Workload, outputs: Sequence[Array], expected: Sequence[Array]) -> Score | None:
        """The workload's metric of the device's and the oracle's first output; None where there is none.

        Raises:
            ModelError: the metric cannot be told from these.
        """
        if self.examples is None or self.examples.targets is None:
            return None
        given, stored, tensor = self.examples.inputs[0], self.inputs[0], self.graph.input_tensors()[0]
        x_test = given.astype(np.float32) if given.dtype.kind == "f" else to_real(stored, tensor)
        end = self.graph.output_tensors()[0]
        values = [
            workload.score(to_real(found[0], end), x_test, self.examples.targets)
            for found in (outputs, expected)
        ]
        return Score(metric=workload.METRIC, value=values[0], reference=values[1])


def make_trial(graph: Graph, examples: Examples | None, *, samples: int | None, seed: int) -> Trial:
    """The model with examples: real numbers are quantized by the tensor's scale, integers of the tensor's own
    type are used as they are.

    Args:
        examples: None: SEEDED_SAMPLES of numbers are drawn.
        samples: at most so many; None: all.
        seed: of the drawing.

    Raises:
        ModelError: the examples do not fit the model.
    """
    tensors = graph.input_tensors()
    if examples is None:
        rng = np.random.default_rng(seed)
        count = min(samples or SEEDED_SAMPLES, SEEDED_SAMPLES)
        drawn = tuple(_drawn(tensor, count, rng) for tensor in tensors)
        return Trial(graph=graph, inputs=drawn, examples=None)
    chosen = examples.first(samples)
    if len(chosen.inputs) != len(tensors):
        raise ModelError(
            f"The data hold {len(chosen.inputs)} inputs; the model has {len(tensors)}"
            f" ({', '.join(_described(tensor) for tensor in tensors)}).",
            fix="Name their arrays x_test, x_test_1, x_test_2 and so on, in the order of the model's inputs.",
        )
    stored = tuple(
        _stored(array, tensor, f"x_test_{number}" if number else "x_test")
        for number, (array, tensor) in enumerate(zip(chosen.inputs, tensors, strict=True))
    )
    return Trial(graph=graph, inputs=stored, examples=chosen)


def _described(tensor: Tensor) -> str:
    return f"{tensor.name}: {tensor.dtype.value}{list(tensor.shape)}"


def _stored(array: Array, tensor: Tensor, name: str) -> Array:
    given, wanted, dtype = array.shape[1:], tensor.shape, tensor.dtype.numpy
    if _squeezed(given) != _squeezed(wanted):
        raise ModelError(
            f"{name} has rows of shape {given}; the model's input is {_described(tensor)}.",
            fix="Give the arrays in the order in which `quantrig analyze` lists the inputs.",
        )
    values = array.reshape(len(array), *wanted)
    if array.dtype.name == tensor.dtype.value:
        return values
    if tensor.dtype is DType.FLOAT32:
        with np.errstate(over="ignore"):
            real = values.astype(dtype)
        if not np.isfinite(real).all():
            raise ModelError(f"{name} holds numbers that float32 does not: {np.abs(values).max():g}.")
        return real
    if array.dtype.kind == "f" and tensor.quantization is not None:
        return to_stored(values, tensor)
    if tensor.quantization is None and (values.astype(dtype) == values).all():
        return values.astype(dtype)
    raise ModelError(
        f"{name} is {array.dtype.name}; the model's input is {_described(tensor)}.",
        cause="Integers of another type may be meant as real numbers or as stored ones.",
        fix=f"Save real numbers as float32, or stored ones as {tensor.dtype.value}.",
    )


def _squeezed(shape: Sequence[int]) -> tuple[int, ...]:
    """Without dimensions of 1: the batch and a lone channel may be written or left out."""
    return tuple(size for size in shape if size != 1)


def _drawn(tensor: Tensor, count: int, rng: np.random.Generator) -> Array:
    """Every value that a quantized tensor can hold, normal numbers, or 0 and 1 where they may be indices."""
    shape = (count, *tensor.shape)
    if tensor.dtype in (DType.FLOAT32, DType.FLOAT16):
        return rng.normal(size=shape).astype(tensor.dtype.numpy)
    if tensor.quantization is None or tensor.dtype is DType.BOOL:
        return rng.integers(0, 2, shape).astype(tensor.dtype.numpy)
    limits = np.iinfo(tensor.dtype.numpy)
    return rng.integers(limits.min, limits.max, shape, dtype=tensor.dtype.numpy, endpoint=True)


def verify_all(outputs: Sequence[Array], expected: Sequence[Array], oracle: str) -> Verification:
    """`verify` for each output tensor of a model; `first_mismatch` counts elements through all of them.

    Raises:
        ValueError: their numbers, shapes or dtypes differ.
    """
    parts = [verify(mine, wanted, oracle) for mine, wanted in zip(outputs, expected, strict=True)]
    starts = np.cumsum([0, *(array.shape[1] for array in outputs)])
    first = [
        (at[0], at[1] + int(start))
        for part, start in zip(parts, starts, strict=False)
        if (at := part.first_mismatch)
    ]
    return Verification(
        oracle=oracle,
        outputs_compared=sum(part.outputs_compared for part in parts),
        mismatches=sum(part.mismatches for part in parts),
        max_abs_diff=max(part.max_abs_diff for part in parts),
        first_mismatch=min(first, default=None),
    )
