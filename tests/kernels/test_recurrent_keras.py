# SPDX-License-Identifier: Apache-2.0
"""Recurrent Keras layers, converted as the product does it, against the oracle and against Keras."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from harness.compiler import compile_graph
from harness.errors import UnsupportedError
from harness.graph import Graph, read_tflite, to_stored
from harness.interpreters import interpret
from harness.quantize.export import Form, export
from harness.records import verify
from harness.workloads.runtime import tensorflow, tf_keras
from tests.native_model import NativeModel

STEPS, FEATURES = 6, 3

Layer = Callable[[Any], Any]

#: What becomes LSTM operations, and what unrolled becomes ordinary ones.
LAYERS: dict[str, Layer] = {
    "LSTM": lambda keras: keras.Sequential(
        [
            # where both directions meet, REVERSE_V2 has a scale on each side
            keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True)),
            keras.layers.LSTM(7),
        ]
    ),
    "unrolled": lambda keras: keras.Sequential(
        [
            keras.layers.SimpleRNN(4, return_sequences=True, unroll=True),
            keras.layers.GRU(3, unroll=True),
        ]
    ),
    # its SPLIT_V has an empty output that nobody reads, and at which TFLM gives up
    "reset before": lambda keras: keras.layers.GRU(3, unroll=True, reset_after=False),
}
#: LSTM operations in each: one per direction.
LSTMS = {"LSTM": 3, "unrolled": 0, "reset before": 0}

LOOPS: dict[str, Layer] = {
    "GRU": lambda keras: keras.layers.GRU(3),
    "SimpleRNN": lambda keras: keras.layers.SimpleRNN(3),
    "LSTM with activation='relu'": lambda keras: keras.layers.LSTM(3, activation="relu"),
}


@functools.cache
def inputs() -> npt.NDArray[np.float32]:
    return np.random.default_rng(7).normal(size=(30, STEPS, FEATURES)).astype(np.float32)


def model_of(layer: Layer) -> Any:
    keras = tf_keras()
    keras.utils.set_random_seed(3)
    return keras.Sequential([keras.Input((STEPS, FEATURES)), layer(keras), keras.layers.Dense(3)])


@functools.cache
def keras_model(name: str) -> Any:
    return model_of(LAYERS[name])


@functools.cache
def converted(name: str, form: Form) -> bytes:
    calibration = inputs() if form is Form.INT8 else None
    return export(keras_model(name), form, sample_shape=(STEPS, FEATURES), calibration=calibration)


def native(graph: Graph) -> NativeModel:
    return NativeModel(graph, compile_graph(graph))


@pytest.mark.parametrize("form", [Form.FLOAT32, Form.INT8], ids=["float32", "int8"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_stream_equals_the_oracle(name: str, form: Form) -> None:
    data = converted(name, form)
    graph = read_tflite(data, name=name)
    lstms = [op for op in graph.ops if op.kind == "UNIDIRECTIONAL_SEQUENCE_LSTM"]
    assert len(lstms) == LSTMS[name]
    samples = [to_stored(inputs(), graph.input_tensors()[0])]
    expected = interpret(data, samples, stream=True)
    (ours,) = native(graph).run(samples)
    found = verify(ours, expected.outputs[0], expected.oracle)
    if form is Form.INT8 and name == "reset before":
        # TFLite rounds once where TFLM rounds twice
        assert (expected.oracle[:6], found.max_abs_diff) == ("tflite", 1)
    else:
        assert found.mismatches == 0
    assert len(np.unique(ours)) > 20


def test_after_a_reset_a_sample_equals_keras() -> None:
    """Keras' layer starts each sample from zeros, the operation only after a reset."""
    graph = read_tflite(converted("LSTM", Form.FLOAT32), name="LSTM")
    model = native(graph)
    ours = np.concatenate([model.run([sample[np.newaxis]])[0] for sample in inputs()[:5]])
    theirs = keras_model("LSTM").predict(inputs()[:5], verbose=0)
    assert np.abs(ours - theirs).max() < 1e-5


@pytest.mark.parametrize("kind", LOOPS)
def test_a_layer_that_would_become_a_loop_is_named(kind: str) -> None:
    with pytest.raises(UnsupportedError, match=f"makes a loop of a {kind}") as refusal:
        export(model_of(LOOPS[kind]), Form.FLOAT32, sample_shape=(STEPS, FEATURES))
    assert "unroll=True" in str(refusal.value)


def test_a_file_with_a_loop_says_what_to_do() -> None:
    """As somebody else's conversion leaves a GRU."""
    keras = tf_keras()
    model = keras.Sequential([keras.Input((STEPS, FEATURES), batch_size=1), keras.layers.GRU(3)])
    data = bytes(tensorflow().lite.TFLiteConverter.from_keras_model(model).convert())
    with pytest.raises(UnsupportedError, match="has 3 subgraphs") as refusal:
        read_tflite(data, name="gru")
    assert "unroll=True" in str(refusal.value)
