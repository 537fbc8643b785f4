# SPDX-License-Identifier: Apache-2.0
"""Keras 3 models, rebuilt in tf-keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import ModelError, UnsupportedError
from harness.quantize import keras3, qat_int8
from harness.quantize.trained import variant
from harness.workloads import CustomWorkload
from harness.workloads.runtime import seed_everything, tensorflow, tf_keras
from tests.trained_models import infer
from tests.workloads.keras_files import write_data

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def keras() -> Any:
    tensorflow()
    import keras as module

    module.utils.set_random_seed(5)
    return module


def _samples(*shape: int) -> Any:
    return np.random.default_rng(1).normal(size=(32, *shape)).astype(np.float32)


def _with_random_weights(model: Any) -> Any:
    """Also statistics and biases differ from their starting values, so that a mix-up shows."""
    rng = np.random.default_rng(2)
    model.set_weights([rng.uniform(0.1, 0.6, weights.shape) for weights in model.get_weights()])
    return model


def test_a_graph_with_branches_gives_equal_outputs(keras: Any) -> None:
    layers = keras.layers
    start = keras.Input((12, 10, 2), name="picture")
    x = layers.Conv2D(4, 3, padding="same", kernel_regularizer="l2")(start)
    x = layers.BatchNormalization(epsilon=0.01)(x)
    x = layers.ReLU(max_value=6.0)(x)
    branch = layers.DepthwiseConv2D(3, padding="same")(x)
    branch = layers.LeakyReLU(negative_slope=0.2)(branch)
    x = layers.Add()([x, branch])
    x = layers.ZeroPadding2D(1)(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.AveragePooling2D((2, 1))(x)
    x = layers.Dropout(0.5)(x)
    x = layers.Flatten()(x)
    model = _with_random_weights(keras.Model(start, layers.Dense(3, activation="softmax")(x)))
    rebuilt = keras3.as_tf_keras(model, _samples(12, 10, 2))
    assert isinstance(rebuilt, tf_keras().Model)
    assert [layer.name for layer in rebuilt.layers] == [layer.name for layer in model.layers]
    samples = _samples(12, 10, 2)
    assert rebuilt.predict(samples, verbose=0) == pytest.approx(model.predict(samples, verbose=0), abs=1e-5)


def test_a_layer_used_twice(keras: Any) -> None:
    start = keras.Input((4,))
    shared = keras.layers.Dense(4, activation="relu", name="shared")
    model = _with_random_weights(keras.Model(start, shared(shared(start))))
    samples = _samples(4)
    rebuilt = keras3.as_tf_keras(model, samples)
    assert rebuilt.predict(samples, verbose=0) == pytest.approx(model.predict(samples, verbose=0), abs=1e-4)


def test_layers_that_are_written_otherwise_in_keras_3(keras: Any) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6, 3)),
            layers.ZeroPadding1D(1),
            layers.TimeDistributed(layers.Dense(4, kernel_regularizer="l2")),
            layers.LayerNormalization(),
            layers.PReLU(shared_axes=[1]),
            layers.Bidirectional(layers.LSTM(5, return_sequences=True)),
            layers.GRU(3, unroll=True),
            layers.ELU(),
        ]
    )
    _with_random_weights(model)
    samples = _samples(6, 3)
    rebuilt = keras3.as_tf_keras(model, samples)
    assert rebuilt.predict(samples, verbose=0) == pytest.approx(model.predict(samples, verbose=0), abs=1e-5)


def test_a_tf_keras_model_passes_untouched() -> None:
    model = tf_keras().Sequential([tf_keras().layers.Input((3,)), tf_keras().layers.Dense(1)])
    assert keras3.as_tf_keras(model, _samples(3)) is model


def test_a_layer_without_counterpart_is_named(keras: Any) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.RMSNormalization(name="modern")])
    with pytest.raises(UnsupportedError, match=r"Layer modern \(RMSNormalization\) cannot be rebuilt"):
        keras3.as_tf_keras(model, _samples(4))


def test_the_first_layer_that_computes_something_else_is_named(
    keras: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(4, name="one"),
            layers.Dense(4, name="two"),
            layers.Dense(2, name="three"),
        ]
    )
    copy = keras3._copy_weights

    def spoil(name: str, weights: list[Any], rebuilt: Any) -> None:
        copy(name, [2 * array for array in weights] if name == "two" else weights, rebuilt)

    monkeypatch.setattr(keras3, "_copy_weights", spoil)
    with pytest.raises(ModelError, match="Layer two: tf-keras computes something else"):
        keras3.as_tf_keras(model, _samples(4))


def test_a_layer_that_qat_cannot_treat_is_named() -> None:
    seed_everything(1)
    layers = tf_keras().layers
    model = tf_keras().Sequential(
        [layers.Input((8, 2)), layers.Conv1D(2, 3, name="old"), layers.Flatten(), layers.Dense(2)]
    )
    with pytest.raises(UnsupportedError, match=r"cannot treat this model: .*old.*Conv1D.*ptq-int8"):
        qat_int8.fake_quantized(model)


def test_a_users_keras_3_model_goes_all_the_way(
    keras: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTRIG_CACHE", str(tmp_path / "cache"))
    keras.utils.set_random_seed(3)
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((3,)), layers.Dense(8, activation="relu"), layers.Dense(2, activation="softmax")]
    )
    model.save(tmp_path / "net.keras")
    write_data(tmp_path / "data.npz", rows=200)
    workload = CustomWorkload(tmp_path / "net.keras", tmp_path / "data.npz")
    samples = workload.load_data().x_test
    expected = model.predict(samples, verbose=0)
    assert infer(variant(workload, "float32").tflite, samples) == pytest.approx(expected, abs=1e-5)
    assert infer(variant(workload, "qat-int8").tflite, samples) == pytest.approx(expected, abs=0.05)
