# SPDX-License-Identifier: Apache-2.0
"""Layers, memory over time, doubts and refusals, counted by hand on small models."""

from __future__ import annotations

import numpy as np
import pytest

from harness.analyze import Analysis, analyze, bytes_in_use, spans
from harness.analyze.memory import Span
from harness.boards import load_boards
from harness.compiler import lower
from harness.graph import Graph, count_params, op_macs, read_tflite
from tests import tflite_builder as tb
from tests.tflite_builder import ModelBuilder


def read(b: ModelBuilder, inputs: list[int], outputs: list[int]) -> Graph:
    return read_tflite(b.build(inputs, outputs), name="model.tflite")


def analyzed(b: ModelBuilder, inputs: list[int], outputs: list[int]) -> Analysis:
    return analyze(read(b, inputs, outputs), tflite_bytes=1, boards=())


def two_layers() -> tuple[ModelBuilder, int, int]:
    """FULLY_CONNECTED 4 -> 6, RESHAPE, SOFTMAX, in float32."""
    b = ModelBuilder()
    x, hidden, flat, y = (b.tensor(shape, "float32") for shape in ((1, 4), (1, 6), (6,), (6,)))
    b.op(
        "FULLY_CONNECTED",
        [x, b.constant(np.ones((6, 4)), "float32"), b.constant(np.ones(6), "float32")],
        [hidden],
        tb.fully_connected_options(),
    )
    b.op("RESHAPE", [hidden, b.constant([6], "int32")], [flat], tb.reshape_options((6,)))
    b.op("SOFTMAX", [flat], [y], tb.softmax_options())
    return b, x, y


def test_layers_are_counted() -> None:
    b, x, y = two_layers()
    found = analyzed(b, [x], [y])
    dense, alias, softmax = found.layers
    assert (dense.params, dense.macs, dense.weight_bytes) == (24 + 6, 24, 30 * 4)
    assert (dense.inputs, dense.outputs) == (((1, 4),), ((1, 6),))
    assert dense.activation_bytes == (4 + 6) * 4
    assert dense.arena_bytes == (4 + 6) * 4
    assert (alias.outcome, alias.arena_bytes, alias.params) == ("alias", None, 0)
    assert softmax.arena_bytes == 6 * 4, "in place"
    assert found.params == 30
    assert found.macs == 24
    assert found.arena_bytes == found.arena_bound_bytes == 40
    assert not found.unsupported
    assert not found.warnings


def test_memory_over_time_never_exceeds_the_arena_and_reaches_its_bound() -> None:
    b, x, y = two_layers()
    program = lower(read(b, [x], [y]))
    found = spans(program)
    assert [(span.name, span.kind, span.first, span.last) for span in found] == [
        ("t0", "input", 0, 0),
        ("t1", "activation", 0, 1),
        ("t3", "activation", 1, 1),
    ]
    assert max(span.offset + span.nbytes for span in found) == program.layout.plan.arena_bytes
    assert max(bytes_in_use(found, 2)) == program.layout.plan.lower_bound_bytes


def test_shared_bytes_count_once() -> None:
    def span(offset: int, nbytes: int, first: int, last: int) -> Span:
        return Span(name="", kind="activation", offset=offset, nbytes=nbytes, first=first, last=last)

    found = (span(0, 10, 0, 1), span(4, 10, 1, 2), span(20, 5, 1, 1))
    assert bytes_in_use(found, 4) == (10, 14 + 5, 10, 0)


def test_every_operation_that_is_not_supported_is_named_with_what_comes_near() -> None:
    b = ModelBuilder()
    x, a, c, y = (b.tensor((1, 4), "float32") for _ in range(4))
    b.op("DIV", [x, b.constant(np.ones((1, 4)), "float32")], [a])
    b.op("RELU", [a], [c])
    b.op("CUMSUM", [c, b.constant([1], "int32")], [y])
    found = analyzed(b, [x], [y])
    assert [(u.index, u.kind) for u in found.unsupported] == [(0, "DIV"), (2, "CUMSUM")]
    assert "reciprocal" in found.unsupported[0].nearest
    assert found.arena_bytes is None
    assert [layer.outcome for layer in found.layers] == ["unsupported", "kernel", "unsupported"]


def test_a_form_that_is_not_supported_says_what_is() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 4, 4, 2), "int32"), b.tensor((1, 2, 2, 2), "int32")
    b.op("MAX_POOL_2D", [x], [y], tb.pool_options(filter_size=(2, 2), strides=(2, 2)))
    (refused,) = analyzed(b, [x], [y]).unsupported
    assert refused.index == 0
    assert "int32" in refused.why
    assert "int8" in refused.nearest + refused.why


