# SPDX-License-Identifier: Apache-2.0
"""One operation as a .tflite file, int8 or float32, and the comparison of our C with the oracle's output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import settings

from harness.compiler import FLAT, Cpu, compile_graph
from harness.graph import DType, Graph, read_tflite
from harness.records import verify
from harness.reference import interpret
from tests import tflite_builder as tb
from tests.native_model import NativeModel

from .one_op import Ends, OneOp

Array = npt.NDArray[Any]
Shape = Sequence[int]

DTYPES = ("int8", "float32")
ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")


def few(examples: int) -> settings:
    """The same examples every time: each is a C compiler's run."""
    return settings(max_examples=examples, derandomize=True, deadline=None, database=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Quant:
    """Quantization of an int8 layer; `gain` is the real multiplier of its accumulator or value.

    A gain of 1 and more makes the reference shift to the left.
    """

    input_scale: float = 0.05
    input_zero: int = -3
    output_zero: int = 5
    weight_scale: float = 0.01
    gain: float = 0.004
    per_channel: bool = True

    @property
    def input(self) -> dict[str, Any]:
        """Arguments of ModelBuilder.tensor for the input."""
        return {"scale": self.input_scale, "zero_point": self.input_zero}

    @property
    def weighted(self) -> dict[str, Any]:
        """Arguments of ModelBuilder.tensor for the output of a layer with weights."""
        return {
            "scale": self.input_scale * self.weight_scale / self.gain,
            "zero_point": self.output_zero,
        }

    @property
    def rescaled(self) -> dict[str, Any]:
        """Arguments of ModelBuilder.tensor for the output of an operation without weights."""
        return {"scale": self.input_scale / self.gain, "zero_point": self.output_zero}


PLAIN = Quant()


def random_inputs(graph: Graph, *, samples: int, seed: int, spread: float = 3.0) -> list[Array]:
    """Random samples; the first two are the smallest and the largest value everywhere."""
    rng = np.random.default_rng(seed)
    inputs: list[Array] = []
    for tensor in graph.input_tensors():
        shape = (samples, tensor.elements)
        if tensor.dtype is DType.BOOL:
            values = rng.integers(0, 2, shape).astype(np.bool_)
        elif tensor.dtype is not DType.FLOAT32:
            limits = np.iinfo(tensor.dtype.numpy)
            values = rng.integers(limits.min, limits.max, shape, dtype=tensor.dtype.numpy, endpoint=True)
            values[0], values[1] = limits.min, limits.max
        else:
            values = (rng.normal(size=shape) * spread).astype(np.float32)
            values[0], values[1] = -spread, spread
        inputs.append(values)
    return inputs


def check(
    data: bytes,
    *,
    samples: int = 8,
    seed: int = 0,
    inputs: Sequence[Array] | None = None,
    cpu: Cpu = FLAT,
) -> None:
    """Our C gives what the oracle gives: int8 to the bit, float32 within records.FLOAT_TOLERANCE.

    The samples are a stream: a state goes from one to the next.
    """
    graph = read_tflite(data, name="model")
    given = list(inputs) if inputs is not None else random_inputs(graph, samples=samples, seed=seed)
    expected = interpret(data, given, stream=True)
    outputs = NativeModel(graph, compile_graph(graph, cpu)).run(given)
    for ours, theirs in zip(outputs, expected.outputs, strict=True):
        result = verify(ours, theirs, expected.oracle)
        assert result.mismatches == 0, (result, ours.tolist(), theirs.tolist())


@OneOp
def mean(
    b: tb.ModelBuilder,
    dtype: str,
    shape: Shape,
    axes: Sequence[int],
    *,
    keep_dims: bool = False,
    quant: Quant = PLAIN,
) -> Ends:
    """MEAN over `axes`, which may count from the end."""
    gone = {axis % len(shape) for axis in axes}
    kept = [1 if axis in gone else size for axis, size in enumerate(shape) if keep_dims or axis not in gone]
    x = b.tensor(shape, dtype, **(quant.input if dtype == "int8" else {}))
    y = b.tensor(kept, dtype, **(quant.rescaled if dtype == "int8" else {}))
    b.op("MEAN", [x, b.constant(axes, "int32")], [y], tb.mean_options(keep_dims=keep_dims))
    return [x], [y]


@OneOp
def pad(
    b: tb.ModelBuilder, dtype: str, shape: Shape, widths: Sequence[tuple[int, int]], *, quant: Quant = PLAIN
) -> Ends:
    """PAD by (before, after) along each axis."""
    same = quant.input if dtype == "int8" else {}
    x = b.tensor(shape, dtype, **same)
    y = b.tensor([size + sum(pair) for size, pair in zip(shape, widths, strict=True)], dtype, **same)
    b.op("PAD", [x, b.constant(widths, "int32")], [y], ("PadOptions", {}))
    return [x], [y]


@OneOp
def add(
    b: tb.ModelBuilder,
    dtype: str,
    shapes: tuple[Shape, Shape],
    *,
    quants: tuple[Quant, Quant] = (PLAIN, PLAIN),
    output: tuple[float, int] = (0.1, 3),
    activation: str = "NONE",
) -> Ends:
    """ADD of two inputs; the output has the broadcast shape and (scale, zero point) `output`."""
    operands = [
        b.tensor(shape, dtype, **(quant.input if dtype == "int8" else {}))
        for shape, quant in zip(shapes, quants, strict=True)
    ]
    result: dict[str, Any] = {"scale": output[0], "zero_point": output[1]} if dtype == "int8" else {}
    y = b.tensor(np.broadcast_shapes(*(tuple(shape) for shape in shapes)), dtype, **result)
    b.op("ADD", operands, [y], tb.add_options(activation=activation))
    return operands, [y]


@OneOp
def softmax(b: tb.ModelBuilder, dtype: str, shape: Shape, *, quant: Quant = PLAIN, beta: float = 1.0) -> Ends:
    """SOFTMAX over the last axis."""
    x = b.tensor(shape, dtype, **(quant.input if dtype == "int8" else {}))
    fixed: dict[str, Any] = {"scale": 1 / 256, "zero_point": -128} if dtype == "int8" else {}
    y = b.tensor(shape, dtype, **fixed)
    b.op("SOFTMAX", [x], [y], tb.softmax_options(beta=beta))
    return [x], [y]
