# SPDX-License-Identifier: Apache-2.0
"""Every kernel compiled for AVR and for ARM, run in the emulators, against the oracle.

The other kernel tests run on the host, where `int` has 32 bits and flash is plain memory. Few models hold
all operations, since most of the time goes into building firmware.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.boards import load_boards
from harness.build import build
from harness.compiler import AVR, compile_graph, cpu_named, lower
from harness.compiler.kernels import KERNELS as OPERATIONS
from harness.graph import Graph, read_tflite
from harness.measure import measure
from harness.records import verify
from harness.reference import expected_outputs
from harness.targets import TARGETS
from tests import tflite_builder as tb
from tests.analyze.estimate import check_estimate
from tests.kernels.models import Quant, random_inputs
from tests.kernels.models_window import weights
from tests.kernels.samples import NETS, net
from tests.native_model import declared_kernels

Shape = tuple[int, ...]

BOARDS = load_boards()
LANES = [
    pytest.param(board, target, id=f"{board}-{target}")
    for board, target in [
        ("uno", "simavr"),
        ("stm32f4", "qemu"),
        ("mps2_an386", "qemu"),
        ("mps2_an500", "qemu"),
        ("lm3s6965evb", "qemu"),
        ("esp32", "qemu"),
    ]
]
#: One of each instruction set, for the many small models.
CPU_LANES = [lane for lane in LANES if lane.values[0] in ("uno", "stm32f4", "esp32")]


class Net:
    """A network of one type that grows; operations take the value to read and return the one they make."""

    def __init__(self, dtype: str) -> None:
        self.b = tb.ModelBuilder()
        self.dtype = dtype
        self._scales: dict[int, Quant] = {}

    def value(self, shape: Shape, *, scale: float = 0.05, zero: int = -3) -> int:
        """A tensor; scale and zero point count where the type is int8."""
        quantized: dict[str, Any] = {"scale": scale, "zero_point": zero} if self.dtype == "int8" else {}
        index = self.b.tensor(shape, self.dtype, **quantized)
        self._scales[index] = Quant(input_scale=scale, input_zero=zero)
        return index

    def weighted(
        self, kind: str, x: int, filters: Shape, output: Shape, options: tb.Options, *, axis: int = 0
    ) -> int:
        """A layer with weights of shape `filters`, output channels along `axis`, and a bias."""
        quant = self._scales[x]
        constants = weights(
            self.b, self.dtype, filters, quant=quant, axis=axis, bias=2000, seed=len(self.b.ops)
        )
        scale, zero = quant.weighted["scale"], quant.output_zero
        return self.op(kind, [x, *constants], output, options, scale=scale, zero=zero)

    def unscaled(self, kind: str, inputs: list[int], output: Shape, options: tb.Options) -> int:
        """An operation that keeps its input's scale."""
        quant = self._scales[inputs[0]]
        return self.op(kind, inputs, output, options, scale=quant.input_scale, zero=quant.input_zero)

    def op(
        self, kind: str, inputs: list[int], output: Shape, options: tb.Options | None = None, *,
        scale: float = 0.1, zero: int = 7,
    ) -> int:  # fmt: skip
        """Any operation."""
        y = self.value(output, scale=scale, zero=zero)
        self.b.op(kind, inputs, [y], options)
        return y


def branches(dtype: str) -> bytes:
    """Every operation that works on one type. Each value is an output: no error hides behind the next."""
    net = Net(dtype)
    x, offsets = net.value((1, 5, 3, 2)), net.value((3,), scale=0.02, zero=11)
    conv = net.weighted(
        "CONV_2D", x, (3, 3, 3, 2), (1, 5, 3, 3), tb.conv_options(padding="SAME", dilations=(2, 3))
    )
    strided = net.weighted(
        "CONV_2D", x, (2, 4, 3, 2), (1, 3, 2, 2),
        tb.conv_options(padding="SAME", strides=(2, 2), activation="RELU"),
    )  # fmt: skip
    depthwise = net.weighted(
        "DEPTHWISE_CONV_2D", conv, (1, 3, 2, 6), (1, 3, 2, 6),
        tb.conv_options(padding="SAME", strides=(2, 2), depth_multiplier=2), axis=3,
    )  # fmt: skip
    dilated = net.weighted(
        "DEPTHWISE_CONV_2D", strided, (1, 3, 3, 2), (1, 3, 2, 2),
        tb.conv_options(padding="SAME", dilations=(1, 2), depth_multiplier=1), axis=3,
    )  # fmt: skip
    widths = net.b.constant([[0, 0], [1, 0], [0, 2], [1, 0]], "int32")
    padded = net.unscaled("PAD", [dilated, widths], (1, 4, 4, 3), ("PadOptions", {}))
    same = tb.pool_options(filter_size=(3, 3), strides=(2, 2), padding="SAME")
    pooled = [net.unscaled(f"{kind}_POOL_2D", [padded], (1, 2, 2, 3), same) for kind in ("MAX", "AVERAGE")]
    relu = net.op("RELU", [conv], (1, 5, 3, 3))
    relu6 = net.op("RELU6", [depthwise], (1, 3, 2, 6))
    total = net.op("ADD", [relu, conv], (1, 5, 3, 3), tb.add_options(), scale=0.2)
    moved = net.op("ADD", [offsets, total], (1, 5, 3, 3), tb.add_options(activation="RELU6"))
    mean = net.op("MEAN", [total, net.b.constant([1, 2], "int32")], (1, 3), tb.mean_options(), scale=0.07)
    dense = net.weighted("FULLY_CONNECTED", mean, (6, 3), (1, 6), tb.fully_connected_options())
    softmax = net.op("SOFTMAX", [dense], (1, 6), tb.softmax_options(), scale=1 / 256, zero=-128)
    outputs = [conv, strided, depthwise, dilated, padded, *pooled, relu, relu6, total, moved, mean, dense]
    return net.b.build([x, offsets], [*outputs, softmax])


