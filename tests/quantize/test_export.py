# SPDX-License-Identifier: Apache-2.0
"""What the converter makes of layers that walk along time, of open sizes, and of forms that it lacks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.errors import UnsupportedError
from harness.graph import DType, Graph, read_tflite
from harness.quantize.export import Form, export
from harness.workloads.runtime import seed_everything, tf_keras

pytestmark = pytest.mark.train

SHAPE = (5, 3)


def _model(*layers: Any, shape: tuple[int | None, ...] = SHAPE) -> Any:
    seed_everything(1)
    return tf_keras().Sequential([tf_keras().layers.Input(shape), *layers])


def _graph(model: Any, form: Form, shape: tuple[int, ...] = SHAPE) -> Graph:
    samples = np.random.default_rng(2).normal(size=(20, *shape)).astype(np.float32)
    calibration = samples if form in (Form.INT8, Form.INT16X8) else None
    return read_tflite(export(model, form, sample_shape=shape, calibration=calibration), name="m")


@pytest.mark.parametrize("form", [Form.FLOAT32, Form.INT8])
def test_an_lstm_is_one_operation(form: Form) -> None:
    graph = _graph(_model(tf_keras().layers.LSTM(4)), form)
    assert graph.ops[0].kind == "UNIDIRECTIONAL_SEQUENCE_LSTM"
    assert graph.input_tensors()[0].dtype is (DType.INT8 if form is Form.INT8 else DType.FLOAT32)


@pytest.mark.parametrize(
    ("kind", "options", "named"),
    [
        ("GRU", {}, "makes a loop of a GRU"),
        ("SimpleRNN", {}, "makes a loop of a SimpleRNN"),
        ("LSTM", {"activation": "relu"}, "LSTM with activation='relu'"),
        ("LSTM", {"use_bias": False}, "LSTM with use_bias=False"),
    ],
)
def test_a_layer_that_would_become_a_loop_is_named(kind: str, options: dict[str, Any], named: str) -> None:
    model = _model(getattr(tf_keras().layers, kind)(4, name="slow", **options))
    with pytest.raises(UnsupportedError, match=rf"Layer slow: .*{named}.*unroll=True"):
        _graph(model, Form.INT8)


def test_an_lstm_has_no_float16_form() -> None:
    with pytest.raises(UnsupportedError, match=r"Layer slow: .*cannot make float16 of an LSTM"):
        _graph(_model(tf_keras().layers.LSTM(4, name="slow")), Form.FLOAT16)


def test_an_unrolled_layer_is_none() -> None:
    kinds = {op.kind for op in _graph(_model(tf_keras().layers.SimpleRNN(4, unroll=True)), Form.INT8).ops}
    assert "TANH" in kinds
    assert not kinds & {"WHILE", "CALL_ONCE"}


def test_sizes_that_a_model_leaves_open_are_those_of_the_data() -> None:
    layers = tf_keras().layers
    model = _model(layers.Conv1D(4, 3), layers.GlobalMaxPooling1D(), shape=(None, 3))
    for form in (Form.FLOAT32, Form.INT8):
        (tensor,) = _graph(model, form, (9, 3)).input_tensors()
        assert (tensor.shape, tensor.is_dynamic) == ((1, 9, 3), False)


def test_an_operation_without_an_int16_form_is_named() -> None:
    with pytest.raises(UnsupportedError, match=r"no int16 form of ELU.*ptq-int8 or float32"):
        _graph(_model(tf_keras().layers.ELU(), tf_keras().layers.Flatten()), Form.INT16X8)


def test_an_operation_without_an_int8_form_computes_in_float_between() -> None:
    layers = tf_keras().layers
    kinds = [op.kind for op in _graph(_model(layers.Dense(4), layers.ELU(), layers.Dense(2)), Form.INT8).ops]
    assert kinds[kinds.index("ELU") - 1 : kinds.index("ELU") + 2] == ["DEQUANTIZE", "ELU", "QUANTIZE"]