def test_what_an_avr_lacks_is_said_of_its_boards_only() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 40_000), "float32"), b.tensor((1, 40_000), "float32")
    b.op("RELU", [x], [y])
    boards = load_boards()
    found = analyze(read(b, [x], [y]), tflite_bytes=1, boards=(boards["uno"], boards["stm32f4"]))
    uno, arm = found.fits
    assert not uno.supported
    assert "operation 0 RELU ('t1') has a size of 40000" in uno.reason
    assert arm.supported
    assert arm.ram_left_bytes is not None
    assert arm.ram_left_bytes < 0, "the arena has 160 KB, the chip 128"
    assert not found.unsupported


def quantized_island() -> Analysis:
    """Integer RELU twice around a float TANH."""
    b = ModelBuilder()
    x, a = (b.tensor((1, 4), scale=0.5) for _ in range(2))
    real, bent = (b.tensor((1, 4), "float32") for _ in range(2))
    c, y = b.tensor((1, 4), scale=0.5), b.tensor((1, 4), scale=0.5)
    b.op("RELU", [x], [a])
    b.op("DEQUANTIZE", [a], [real])
    b.op("TANH", [real], [bent])
    b.op("QUANTIZE", [bent], [c])
    b.op("RELU", [c], [y])
    return analyzed(b, [x], [y])


def test_a_float_island_is_doubted() -> None:
    (warning,) = quantized_island().warnings
    assert warning.startswith("Operation 2 (TANH) computes in float32 between integer ones")


def test_open_sizes_hybrid_layers_and_missing_scales_are_doubted() -> None:
    b = ModelBuilder()
    x = b.tensor((1, 4), "float32", name="sound", signature=(-1, 4))
    y = b.tensor((1, 2), "float32")
    weights = b.constant(np.ones((2, 4)), "int8", scales=[0.5])
    b.op("FULLY_CONNECTED", [x, weights], [y], tb.fully_connected_options())
    size, hybrid = analyzed(b, [x], [y]).warnings
    assert size.startswith("Input 'sound' leaves a size open; [1, 4] is taken")
    assert hybrid.startswith("Operation 0 (FULLY_CONNECTED) is hybrid")
    b = ModelBuilder()
    x, y = b.tensor((1, 4)), b.tensor((1, 4))
    b.op("RELU", [x], [y])
    assert [w.split(":")[0] for w in analyzed(b, [x], [y]).warnings] == [
        "Tensor 't0' is int8 without a scale",
        "Tensor 't1' is int8 without a scale",
    ]


def transposed_convolution() -> tuple[Graph, int, int]:
    b = ModelBuilder()
    x, y = b.tensor((1, 3, 3, 5), "float32"), b.tensor((1, 6, 6, 7), "float32")
    weights = b.constant(np.ones((7, 2, 2, 5)), "float32")
    bias = b.constant(np.ones(7), "float32")
    shape = b.constant([1, 6, 6, 7], "int32")
    b.op("TRANSPOSE_CONV", [shape, weights, x, bias], [y], tb.transpose_conv_options(strides=(2, 2)))
    return read(b, [x], [y]), 3 * 3 * (7 * 2 * 2 * 5), 7 * 2 * 2 * 5 + 7


def lstm() -> tuple[Graph, int, int]:
    """5 steps of time, 3 inputs, 4 cells: 4 gates of 4x3 and 4x4 weights and 4 biases."""
    b = ModelBuilder()
    x, y = b.tensor((1, 5, 3), "float32"), b.tensor((1, 5, 4), "float32")
    w = [b.constant(np.ones((4, 3)), "float32") for _ in range(4)]
    r = [b.constant(np.ones((4, 4)), "float32") for _ in range(4)]
    biases = [b.constant(np.ones(4), "float32") for _ in range(4)]
    states = [b.tensor((1, 4), "float32", is_variable=True) for _ in range(2)]
    inputs = [x, *w, *r, -1, -1, -1, *biases, -1, -1, *states, -1, -1, -1, -1]
    b.op("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [y], tb.lstm_options())
    return read(b, [x], [y]), 5 * 4 * (12 + 16), 4 * (12 + 16 + 4)


@pytest.mark.parametrize("build", [transposed_convolution, lstm])
def test_macs_and_parameters(build: object) -> None:
    assert callable(build)
    graph, macs, params = build()
    assert op_macs(graph, graph.ops[0]) == macs
    assert count_params(graph) == params
