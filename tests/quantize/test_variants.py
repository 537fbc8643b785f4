# SPDX-License-Identifier: Apache-2.0
"""The .tflite files of the three workloads: what is in them, what they cost, how well they do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import tflite

from harness.quantize import VARIANTS
from harness.quantize.trained import variant
from harness.workloads import WORKLOADS, find_workload
from tests.trained_models import data_of, infer, score_of, variants_of

pytestmark = pytest.mark.train

INT8 = ("ptq-int8", "qat-int8")
SMALL = ("float32", *INT8)
ENDS = {"ptq-int8": np.int8, "qat-int8": np.int8, "ptq-int16x8": np.int16}
ALLOWED_OPERATIONS = {
    "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MAX_POOL_2D", "AVERAGE_POOL_2D", "MEAN", "PAD", "ADD",
    "RELU", "RELU6", "RESHAPE", "SHAPE", "STRIDED_SLICE", "PACK", "SOFTMAX", "QUANTIZE", "DEQUANTIZE",
}  # fmt: skip
IN_PLACE = {"RESHAPE", "SOFTMAX", "RELU", "RELU6"}
UNO_FLASH_BYTES = 32_256

_OPERATIONS = {number: name for name, number in vars(tflite.BuiltinOperator).items() if name.isupper()}
_TYPES = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT8: np.int8,
    tflite.TensorType.INT16: np.int16,
    tflite.TensorType.INT64: np.int64,
    tflite.TensorType.INT32: np.int32,
}


@dataclass(frozen=True)
class RawTensor:
    shape: tuple[int, ...]
    dtype: type
    scales: int
    constant: bool

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


def _graph(content: bytes) -> tuple[tflite.Model, tflite.SubGraph]:
    model = tflite.Model.GetRootAs(content, 0)
    return model, model.Subgraphs(0)


def _tensor(content: bytes, index: int) -> RawTensor:
    model, graph = _graph(content)
    tensor = graph.Tensors(index)
    quantization = tensor.Quantization()
    return RawTensor(
        shape=tuple(int(n) for n in tensor.ShapeAsNumpy()) if tensor.ShapeLength() else (),
        dtype=_TYPES[tensor.Type()],
        scales=quantization.ScaleLength() if quantization else 0,
        constant=model.Buffers(tensor.Buffer()).DataLength() > 0,
    )


def _operations(content: bytes) -> Iterator[tuple[str, list[RawTensor], list[RawTensor]]]:
    """(kind, inputs, outputs) of each operation in order."""
    model, graph = _graph(content)
    for number in range(graph.OperatorsLength()):
        operation = graph.Operators(number)
        kind = _OPERATIONS[model.OperatorCodes(operation.OpcodeIndex()).BuiltinCode()]
        ends = operation.InputsAsNumpy(), operation.OutputsAsNumpy()
        inputs, outputs = ([_tensor(content, int(i)) for i in end if i >= 0] for end in ends)
        yield kind, inputs, outputs


def _arena_bound(content: bytes) -> int:
    """Largest sum of activations alive at one step; these models are chains, so no more than in and out."""
    sums = []
    for kind, inputs, outputs in _operations(content):
        alive = [t.nbytes for t in inputs if not t.constant] + [t.nbytes for t in outputs]
        sums.append(max(alive) if kind in IN_PLACE else sum(alive))
    return max(sums)


@pytest.mark.parametrize("identifier", VARIANTS)
@pytest.mark.parametrize("name", WORKLOADS)
def test_one_input_and_output_of_the_promised_type(name: str, identifier: str) -> None:
    content = variants_of(name)[identifier]
    model, graph = _graph(content)
    dtype = ENDS.get(identifier, np.float32)
    assert model.SubgraphsLength() == graph.InputsLength() == graph.OutputsLength() == 1
    start, end = _tensor(content, graph.Inputs(0)), _tensor(content, graph.Outputs(0))
    assert start.dtype is end.dtype is dtype
    assert start.shape == (1, *data_of(name).x_test.shape[1:])


@pytest.mark.parametrize("identifier", VARIANTS)
@pytest.mark.parametrize("name", WORKLOADS)
def test_operations_are_those_that_the_engine_has(name: str, identifier: str) -> None:
    kinds = {kind for kind, _, _ in _operations(variants_of(name)[identifier])}
    assert kinds <= ALLOWED_OPERATIONS
    assert not kinds & {"QUANTIZE"}
    assert (identifier == "float16") == ("DEQUANTIZE" in kinds)


@pytest.mark.parametrize("identifier", ENDS)
@pytest.mark.parametrize("name", WORKLOADS)
def test_integer_variants_hold_no_float(name: str, identifier: str) -> None:
    for _, inputs, outputs in _operations(variants_of(name)[identifier]):
        assert all(tensor.dtype is not np.float32 for tensor in inputs + outputs)


@pytest.mark.parametrize("identifier", INT8)
@pytest.mark.parametrize("name", ["digits", "gesture"])
def test_convolutions_have_a_scale_per_channel(name: str, identifier: str) -> None:
    convolutions = [ins for kind, ins, _ in _operations(variants_of(name)[identifier]) if kind == "CONV_2D"]
    assert convolutions
    for _, weights, bias in convolutions:
        assert weights.scales == bias.scales == weights.shape[0] > 1


def test_arenas_fit_the_uno() -> None:
    assert _arena_bound(variants_of("digits")["float32"]) == 960
    assert _arena_bound(variants_of("digits")["ptq-int8"]) == 240
    assert _arena_bound(variants_of("gesture")["ptq-int8"]) == _arena_bound(
        variants_of("gesture")["qat-int8"]
    )
    assert _arena_bound(variants_of("gesture")["ptq-int8"]) <= 900
    for name in WORKLOADS:
        float32, *int8 = (_arena_bound(variants_of(name)[identifier]) for identifier in SMALL)
        assert all(bound < float32 for bound in int8)


def test_gesture_in_float32_leaves_no_flash_for_the_code() -> None:
    weights = {
        identifier: sum(
            tensor.nbytes
            for _, inputs, _ in _operations(variants_of("gesture")[identifier])
            for tensor in inputs
            if tensor.constant
        )
        for identifier in SMALL
    }
    assert weights["float32"] > UNO_FLASH_BYTES - 3_000
    assert weights["ptq-int8"] < UNO_FLASH_BYTES / 3


def test_digits_accuracy() -> None:
    assert score_of("digits", "float32") >= 0.96


def test_gesture_accuracy() -> None:
    assert 0.90 <= score_of("gesture", "float32") <= 0.98


def test_sine_error_is_below_the_noise() -> None:
    assert score_of("sine", "float32") < 0.03


@pytest.mark.parametrize("name", ["digits", "gesture"])
def test_qat_is_within_half_a_point_of_float(name: str) -> None:
    assert score_of(name, "qat-int8") >= score_of(name, "float32") - 0.005 - 1e-9


@pytest.mark.parametrize("name", ["digits", "gesture"])
def test_ptq_loses_little(name: str) -> None:
    assert score_of(name, "ptq-int8") >= score_of(name, "float32") - 0.03


@pytest.mark.parametrize("identifier", INT8)
def test_int8_sine_stays_near(identifier: str) -> None:
    assert score_of("sine", identifier) < score_of("sine", "float32") + 0.02


@pytest.mark.parametrize("identifier", INT8)
def test_int8_decides_as_float_does(identifier: str) -> None:
    for name in ("digits", "gesture"):
        inputs = data_of(name).x_test
        decisions = [infer(variants_of(name)[v], inputs).argmax(axis=1) for v in ("float32", identifier)]
        assert np.mean(decisions[0] == decisions[1]) > 0.97


@pytest.mark.parametrize("name", ["digits", "gesture"])
def test_wider_numbers_lose_less(name: str) -> None:
    for identifier in ("ptq-int16x8", "dynamic-int8", "float16"):
        assert abs(score_of(name, identifier) - score_of(name, "float32")) <= 0.005 + 1e-9


def test_sine_is_nearer_with_wider_activations() -> None:
    assert score_of("sine", "float32") < score_of("sine", "ptq-int16x8") < score_of("sine", "ptq-int8")


def test_weights_of_eight_bits_make_a_quarter_of_the_file() -> None:
    """Gesture alone has layers of more than 1024 weights; smaller ones the converter leaves as they are."""
    whole, half, hybrid = (
        len(variants_of("gesture")[name]) for name in ("float32", "float16", "dynamic-int8")
    )
    assert 0.45 < half / whole < 0.6
    assert 0.2 < hybrid / whole < 0.45


def test_fewer_calibration_samples_make_another_file() -> None:
    small = variant(find_workload("sine"), "ptq-int8+calib=5")
    assert small.identifier == "ptq-int8+calib=5"
    assert small.tflite != variants_of("sine")["ptq-int8"]
