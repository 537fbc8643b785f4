# SPDX-License-Identifier: Apache-2.0
"""Random Keras models, quantized and compiled, equal the oracle to the bit: 25 here, 300 by `./run fuzz`."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import Protocol

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from harness.compiler import compile_graph
from harness.errors import QuantizeError, UnsupportedError
from harness.graph import read_tflite, to_stored
from harness.records import verify
from harness.reference import Expected, expected_outputs, interpret
from tests.fuzz.keras_models import Array, Drawn, converted, drawn, samples
from tests.native_model import NativeModel


class Oracle(Protocol):
    """`interpret`, or `expected_outputs`, which does it in a child process."""

    def __call__(self, model: bytes, inputs: Sequence[Array], *, stream: bool) -> Expected: ...


seen: collections.Counter[str] = collections.Counter()


def check_network(network: Drawn, oracle: Oracle) -> None:
    """Our C gives what the oracle gives on four samples, every integer of it."""
    try:
        data = converted(network)
    except (UnsupportedError, QuantizeError):
        return  # TensorFlow Lite has no int8 form of a part of it, or nothing is left of the network
    graph = read_tflite(data, name="random")
    seen.update(op.kind for op in graph.ops)
    (tensor,) = graph.input_tensors()
    inputs = [to_stored(samples(network, 12)[8:], tensor)]
    outputs = NativeModel(graph, compile_graph(graph)).run(inputs)
    expected = oracle(data, inputs, stream=True)
    for ours, theirs in zip(outputs, expected.outputs, strict=True):
        assert verify(ours, theirs, expected.oracle).mismatches == 0
    seen["models"] += 1


networks = settings(
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink),
)


@settings(networks, max_examples=30, derandomize=True)
@given(drawn())
def _thirty(network: Drawn) -> None:
    # in this process: a child for each would take longer than all the rest
    check_network(network, interpret)


def test_twenty_five_random_models_equal_the_oracle() -> None:
    seen.clear()
    _thirty()
    assert seen["models"] >= 25, seen


@settings(networks, max_examples=360)
@given(drawn())
def _many(network: Drawn) -> None:
    check_network(network, expected_outputs)


@pytest.mark.fuzz
def test_three_hundred_random_models_equal_the_oracle() -> None:
    seen.clear()
    _many()
    print(dict(seen.most_common()))
    assert seen["models"] >= 300, seen
