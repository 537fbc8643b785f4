# SPDX-License-Identifier: Apache-2.0
"""Random Keras models of every layer that the compiler has operations for, small, in several forms.

A model is drawn as a list of steps (hypothesis shrinks lists well); each step names an operation and draws
its options from its own seed. Where an operation cannot follow on a shape, the step does nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from harness.quantize.export import Form, export
from harness.workloads.runtime import tensorflow, tf_keras

Array = npt.NDArray[Any]

#: Keeps the arithmetic of a network to what a test can spend.
_MAX_ELEMENTS: Final = 1500


@dataclass(frozen=True, slots=True)
class Step:
    """One operation on the newest value, or on that and an older one."""

    kind: str
    seed: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """A random network: the input's shape without the batch, its steps, and what numbers it is made of."""

    shape: tuple[int, int, int]
    steps: tuple[Step, ...]
    form: Form


def _pair(rng: random.Random, low: int, high: int) -> tuple[int, int]:
    return rng.randint(low, high), rng.randint(low, high)


def _padding(rng: random.Random) -> str:
    return rng.choice(["same", "valid"])


def _activation(rng: random.Random) -> str:
    return rng.choice(["linear", "relu", "relu6", "sigmoid", "tanh"])


def _strides_or_dilation(rng: random.Random) -> dict[str, Any]:
    if rng.random() < 0.3:
        return {"dilation_rate": rng.randint(2, 3)}
    return {"strides": _pair(rng, 1, 2)}


def _conv_2d(rng: random.Random, x: Any) -> Any:
    return tf_keras().layers.Conv2D(
        rng.randint(1, 6), _pair(rng, 1, 3), padding=_padding(rng), activation=_activation(rng),
        use_bias=rng.random() < 0.8, **_strides_or_dilation(rng),
    )(x)  # fmt: skip


def _grouped(rng: random.Random, x: Any) -> Any:
    groups = rng.choice([n for n in (1, 2, 3, 4) if x.shape[-1] % n == 0])
    return tf_keras().layers.Conv2D(groups * rng.randint(1, 3), 2, groups=groups, padding="same")(x)


def _depthwise(rng: random.Random, x: Any) -> Any:
    stride = rng.randint(1, 2)
    return tf_keras().layers.DepthwiseConv2D(
        _pair(rng, 1, 3), strides=(stride, stride), depth_multiplier=rng.randint(1, 3), padding=_padding(rng),
        activation=_activation(rng),
    )(x)  # fmt: skip


def _transposed(rng: random.Random, x: Any) -> Any:
    return tf_keras().layers.Conv2DTranspose(
        rng.randint(1, 4), _pair(rng, 1, 3), strides=_pair(rng, 1, 2), padding=_padding(rng),
        activation=rng.choice(["linear", "relu"]),
    )(x)  # fmt: skip


def _dense(rng: random.Random, x: Any) -> Any:
    return tf_keras().layers.Dense(
        rng.randint(1, 8), activation=_activation(rng), use_bias=rng.random() < 0.8
    )(x)


def _pool(rng: random.Random, x: Any) -> Any:
    layers = tf_keras().layers
    kind = rng.choice([layers.MaxPooling2D, layers.AveragePooling2D])
    return kind(_pair(rng, 1, 3), strides=_pair(rng, 1, 2), padding=_padding(rng))(x)


def _global_pool(rng: random.Random, x: Any) -> Any:
    layers = tf_keras().layers
    kind = rng.choice([layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D])
    return kind(keepdims=True)(x)


def _border(rng: random.Random, x: Any) -> Any:
    layers = tf_keras().layers
    if rng.random() < 0.5 and min(x.shape[1:3]) > 2:
        return layers.Cropping2D((_pair(rng, 0, 1), _pair(rng, 0, 1)))(x)
    return layers.ZeroPadding2D((_pair(rng, 0, 2), _pair(rng, 0, 2)))(x)


def _pad(rng: random.Random, x: Any) -> Any:
    tf = tensorflow()
    widths = [[0, 0], list(_pair(rng, 0, 1)), list(_pair(rng, 0, 1)), list(_pair(rng, 0, 1))]
    mode = rng.choice(["CONSTANT", "REFLECT", "SYMMETRIC"])
    if mode == "REFLECT" and min(x.shape[1:]) < 2:
        mode = "SYMMETRIC"
    if mode == "CONSTANT":
        return tf.pad(x, widths, constant_values=round(rng.uniform(-1, 1), 2))
    return tf.pad(x, widths, mode=mode)


