# SPDX-License-Identifier: Apache-2.0
"""Rebuilds a Keras 3 model in tf-keras, layer by layer, and proves that it computes the same.

The quantization library works on tf-keras only. The rebuild goes through each layer's configuration;
what only training needs (initializers, regularizers) is left behind, weights are copied.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.errors import ModelError, UnsupportedError
from harness.workloads.dataset import FloatArray
from harness.workloads.runtime import tf_keras

#: Float additions may be ordered differently in the two libraries, nothing more.
TOLERANCE = 1e-5
COMPARED_SAMPLES = 64

_TRAINING_ONLY = ("_initializer", "_regularizer", "_constraint")
_KERAS_3_ONLY = frozenset(
    {"dtype", "trainable", "quantization_config", "build_config", "lora_rank", "lora_alpha"}
)


def as_tf_keras(model: Any, samples: FloatArray) -> Any:
    """`model` itself if it is tf-keras, else its equal in tf-keras.

    Raises:
        UnsupportedError: a layer has no counterpart; the message names it.
        ModelError: the outputs on `samples` differ; the message names the first layer that does.
    """
    if isinstance(model, tf_keras().Model):
        return model
    rebuilt = rebuild(model)
    _compare(model, rebuilt, samples[:COMPARED_SAMPLES])
    return rebuilt


def rebuild(model: Any) -> Any:
    """The tf-keras model with the layers and weights of a Keras 3 Sequential or Functional one.

    Raises:
        UnsupportedError: a layer has no counterpart.
    """
    keras = tf_keras()
    config = model.get_config()
    kind = type(model).__name__
    if kind not in ("Sequential", "Functional"):
        raise UnsupportedError(
            f"The Keras model is a {kind}.", fix="Build it as Sequential or Functional model."
        )
    start = keras.Input(tuple(model.inputs[0].shape[1:]), name=_input_name(config))
    end = _chain(config, start) if kind == "Sequential" else _graph(config, start)
    rebuilt = keras.Model(start, end, name=model.name)
    for layer in model.layers:
        weights = layer.get_weights()
        if weights:
            _copy_weights(layer.name, weights, rebuilt)
    return rebuilt


def _copy_weights(name: str, weights: list[Any], rebuilt: Any) -> None:
    try:
        rebuilt.get_layer(name).set_weights(weights)
    except ValueError as error:
        raise UnsupportedError(
            f"Layer {name}: its weights do not fit the tf-keras layer ({error})."
        ) from error


def _input_name(config: dict[str, Any]) -> str:
    for layer in config["layers"]:
        if layer["class_name"] == "InputLayer":
            return str(layer["config"]["name"])
    return "input"


def _chain(config: dict[str, Any], start: Any) -> Any:
    value = start
    for item in config["layers"]:
        if item["class_name"] != "InputLayer":
            value = _apply(_layer(item), [value], item["config"]["name"])
    return value


def _graph(config: dict[str, Any], start: Any) -> Any:
    """Follow `inbound_nodes`; Keras lists layers in the order in which they can be computed."""
    values: dict[tuple[str, int], Any] = {(_input_name(config), 0): start}
    for item in config["layers"]:
        if item["class_name"] == "InputLayer":
            continue
        name = item["config"]["name"]
        layer = _layer(item)
        for number, node in enumerate(item["inbound_nodes"]):
            sources = [values[source] for source in _sources(node["args"])]
            values[name, number] = _apply(layer, sources, name)
    return values[next(iter(_sources([config["output_layers"]])), ("", 0))]


def _sources(arguments: Any) -> list[tuple[str, int]]:
    """The (layer, node) pairs that a node's arguments, or the model's outputs, refer to."""
    found: list[tuple[str, int]] = []
    if isinstance(arguments, dict) and arguments.get("class_name") == "__keras_tensor__":
        name, node, _ = arguments["config"]["keras_history"]
        found.append((name, node))
    elif isinstance(arguments, list | tuple):
        if len(arguments) == 3 and isinstance(arguments[0], str):
            found.append((arguments[0], arguments[1]))
        else:
            for item in arguments:
                found.extend(_sources(item))
    return found


def _apply(layer: Any, sources: list[Any], name: str) -> Any:
    try:
        return layer(sources[0] if len(sources) == 1 else sources)
    except (TypeError, ValueError) as error:
        raise _no_counterpart(name, type(layer).__name__, error) from error


def _layer(item: dict[str, Any]) -> Any:
    """The tf-keras layer for one entry of a Keras 3 configuration."""
    kind, name = item["class_name"], item["config"]["name"]
    config = _config(kind, item["config"])
    try:
        return getattr(tf_keras().layers, kind).from_config(config)
    except (AttributeError, TypeError, ValueError) as error:
        raise _no_counterpart(name, kind, error) from error


def _config(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """A Keras 3 layer's configuration as tf-keras wants it."""
    config = {
        key: value
        for key, value in given.items()
        if key not in _KERAS_3_ONLY and not key.endswith(_TRAINING_ONLY)
    }
    if kind == "LeakyReLU":
        config["alpha"] = config.pop("negative_slope")
    if kind == "LayerNormalization" and config.get("rms_scaling") is False:
        del config["rms_scaling"]
    if kind == "ZeroPadding1D":
        config.pop("data_format", None)
    if isinstance(config.get("axis"), list) and len(config["axis"]) == 1:
        config["axis"] = config["axis"][0]
    for key in ("layer", "backward_layer"):
        if isinstance(inner := config.get(key), dict):
            name = inner["class_name"]
            config[key] = {"class_name": name, "config": _config(name, inner["config"])}
    return config


def _no_counterpart(name: str, kind: str, error: Exception) -> UnsupportedError:
    reason = (str(error).strip().splitlines() or [""])[0][:200]
    return UnsupportedError(
        f"Layer {name} ({kind}) cannot be rebuilt in tf-keras: {reason}.",
        cause="Quantization works on tf-keras models only.",
        fix="Replace the layer, or build and save the model with tf-keras.",
    )


def _compare(model: Any, rebuilt: Any, samples: FloatArray) -> None:
    expected, got = model.predict(samples, verbose=0), rebuilt.predict(samples, verbose=0)
    if _equal(expected, got):
        return
    raise ModelError(
        f"Layer {_first_difference(model, rebuilt, samples)}: tf-keras computes something else than Keras 3"
        f" (the outputs differ by up to {np.abs(expected - got).max():.3g}).",
        fix="Replace the layer, or build and save the model with tf-keras.",
    )


def _equal(expected: FloatArray, got: FloatArray) -> bool:
    limit = TOLERANCE * max(1.0, float(np.abs(expected).max()))
    return expected.shape == got.shape and bool(np.abs(expected - got).max() <= limit)


def _first_difference(model: Any, rebuilt: Any, samples: FloatArray) -> str:
    import keras

    for layer in model.layers:
        ours = keras.Model(model.inputs, layer.output)
        theirs = tf_keras().Model(rebuilt.inputs, rebuilt.get_layer(layer.name).output)
        if not _equal(ours.predict(samples, verbose=0), theirs.predict(samples, verbose=0)):
            return str(layer.name)
    return str(model.layers[-1].name)
