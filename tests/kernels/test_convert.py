# SPDX-License-Identifier: Apache-2.0
"""QUANTIZE, DEQUANTIZE and CAST between all types against the oracle."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given

from harness.compiler import lower
from harness.errors import UnsupportedError
from harness.graph import read_tflite
from tests.native_model import native_model

from .models import Array, check, few
from .models_unary import cast, convert, dequantize, quantize
from .one_op import side_by_side
from .strategies import scales, zero_points

SCALES = (0.05, 0.04, 0.1, 0.35, 0.7, 2.0**-9, 3.0)

#: What TensorFlow Lite Micro requantizes; between int8 and uint8 it is a table.
REQUANTIZED = [
    ("int8", "int8"),
    ("int8", "uint8"),
    ("uint8", "int8"),
    ("int8", "int16"),
    ("int8", "int32"),
    ("int16", "int8"),
    ("int16", "int16"),
    ("int16", "int32"),
    ("int32", "int8"),
    ("int32", "int16"),
]


def every_value(dtype: str) -> Array:
    """Of 8 and 16 bits all values; of more, limits and random ones of every size. Shape (1, elements)."""
    limits = np.iinfo(dtype)
    if limits.bits <= 16:
        return np.arange(limits.min, limits.max + 1).astype(dtype).reshape(1, -1)
    rng = np.random.default_rng(3)
    sizes = rng.integers(limits.min, limits.max, 1000) >> rng.integers(0, limits.bits, 1000)
    edges = [limits.min, limits.min + 1, -(2**30), -1, 0, 1, 2**30, limits.max]
    return np.concatenate([edges, sizes]).astype(dtype).reshape(1, -1)


def zero_point_pairs(source: str, target: str) -> list[tuple[int, int]]:
    """None, and the ends of 8-bit types."""
    zeros = {"int8": (0, -128, 127), "uint8": (0, 128, 255), "int16": (0, -5), "int32": (0,)}
    return list(itertools.product(zeros[source], zeros[target]))


@pytest.mark.parametrize(("source", "target"), REQUANTIZED)
def test_requantize(source: str, target: str) -> None:
    """Equal scales, close to ties, much finer and much coarser; the sums of the last two wrap in int32."""
    values = every_value(source)
    pairs = [(0.05, 0.05), *itertools.permutations(SCALES, 2)][::3]
    zeros = itertools.cycle(zero_point_pairs(source, target))
    samples = [
        convert.on("QUANTIZE", (source, target), values.shape, scales=((a, za), (b, zb)))
        for (a, b), (za, zb) in zip(pairs, zeros, strict=False)
    ]
    check(side_by_side(samples), inputs=[values] * len(samples))


def test_a_shift_of_128_only() -> None:
    """What a converter leaves for uint8 inputs and outputs."""
    for source, target, zeros in (("uint8", "int8", (128, 0)), ("int8", "uint8", (0, 128))):
        scales_ = ((0.1, zeros[0]), (0.1, zeros[1]))
        check(convert("QUANTIZE", (source, target), (1, 256), scales=scales_), inputs=[every_value(source)])


def test_uint8_to_uint8() -> None:
    samples = [
        convert.on("QUANTIZE", ("uint8", "uint8"), (1, 256), scales=((a, 128), (b, 7)))
        for a, b in ((0.1, 0.1), (0.1, 0.03), (0.03, 0.1))
    ]
    check(side_by_side(samples), inputs=[every_value("uint8")] * 3)


@example(scale=0.5, zero_point=0)
@example(scale=0.5, zero_point=127)
@example(scale=2.0**-10, zero_point=-128)
@given(scale=scales(), zero_point=zero_points)
@few(6)
def test_quantize_float32(scale: float, zero_point: int) -> None:
    # Halves must round away from zero, values far outside must saturate.
    exact = np.arange(-300, 301, dtype=np.float32) * np.float32(scale / 2)
    random = np.random.default_rng(1).normal(size=601).astype(np.float32) * np.float32(scale * 100)
    far = np.linspace(-1e6, 1e6, 601, dtype=np.float32)
    model = quantize((1, 601), scale=scale, zero_point=zero_point)
    check(model, inputs=[np.stack([exact, random, far])])


@pytest.mark.parametrize(("target", "zero"), [("int16", 0), ("int16", -7), ("uint8", 128), ("uint8", 255)])
@pytest.mark.parametrize("scale", [0.5, 0.013])
def test_quantize_float32_to_other_types(target: str, zero: int, scale: float) -> None:
    steps = np.arange(-(2**17), 2**17, 37, dtype=np.float32) * np.float32(scale / 2)
    model = convert("QUANTIZE", ("float32", target), (1, steps.size), scales=(None, (scale, zero)))
    check(model, inputs=[steps.reshape(1, -1)])


@pytest.mark.parametrize(
    ("target", "low", "high"), [("int8", -128, 127), ("uint8", 0, 255), ("int16", -(2**15), 2**15 - 1)]
)
def test_quantize_of_what_is_no_number_is_the_same_everywhere(target: str, low: int, high: int) -> None:
    model = native_model(convert("QUANTIZE", ("float32", target), (1, 3), scales=(None, (0.5, 7))))
    values = np.array([[np.nan, np.inf, -np.inf]], np.float32)
    assert model.run([values])[0].tolist() == [[low, high, low]]


@example(scale=0.5, zero_point=-128)
@given(scale=scales(), zero_point=zero_points)
@few(3)
def test_dequantize(scale: float, zero_point: int) -> None:
    check(dequantize((1, 256), scale=scale, zero_point=zero_point), inputs=[every_value("int8")])


@pytest.mark.parametrize(("source", "zeros"), [("uint8", (0, 128, 255)), ("int16", (0, -300, 2**15 - 1))])
def test_dequantize_of_other_types(source: str, zeros: tuple[int, ...]) -> None:
    values = every_value(source)
    samples = [
        convert.on("DEQUANTIZE", (source, "float32"), values.shape, scales=((scale, zero), None))
        for scale, zero in zip((0.1, 2.0**-9, 3.3), zeros, strict=True)
    ]
    check(side_by_side(samples), inputs=[values] * 3)


CASTS = ("bool", "int8", "uint8", "int16", "int32", "int64", "float32")
#: What TensorFlow Lite Micro casts itself; TFLite's reference does the others.
MICRO_FROM = ("bool", "int8", "int16", "int32", "float32")
MICRO_TO = ("int8", "int16", "int32", "float32")


def cast_values(dtype: str, targets: tuple[str, ...]) -> Array:
    """Any value; floats that every one of the targets holds, as others are not defined in C."""
    if dtype == "bool":
        return np.array([[False, True]])
    if dtype != "float32":
        return every_value(dtype)
    limit = min((np.iinfo(t).max for t in targets if t not in ("bool", "float32")), default=1e9)
    low = 0 if "uint8" in targets else -limit
    near_zero = [0.0, -0.0, 0.5, -0.5, 0.99, -0.99, 1e-40, 1.0]
    return np.concatenate([near_zero, np.linspace(low, limit * 0.999, 300)]).astype(np.float32).reshape(1, -1)


@pytest.mark.parametrize("source", MICRO_FROM)
def test_cast(source: str) -> None:
    values = cast_values(source, MICRO_TO)
    samples = [cast.on((source, target), values.shape) for target in MICRO_TO]
    check(side_by_side(samples), inputs=[values] * len(samples))


@pytest.mark.parametrize("source", CASTS)
def test_cast_that_only_tflite_has(source: str) -> None:
    targets = tuple(t for t in CASTS if source not in MICRO_FROM or t not in MICRO_TO)
    values = cast_values(source, targets)
    samples = [cast.on((source, target), values.shape) for target in targets]
    check(side_by_side(samples), inputs=[values] * len(samples))


def test_cast_of_floats_that_do_not_fit_is_the_same_everywhere() -> None:
    values = np.array([[np.nan, np.inf, -np.inf, 3e9, -3e9, 300.7, -(2.0**31)]], np.float32)
    targets = ("int8", "int32", "int64", "bool")
    model = native_model(side_by_side([cast.on(("float32", target), values.shape) for target in targets]))
    outputs = [values_.tolist()[0] for values_ in model.run([values] * len(targets))]
    smallest = -(2**31)
    assert outputs[0] == [0, 0, 0, 0, 0, 44, 0]
    assert outputs[1] == [smallest, smallest, smallest, smallest, smallest, 300, smallest]
    assert outputs[2] == [-(2**63), -(2**63), -(2**63), 3 * 10**9, -3 * 10**9, 300, smallest]
    assert outputs[3] == [True] * 7


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (lambda: convert("QUANTIZE", ("int16", "uint8"), (1, 4), scales=((1, 0), (1, 0))), "uint8 of int16"),
        (lambda: convert("QUANTIZE", ("float32", "int8"), (1, 4)), "no usable int8 quantization"),
        (lambda: convert("QUANTIZE", ("int8", "int8"), (1, 4), scales=((0, 0), (1, 0))), "no usable int8"),
        (lambda: convert("QUANTIZE", ("int8",) * 2, (1, 4), scales=((1e9, 0), (1e-9, 0))), "do not fit"),
        (lambda: convert("DEQUANTIZE", ("int32", "float32"), (1, 4), scales=((1, 0), None)), "of int32"),
        (lambda: convert("DEQUANTIZE", ("float16", "float32"), (1, 4)), "is float16"),
        (lambda: cast(("float16", "int8"), (1, 4)), "is float16"),
    ],
)
def test_what_makes_no_sense_is_refused(data: Callable[[], bytes], why: str) -> None:
    with pytest.raises(UnsupportedError, match=why):
        lower(read_tflite(data(), name="model"))


@pytest.mark.parametrize("output_scale", [2.0**-30, 2.0**40])
def test_scales_far_apart(output_scale: float) -> None:
    """One that shifts all bits out to the left, and one so coarse that nothing is left."""
    values = every_value("int16")
    pair = ((1.0, 0), (output_scale, 0))
    check(convert("QUANTIZE", ("int16", "int16"), values.shape, scales=pair), inputs=[values])