def _resize(rng: random.Random, x: Any) -> Any:
    tf, size = tensorflow(), _pair(rng, 1, 7)
    corners = rng.random() < 0.3
    centers = not corners and rng.random() < 0.5
    image = tf.compat.v1.image
    kind = rng.choice([image.resize_bilinear, image.resize_nearest_neighbor])
    return kind(x, size, align_corners=corners, half_pixel_centers=centers)


def _one_value(rng: random.Random, x: Any) -> Any:
    tf, layers = tensorflow(), tf_keras().layers
    functions: tuple[Callable[[Any], Any], ...] = (
        tf.nn.relu,
        tf.nn.relu6,
        tf.abs,
        tf.sigmoid,
        tf.tanh,
        lambda v: v * tf.nn.relu6(v + 3.0) / 6.0,
        lambda v: tf.math.rsqrt(tf.abs(v) + 0.5),
        lambda v: v * tf.sigmoid(v),
        layers.LeakyReLU(rng.choice([0.1, 0.3])),
        layers.PReLU(shared_axes=[1, 2], alpha_initializer="uniform"),
        layers.BatchNormalization(moving_mean_initializer="uniform", gamma_initializer="uniform"),
    )
    return rng.choice(functions)(x)


def _softmax(rng: random.Random, x: Any) -> Any:
    return tf_keras().layers.Softmax(axis=rng.choice([-1, -1, 1]))(x)


def _normalized(rng: random.Random, x: Any) -> Any:
    return tensorflow().math.l2_normalize(x, axis=-1)


def _reduced(rng: random.Random, x: Any) -> Any:
    tf = tensorflow()
    axes = sorted(rng.sample([1, 2, 3], rng.randint(1, 2)))
    if rng.random() < 0.3:
        return _bounded(tf.reduce_sum(x, axes, keepdims=True))
    return rng.choice([tf.reduce_mean, tf.reduce_max])(x, axes, keepdims=True)


def _turned(rng: random.Random, x: Any) -> Any:
    return tensorflow().transpose(x, [0, *rng.sample([1, 2, 3], 3)])


def _reshaped(rng: random.Random, x: Any) -> Any:
    return tensorflow().reshape(x, [1, *rng.sample([int(size) for size in x.shape[1:]], 3)])


def _strided(rng: random.Random, x: Any) -> Any:
    if rng.random() < 0.5:
        return x[:, :: rng.choice([1, 2]), :: rng.choice([1, 2, -1])]
    begins = [rng.randint(0, int(size) - 1) for size in x.shape[1:]]
    sizes = [int(size) - begin for size, begin in zip(x.shape[1:], begins, strict=True)]
    return tensorflow().slice(x, [0, *begins], [1, *sizes])


def _gathered(rng: random.Random, x: Any) -> Any:
    chosen = [rng.randrange(int(x.shape[3])) for _ in range(rng.randint(1, 4))]
    return tensorflow().gather(x, chosen, axis=3)


def _taken_apart(rng: random.Random, x: Any) -> Any:
    tf, axis = tensorflow(), rng.choice([1, 2, 3])
    if x.shape[3] % 2 == 0 and rng.random() < 0.5:
        return tf.concat(tf.split(x, 2, axis=3)[::-1], axis=axis)
    return tf.stack(tf.unstack(x, axis=3)[::-1], axis=axis)


def _bounded(x: Any) -> Any:
    """Products of products outgrow what any quantized network has: the reference gives up there."""
    tf = tensorflow()
    return tf.minimum(tf.maximum(x, -6.0), 6.0)


def _joined(rng: random.Random, x: Any, other: Any) -> Any:
    tf = tensorflow()
    if x.shape[1:3] == other.shape[1:3] and rng.random() < 0.4:
        return tf.concat([x, other], axis=-1)
    if rng.random() < 0.3:
        return _bounded(rng.choice((tf.multiply, tf.math.squared_difference))(x, other))
    return rng.choice((tf.add, tf.subtract, tf.maximum, tf.minimum))(x, other)


def _with_constant(rng: random.Random, x: Any) -> Any:
    tf = tensorflow()
    values = np.random.default_rng(rng.randrange(1000)).normal(size=rng.choice([(1,), (int(x.shape[3]),)]))
    function = rng.choice((tf.add, tf.subtract, tf.multiply, tf.maximum, tf.minimum))
    return function(x, values.astype(np.float32))


def _matmul(rng: random.Random, x: Any) -> Any:
    tf = tensorflow()
    adjoint = rng.random() < 0.5
    return _bounded(tf.matmul(x, x, transpose_b=adjoint, transpose_a=not adjoint))


