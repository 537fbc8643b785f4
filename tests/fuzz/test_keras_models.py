# SPDX-License-Identifier: Apache-2.0
"""Random Keras models, converted and compiled, equal the oracle: 25 here, 300 by `./run fuzz`.

Integers to the bit, floats within the tolerance of a row's verification.
"""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import Protocol

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from harness.compiler import compile_graph
from harness.errors import ModelError, QuantizeError, UnsupportedError
from harness.graph import read_tflite, to_stored
from harness.interpreters import RefusedError
from harness.quantize.export import Form
from harness.records import verify
from harness.reference import Expected, expected_outputs, interpret
from tests.fuzz.keras_models import Array, Drawn, converted, drawn, samples
from tests.native_model import NativeModel


class Oracle(Protocol):
    """`interpret`, or `expected_outputs`, which does it in a child process."""

    def __call__(self, model: bytes, inputs: Sequence[Array], *, stream: bool) -> Expected: ...


seen: collections.Counter[str] = collections.Counter()


def check_network(network: Drawn, oracle: Oracle) -> None:
    """Our C gives what the oracle gives on four samples."""
    try:
        data = converted(network)
    except (UnsupportedError, QuantizeError):
        return  # TensorFlow Lite lacks the form of a part of it, or nothing is left of the network
    graph = read_tflite(data, name="random")
    (tensor,) = graph.input_tensors()
    inputs = [to_stored(samples(network, 12)[8:], tensor)]
    try:
        source = compile_graph(graph)
    except UnsupportedError:
        # mostly a PADV2 of int16 by a float32: the converter forgets to quantize the value
        seen[f"{network.form.name} refused"] += 1
        return
    try:
        expected = oracle(data, inputs, stream=True)
    except (ModelError, RefusedError):
        expected = None
    if network.form is Form.INT16X8 and (expected is None or not expected.oracle.startswith("tflm")):
        # TFLite rounds once what TFLM rounds twice, and its int16 SUM is wrong
        seen["int16 without TFLM"] += 1
        return
    assert expected is not None
    assert (network.form is Form.DYNAMIC_INT8) == expected.oracle.endswith("dequantized weights")
    outputs = NativeModel(graph, source).run(inputs)
    for ours, theirs in zip(outputs, expected.outputs, strict=True):
        assert verify(ours, theirs, expected.oracle).mismatches == 0
    seen.update(op.kind for op in graph.ops)
    seen.update(("models", network.form.name))


def check_counts(least: int) -> None:
    """So many models were compared, some of each form, and few refused."""
    assert seen["models"] >= least, seen
    for form in COUNTS:
        assert 0 < seen[form.name] >= 5 * seen[f"{form.name} refused"] - 5, seen


#: Networks of each form: int8 the most, whose path through the compiler the others share.
COUNTS = {Form.INT8: 20, Form.INT16X8: 10, Form.FLOAT32: 4, Form.DYNAMIC_INT8: 4}

networks = settings(
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink),
)


def check_networks(form: Form, oracle: Oracle, how: settings) -> None:
    """As many networks of a form as `how` says."""

    @settings(how)
    @given(drawn(form))
    def check(network: Drawn) -> None:
        check_network(network, oracle)

    check()


def test_twenty_five_random_models_equal_the_oracle() -> None:
    seen.clear()
    for form, count in COUNTS.items():
        # in this process: a child for each would take longer than all the rest
        check_networks(form, interpret, settings(networks, max_examples=count, derandomize=True))
    check_counts(25)


@pytest.mark.fuzz
def test_three_hundred_random_models_equal_the_oracle() -> None:
    seen.clear()
    for form, count in COUNTS.items():
        check_networks(form, expected_outputs, settings(networks, max_examples=11 * count))
    print(dict(seen.most_common()))
    check_counts(300)
