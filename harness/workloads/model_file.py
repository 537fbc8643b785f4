# SPDX-License-Identifier: Apache-2.0
"""Reads a user's .keras or .h5 model without running anything that the file brings along.

A Keras file can name any Python function, or carry the bytecode of a Lambda layer. So the architecture
is read first, as plain JSON, and only a file made of the layers named here reaches Keras's own loader.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import ModelError, UnsupportedError
from harness.workloads.runtime import tensorflow, tf_keras

_MODELS = frozenset({"Sequential", "Functional", "Model"})
_LAYERS = frozenset(
    {
        "Activation",
        "ActivityRegularization",
        "Add",
        "AlphaDropout",
        "Attention",
        "Average",
        "AveragePooling1D",
        "AveragePooling2D",
        "BatchNormalization",
        "Bidirectional",
        "Concatenate",
        "Conv1D",
        "Conv1DTranspose",
        "Conv2D",
        "Conv2DTranspose",
        "Cropping1D",
        "Cropping2D",
        "Dense",
        "DepthwiseConv1D",
        "DepthwiseConv2D",
        "Dot",
        "Dropout",
        "ELU",
        "Flatten",
        "GRU",
        "GaussianDropout",
        "GaussianNoise",
        "GlobalAveragePooling1D",
        "GlobalAveragePooling2D",
        "GlobalMaxPooling1D",
        "GlobalMaxPooling2D",
        "InputLayer",
        "LSTM",
        "LayerNormalization",
        "LeakyReLU",
        "MaxPooling1D",
        "MaxPooling2D",
        "Maximum",
        "Minimum",
        "Multiply",
        "Normalization",
        "PReLU",
        "Permute",
        "ReLU",
        "RepeatVector",
        "Rescaling",
        "Reshape",
        "SeparableConv1D",
        "SeparableConv2D",
        "SimpleRNN",
        "Softmax",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "Subtract",
        "TimeDistributed",
        "UnitNormalization",
        "UpSampling1D",
        "UpSampling2D",
        "ZeroPadding1D",
        "ZeroPadding2D",
    }
)
_PART_MODULES = ("keras.initializers", "keras.regularizers", "keras.constraints", "keras.dtype_policies")
_DATA = frozenset({"__tuple__", "__keras_tensor__", "TensorShape", "DTypePolicy", "Policy"})
_MAX_CONFIG_BYTES = 64 * 2**20
_PATCH_UP = "Save it again with model.save('model.keras')."


def load_model(path: Path) -> Any:
    """The model, uncompiled: a tf-keras one, or a Keras 3 one if Keras 3 saved it.

    Raises:
        ModelError: the file cannot be read as a Keras model.
        UnsupportedError: it has a layer that is not one of the plain ones above; the message names it.
    """
    config, version = _read_architecture(path)
    check_layers(config, path)
    if version.startswith("3"):
        tensorflow()
        import keras as library
    else:
        library = tf_keras()
    try:
        return library.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras's loaders raise whatever the broken part happens to raise
        raise ModelError(
            f"{path}: Keras {version} cannot load it ({_first_line(error)}).", fix=_PATCH_UP
        ) from error


def check_layers(config: Any, path: Path) -> None:
    """Look through a model's configuration, as its file or `get_config()` gives it.

    Raises:
        UnsupportedError: it has a layer, or a part of one, that is not plain; the message names it.
        ModelError: it is nested deeper than any model.
    """
    try:
        _check(config, path, layer="")
    except RecursionError as error:
        raise ModelError(f"{path}: not a Keras model (its configuration has no end).") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")


def _read_architecture(path: Path) -> tuple[Any, str]:
    """The model's configuration as plain JSON values, and the version of the Keras that wrote it."""
    try:
        return _read_h5(path) if path.suffix == ".h5" else _read_zip(path)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such file.") from error
    except Exception as error:  # zipfile, h5py and json have many words for damage
        raise ModelError(
            f"{path}: not a Keras model ({_first_line(error)}).",
            cause="Files of weights alone, SavedModel folders and other formats are not read.",
            fix=_PATCH_UP,
        ) from error


def _read_zip(path: Path) -> tuple[Any, str]:
    with zipfile.ZipFile(path) as archive:
        version = json.loads(_member(archive, "metadata.json"))["keras_version"]
        return json.loads(_member(archive, "config.json")), str(version)


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """A few bytes may unpack to gigabytes, so that its size is looked at first."""
    size = archive.getinfo(name).file_size
    if size > _MAX_CONFIG_BYTES:
        raise ValueError(f"{name} has {size:,} bytes")
    return archive.read(name)


def _read_h5(path: Path) -> tuple[Any, str]:
    import h5py  # type: ignore[import-untyped]

    with h5py.File(path, "r") as file:
        return json.loads(file.attrs["model_config"]), str(file.attrs["keras_version"])


def _check(value: Any, path: Path, *, layer: str) -> None:
    """Refuse every object that is not a plain layer or a part of one; `layer` encloses `value`."""
    if isinstance(value, list | tuple):
        for item in value:
            _check(item, path, layer=layer)
    if not isinstance(value, dict):
        return
    kind = value.get("class_name")
    if kind is not None:
        config = value.get("config")
        if kind in _LAYERS and isinstance(config, dict):
            layer = str(config.get("name", layer))
        if not _is_plain(str(kind), value.get("module")):
            name = str(config.get("name", layer)) if isinstance(config, dict) else layer
            raise UnsupportedError(
                f"{path}: layer {name or '(unnamed)'} is or uses {kind}, which is not read.",
                cause="A model file may not bring code of its own, and only plain layers can be quantized.",
                fix="Use the layers that docs/WORKLOADS.md lists,"
                " or convert it yourself and give the .tflite.",
            )
    for item in _below(value):
        _check(item, path, layer=layer)


def _is_plain(kind: str, module: object) -> bool:
    if kind in _DATA:
        return True
    at_home = module is None or str(module).split(".")[0] in ("keras", "tf_keras")
    if kind in _LAYERS or kind in _MODELS:
        return at_home
    return module in _PART_MODULES


def _below(value: dict[str, Any]) -> Iterator[Any]:
    """What the loader will turn into objects: everything but how the model was trained."""
    return (item for key, item in value.items() if key != "compile_config")