def conversions() -> bytes:
    """float32 in and out, int8 between: the conversions, each in its input's place."""
    b = tb.ModelBuilder()
    x, y = b.tensor((1, 40), "float32"), b.tensor((1, 40), "float32")
    stored, rescaled = (
        b.tensor((1, 40), scale=0.05, zero_point=-3),
        b.tensor((1, 40), scale=0.04, zero_point=9),
    )
    b.op("QUANTIZE", [x], [stored])
    b.op("QUANTIZE", [stored], [rescaled])
    b.op("DEQUANTIZE", [rescaled], [y])
    return b.build([x], [y])


MODELS = {"int8": branches("int8"), "float32": branches("float32"), "conversions": conversions()}


def data_of(name: str) -> bytes:
    return MODELS[name] if name in MODELS else net(name)


def graph_of(name: str) -> Graph:
    return read_tflite(data_of(name), name=name)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.mark.emulator
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("board", "target"), LANES)
def test_networks_equal_the_oracle(board: str, target: str, name: str, cache: Path, tmp_path: Path) -> None:
    check_on_target(board, target, name, cache, tmp_path)


@pytest.mark.emulator
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(("board", "target"), CPU_LANES)
def test_operations_equal_the_oracle(board: str, target: str, name: str, cache: Path, tmp_path: Path) -> None:
    check_on_target(board, target, name, cache, tmp_path)


def check_on_target(board: str, target: str, name: str, cache: Path, tmp_path: Path) -> None:
    """Outputs of four samples, a stream where there is a state; the stack keeps to its reserve."""
    graph = graph_of(name)
    firmware = build(
        compile_graph(graph, cpu_named(BOARDS[board].cpu)),
        BOARDS[board],
        case_id=f"kernels/{name}/{board}",
        cache=cache,
    )
    check_estimate(graph, BOARDS[board], dataclasses.asdict(firmware.sizes))
    inputs = random_inputs(graph, samples=4, seed=5)
    shaped = [values.reshape(-1, *t.shape) for values, t in zip(inputs, graph.input_tensors(), strict=True)]
    with TARGETS[target].open(firmware, BOARDS[board], log=tmp_path / "log") as transport:
        result = measure(
            transport,
            expected_digest=firmware.firmware_sha256,
            inputs=shaped,
            warmup=0,
            stateful=any(tensor.is_variable for tensor in graph.tensors),
            stream=True,
        )
    expected = expected_outputs(data_of(name), shaped, stream=True)
    ends = np.cumsum([values.shape[1] for values in expected.outputs])
    assert result.outputs.shape[1] == ends[-1]
    for tensor, ours, theirs in zip(
        graph.output_tensors(), np.split(result.outputs, ends[:-1], axis=1), expected.outputs, strict=True
    ):
        verification = verify(ours, theirs, expected.oracle)
        assert verification.mismatches == 0, (tensor.name, verification)
        assert name in NETS or len(np.unique(theirs)) > 4, f"{tensor.name} says too little"
    assert result.stack_bytes is not None
    assert result.stack_bytes <= firmware.sizes.stack_reserve_bytes


def test_every_operation_and_kernel_is_among_them() -> None:
    steps = [step for name in (*MODELS, *NETS) for step in lower(graph_of(name), AVR).steps]
    assert {step.op.kind for step in steps} == set(OPERATIONS)
    assert {call.function for step in steps for call in step.calls} == declared_kernels()
