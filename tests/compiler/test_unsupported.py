# SPDX-License-Identifier: Apache-2.0
"""What the engine cannot do is refused with the operation's index, its kind and its tensor's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.compiler import AVR, FLAT, Cpu, compile_graph, refusals
from harness.errors import UnsupportedError
from harness.graph import read_tflite
from tests import tflite_builder as tb
from tests.kernels.models import PLAIN, Quant, mean, softmax
from tests.kernels.models_unary import unary
from tests.tflite_builder import ModelBuilder, Options

Q: dict[str, Any] = PLAIN.input
CONV = tb.conv_options()
FC = tb.fully_connected_options()
POOL = tb.pool_options(filter_size=(2, 2), strides=(2, 2))
ADD = tb.add_options()

Shape = tuple[int, ...]


def refused(data: bytes, cpu: Cpu = FLAT) -> str:
    """The message of compiling this."""
    with pytest.raises(UnsupportedError) as caught:
        compile_graph(read_tflite(data, name="model.tflite"), cpu)
    return str(caught.value)


def one(
    kind: str, inputs: list[Shape], output: Shape, options: Options | None = None, *, dtype: str = "int8",
    weights: Any = None, scales: tuple[float, ...] = (0.1,), zero_points: tuple[int, ...] | None = None,
    axis: int = 0,
) -> bytes:  # fmt: skip
    """One operation named `bad`, behind a sound one, with optional constant weights as its last input."""
    b = ModelBuilder()
    q = Q if dtype == "int8" else {}
    x, *others = (b.tensor(shape, dtype, **q) for shape in inputs)
    first = b.tensor(inputs[0], dtype, **q)
    b.op("RELU", [x], [first])
    operands = [first, *others]
    if weights is not None:
        array = np.asarray(weights)
        name = "float32" if array.dtype.kind == "f" else ("int32" if kind in ("MEAN", "PAD") else "int8")
        scaled = scales if name == "int8" else ()
        operands.append(b.constant(array, name, scales=scaled, zero_points=zero_points, axis=axis))
    y = b.tensor(output, dtype, name="bad", **q)
    b.op(kind, operands, [y], options)
    return b.build([x, *others], [y])


IMAGE = (1, 4, 4, 2)
SQUARE = np.ones((3, 2, 2, 2), np.int8)

CASES: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "unknown kind": (lambda: one("CEIL", [(1, 4)], (1, 4)), "CEIL", "not in the aot engine"),
    "rank": (lambda: one("MAX_POOL_2D", [(4, 4)], (2, 2), POOL), "MAX_POOL_2D", "works on shape [4, 4]"),
    "pool of channels": (
        lambda: one("MAX_POOL_2D", [IMAGE], (1, 2, 2, 3), POOL), "MAX_POOL_2D", "makes 3 channels of 2",
    ),
    "stride 0": (
        lambda: one("MAX_POOL_2D", [IMAGE], IMAGE, tb.pool_options(filter_size=(1, 1), strides=(0, 1))),
        "MAX_POOL_2D", "below 1",
    ),
    "geometry": (
        lambda: one("MAX_POOL_2D", [IMAGE], (1, 3, 2, 2), POOL),
        "MAX_POOL_2D", "should make 2x2 by its geometry",
    ),
    "window larger than the image": (
        lambda: one("MAX_POOL_2D", [(1, 1, 1, 1)], (1, 1, 1, 1), POOL), "MAX_POOL_2D", "should make 0x0",
    ),
    "asymmetric weights": (
        lambda: one("CONV_2D", [IMAGE], (1, 3, 3, 3), CONV, weights=SQUARE, zero_points=(4,)),
        "CONV_2D", "symmetrically",
    ),
    "scales for some channels": (
        lambda: one("CONV_2D", [IMAGE], (1, 3, 3, 3), CONV, weights=SQUARE, scales=(0.1, 0.2)),
        "CONV_2D", "symmetrically",
    ),
    "scales along another axis": (
        lambda: one(
            "CONV_2D", [IMAGE], (1, 3, 3, 3), CONV, weights=SQUARE, scales=(0.1, 0.2, 0.3), axis=3
        ),
        "CONV_2D", "quantized along axis 3 instead of 0",
    ),
    "depthwise scales along another axis": (
        lambda: one(
            "DEPTHWISE_CONV_2D", [IMAGE], (1, 3, 3, 2), tb.conv_options(depth_multiplier=1),
            weights=np.ones((1, 2, 2, 2), np.int8), scales=(0.1, 0.2), axis=1,
        ),
        "DEPTHWISE_CONV_2D", "quantized along axis 1 instead of 3",
    ),
    "scales of a matrix's columns": (
        lambda: one(
            "FULLY_CONNECTED", [(1, 2)], (1, 2), FC,
            weights=np.ones((2, 2), np.int8), scales=(1, 2), axis=1,
        ),
        "FULLY_CONNECTED", "quantized along axis 1 instead of 0",
    ),
    "depth multiplier": (
        lambda: one(
            "DEPTHWISE_CONV_2D", [IMAGE], (1, 3, 3, 4), tb.conv_options(depth_multiplier=1),
            weights=np.ones((1, 2, 2, 4)),
        ),
        "DEPTHWISE_CONV_2D", "depth multiplier 1 for 2 -> 4 channels",
    ),
    "grouped": (
        lambda: one("CONV_2D", [IMAGE], (1, 3, 3, 3), CONV, weights=SQUARE[..., :1]), "CONV_2D", "grouped",
    ),
    "float weights": (
        lambda: one("CONV_2D", [IMAGE], (1, 3, 3, 3), CONV, weights=SQUARE.astype(np.float32)),
        "CONV_2D", "works on int8 with float32 weights",
    ),
    "no weights": (
        lambda: one("FULLY_CONNECTED", [(1, 4)], (1, 3), FC), "FULLY_CONNECTED", "lacks its input 1",
    ),
    "matrix that does not fit": (
        lambda: one("FULLY_CONNECTED", [(1, 5)], (1, 3), FC, weights=np.ones((3, 4))),
        "FULLY_CONNECTED", "weights of shape [3, 4] on an input of [1, 5]",
    ),
    "mean that should be larger": (
        lambda: one("MEAN", [IMAGE], (1, 3), tb.mean_options(), weights=[1, 2]),
        "MEAN", "makes shape [1, 3] of [1, 4, 4, 2]",
    ),
    "mean over no axis at all": (
        lambda: one("MEAN", [()], (), tb.mean_options(), weights=[1]), "MEAN", "do not fit together",
    ),
    "negative padding": (
        lambda: one("PAD", [(1, 4)], (1, 3), weights=[[0, 0], [0, -1]]), "PAD", "pads [1, 4] by",
    ),
    "padding of less": (
        lambda: one("PAD", [(1, 4)], (1, 5), weights=[[0, 0], [0, 2]]), "PAD", "it makes [1, 6]",
    ),
    "softmax that shrinks": (
        lambda: one("SOFTMAX", [(1, 4)], (1, 3), tb.softmax_options(), dtype="float32"),
        "SOFTMAX", "changes the number of elements",
    ),
    "softmax to another scale": (
        lambda: one("SOFTMAX", [(1, 4)], (1, 4), tb.softmax_options()), "SOFTMAX", "output scale 0.05",
    ),
    "relu that shrinks": (lambda: one("RELU", [(1, 4)], (1, 3)), "RELU", "changes the number of elements"),
    "reshape that shrinks": (
        lambda: one("RESHAPE", [(1, 4)], (1, 3)), "RESHAPE", "changes the number of elements",
    ),
    "not a number": (
        lambda: one(
            "FULLY_CONNECTED", [(1, 2)], (1, 1), FC, dtype="float32",
            weights=np.array([[1, np.nan]], np.float32),
        ),
        "FULLY_CONNECTED", "do not fit together",
    ),
    "an empty tensor": (lambda: one("RELU", [(1, 0)], (1, 0)), "RELU", "works on the empty tensor"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_refusal_names_the_operation(name: str) -> None:
    make, kind, reason = CASES[name]
    message = refused(make())
    if name != "an empty tensor":
        assert f"model.tflite: operation 1 {kind} ('bad')" in message
    assert reason in message


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: softmax("int8", (1, 5000)), "5000"),
        (lambda: softmax("int8", (1, 4), quant=Quant(input_scale=2.0**-30)), "do not fit together"),
        (lambda: unary("RELU", "int8", (1, 4), quant=Quant(gain=2.0**40)), "do not fit together"),
        (lambda: unary("RELU", "int8", (1, 4), quant=Quant(input_scale=0.0)), "no usable int8 quantization"),
        (lambda: unary("RELU", "int8", (1, 4), quant=Quant(input_zero=128)), "no usable int8 quantization"),
        (lambda: mean("int8", (1, 4), (1,), quant=Quant(gain=2.0**33)), "do not fit together"),
    ],
)
def test_quantization_out_of_range(make: Callable[[], bytes], reason: str) -> None:
    message = refused(make())
    assert "model.tflite: operation 0" in message
    assert reason in message


def changed_scale(kind: str, options: Options | None, output: Shape, weights: Any = None) -> bytes:
    b = ModelBuilder()
    x = b.tensor((1, 4, 4, 2), scale=0.1, zero_point=3)
    y = b.tensor(output, scale=0.1, zero_point=4, name="bad")
    constants = [] if weights is None else [b.constant(weights, "int32")]
    b.op(kind, [x, *constants], [y], options)
    return b.build([x], [y])


def test_operations_that_copy_cannot_change_the_zero_point() -> None:
    widths = [[0, 0], [1, 0], [0, 0], [0, 0]]
    for data in (
        changed_scale("MAX_POOL_2D", POOL, (1, 2, 2, 2)),
        changed_scale("AVERAGE_POOL_2D", POOL, (1, 2, 2, 2)),
        changed_scale("PAD", None, (1, 5, 4, 2), widths),
    ):
        assert "('bad') changes the scale or zero point" in refused(data)


def test_activation_range_beyond_a_float() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 4), **Q), b.tensor((1, 2), scale=1e-45)
    w = b.constant(np.ones((2, 4)), scales=[1e-45])
    b.op("FULLY_CONNECTED", [x, w, -1], [y], tb.fully_connected_options(activation="RELU6"))
    assert "do not fit together" in refused(b.build([x], [y]))


def test_inputs_and_outputs_are_not_half_floats() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 4), "float16", name="camera"), b.tensor((1, 4), "float32")
    b.op("DEQUANTIZE", [x], [y])
    assert "tensor 'camera' is float16" in refused(b.build([x], [y]))


@pytest.mark.parametrize("what", ["inputs", "outputs"])
def test_a_firmware_tells_of_255_inputs_and_outputs(what: str) -> None:
    """Named so often, they are still the same two tensors."""
    b = ModelBuilder()
    x, y = b.tensor((1, 2), **Q), b.tensor((1, 2), **Q)
    b.op("RELU", [x], [y])
    compile_graph(read_tflite(b.build([x] * 255, [y] * 255), name="most"))
    data = b.build([x] * 256, [y]) if what == "inputs" else b.build([x], [y] * 256)
    assert f"has 256 {what}, more than 255" in refused(data)
    (refusal,) = refusals(read_tflite(data, name="many"))
    assert refusal.op is None
    assert f"has 256 {what}" in refusal.why


def test_an_output_is_no_constant() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 4), **Q), b.tensor((1, 4), **Q)
    b.op("RELU", [x], [y])
    fixed = b.constant(np.ones((1, 4)), scales=[0.1], name="fixed")
    copy = b.tensor((4, 1), name="copy", **Q)
    b.op("RESHAPE", [fixed], [copy])
    for index, name in [(fixed, "fixed"), (copy, "copy")]:
        assert f"output '{name}' is a constant" in refused(b.build([x], [y, index]))


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (
            one(
                "CONV_2D", [(1, 4, 4, 2)], (1, 4, 4, 3),
                tb.conv_options(dilations=(1, 32767), padding="SAME"),
                weights=np.ones((3, 2, 3, 2), np.int8),
            ),
            65539,
        ),
        (
            one(
                "MAX_POOL_2D", [(1, 20_001, 1, 1)], (1, 2, 1, 1),
                tb.pool_options(filter_size=(1, 1), strides=(20_000, 1)),
            ),
            40001,
        ),
        (one("RELU6", [(1, 40_000)], (1, 40_000)), 40000),
    ],
)  # fmt: skip
def test_sizes_beyond_16_bits_are_refused_on_avr_alone(data: bytes, size: int) -> None:
    assert compile_graph(read_tflite(data, name="model"), FLAT)
    message = refused(data, AVR)
    assert f"has a size of {size}, more than 32767, the largest on avr" in message


def test_a_reshape_cannot_change_the_type() -> None:
    b = ModelBuilder()
    x, stored, real, y = (
        b.tensor((1, 4), **Q), b.tensor((1, 4), **Q),
        b.tensor((1, 1), "float32"), b.tensor((1, 1), "float32"),
    )  # fmt: skip
    b.op("RELU", [x], [stored])
    b.op("RESHAPE", [stored], [real])
    b.op("RELU", [real], [y])
    assert "or their type" in refused(b.build([x], [y]))


def test_an_output_that_nothing_makes() -> None:
    b = ModelBuilder()
    x, y, z = (b.tensor((1, 4), **Q) for _ in range(3))
    b.op("RELU", [x], [y, z])
    assert "has 1 inputs and 2 outputs, but makes 1" in refused(b.build([x], [y]))


@pytest.mark.parametrize("bounds", [([9], [1], [1]), ([0], [1], [0]), ([0],)])
def test_shape_arithmetic_that_fails(bounds: tuple[list[int], ...]) -> None:
    b = ModelBuilder()
    x, y, shape, part = (
        b.tensor((1, 4), **Q),
        b.tensor((1, 4), **Q),
        b.tensor((2,), "int32"),
        b.tensor((), "int32"),
    )
    b.op("SHAPE", [x], [shape])
    mask = 1 if bounds[0] == [9] else 0
    options = tb.slice_options(shrink_axis_mask=mask)
    b.op("STRIDED_SLICE", [shape, *(b.constant(v, "int32") for v in bounds)], [part], options)
    b.op("RELU", [x], [y])
    assert "operation 1 STRIDED_SLICE" in refused(b.build([x], [y]))


def test_a_state_under_another_name() -> None:
    """What is read through the name after the state has moved on would be the new state."""
    b = ModelBuilder()
    state = b.tensor((1, 4), "float32", is_variable=True)
    x, other, y = (b.tensor(shape, "float32") for shape in ((4,), (4,), (4,)))
    b.op("RESHAPE", [state, b.constant([4], "int32")], [other], ("ReshapeOptions", {}))
    b.op("ADD", [x, other], [y], ADD)
    assert "operation 0 RESHAPE" in (message := refused(b.build([x], [y])))
    assert "renames a state" in message


def test_an_empty_output() -> None:
    """Of a SPLIT_V: harmless where nobody reads it, refused as the model's."""
    b = ModelBuilder()
    x, part, nothing = (b.tensor(shape, "float32") for shape in ((4,), (4,), (0,)))
    operands = [x, b.constant([4, 0], "int32"), b.constant(0, "int32")]
    b.op("SPLIT_V", operands, [part, nothing], ("SplitVOptions", {"NumSplits": 2}))
    compile_graph(read_tflite(b.build([x], [part]), name="model"))
    assert "is empty" in refused(b.build([x], [part, nothing]))