def _along_time(rng: random.Random, x: Any) -> Any:
    """Rows become time steps."""
    layers, channels = tf_keras().layers, int(x.shape[3])
    sequence = layers.Reshape((int(x.shape[1]), int(x.shape[2]) * channels))(x)
    units = rng.randint(1, 4)
    if rng.random() < 0.5:
        made = layers.LSTM(units, return_sequences=True)(sequence)
    else:
        made = layers.Conv1D(units, rng.randint(1, 3), padding=rng.choice(["same", "causal"]))(sequence)
    return layers.Reshape((int(x.shape[1]), 1, units))(made)


_UNARY: Final[dict[str, Callable[[random.Random, Any], Any]]] = {
    "conv_2d": _conv_2d,
    "grouped": _grouped,
    "depthwise": _depthwise,
    "transposed": _transposed,
    "dense": _dense,
    "pool": _pool,
    "global_pool": _global_pool,
    "border": _border,
    "pad": _pad,
    "resize": _resize,
    "one_value": _one_value,
    "softmax": _softmax,
    "normalized": _normalized,
    "reduced": _reduced,
    "turned": _turned,
    "reshaped": _reshaped,
    "strided": _strided,
    "gathered": _gathered,
    "taken_apart": _taken_apart,
    "with_constant": _with_constant,
    "matmul": _matmul,
    "along_time": _along_time,
}
KINDS: Final = (*_UNARY, "joined", "joined")
#: Forms whose ranges are set by samples.
_CALIBRATED: Final = (Form.INT8, Form.INT16X8)


def drawn(form: Form) -> st.SearchStrategy[Drawn]:
    """Networks of up to eight steps on images of 2x2x1 to 8x8x4."""
    steps = st.builds(Step, st.sampled_from(KINDS), st.integers(0, 2**16))
    shapes = st.tuples(st.integers(2, 8), st.integers(2, 8), st.integers(1, 4))
    lists = st.lists(steps, min_size=1, max_size=8).map(tuple)
    return st.builds(Drawn, shapes, lists, st.just(form))


def keras_model(network: Drawn) -> Any:
    """The tf-keras model; its weights follow from the network."""
    keras = tf_keras()
    keras.utils.set_random_seed(sum(step.seed for step in network.steps) % 2**31)
    start = keras.Input(network.shape, batch_size=1)
    values: list[Any] = [start]
    for step in network.steps:
        made = _applied(step, values)
        if made is not None and 0 < int(np.prod(made.shape)) <= _MAX_ELEMENTS:
            values.append(made)
    end = values[-1] if len(values) > 1 else keras.layers.ReLU()(start)
    if network.form is Form.DYNAMIC_INT8:
        end = _many_weights(end)
    return keras.Model(start, end)


def _many_weights(x: Any) -> Any:
    """Layers large enough for int8 weights: the converter leaves fewer than 1024 in float32."""
    layers = tf_keras().layers
    wide = layers.Conv2D(36, 1)(layers.Conv2D(32, 1, activation="relu")(x))
    return layers.Dense(32)(layers.GlobalAveragePooling2D()(wide))


def _applied(step: Step, values: Sequence[Any]) -> Any:
    """What the step makes of the values so far; None where it fits none of them."""
    rng, x = random.Random(step.seed), values[-1]
    try:
        if step.kind == "joined":
            # not with itself: what is zero everywhere gets a scale that the reference cannot take
            partners = [v for v in values[:-1] if _broadcasts(v.shape, x.shape)]
            return _joined(rng, x, rng.choice(partners)) if partners else None
        return _UNARY[step.kind](rng, x)
    except ValueError:  # what Keras and TensorFlow raise where a shape does not fit
        return None


def _broadcasts(a: Sequence[int], b: Sequence[int]) -> bool:
    return all(m in (n, 1) or n == 1 for m, n in zip(a, b, strict=True))


def samples(network: Drawn, count: int) -> npt.NDArray[np.float32]:
    """Inputs for calibration and comparison: shape (count, height, width, channels)."""
    rng = np.random.default_rng(sum(step.seed for step in network.steps) + 1)
    return rng.normal(size=(count, *network.shape)).astype(np.float32)


def converted(network: Drawn) -> bytes:
    """The .tflite of the network's form, as the variants make it."""
    calibration = samples(network, 8) if network.form in _CALIBRATED else None
    return export(keras_model(network), network.form, sample_shape=network.shape, calibration=calibration)
