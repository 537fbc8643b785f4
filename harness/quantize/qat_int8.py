# SPDX-License-Identifier: Apache-2.0
"""Quantization-aware training: the trained model goes on training with fake int8 in its way.

It learns to give the outputs of the float model, not the labels (self-distillation): that needs no
knowledge of how the model was trained, serves a user's model as well, and keeps the two variants'
decisions together instead of letting the second training wander off to another optimum.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.errors import QuantizeError, UnsupportedError
from harness.quantize.export import Form, export
from harness.quantize.variant import Variant
from harness.workloads import DataSet
from harness.workloads.dataset import FloatArray
from harness.workloads.runtime import seed_everything, tensorflow, tf_keras

NAME = "qat-int8"
TITLE = "int8, quantization-aware training"
OPTIONS: frozenset[str] = frozenset()

ROUNDS = 12
STEPS_PER_ROUND = 250
BATCH = 64
LEARNING_RATE = 5e-4
VALIDATION_SHARE = 0.15
#: The library's moving averages of the activations' ranges (decay 0.999) start at -6 and 6, whatever the
#: model; after so many steps a thousandth of that is left.
SETTLING_STEPS = 7000
#: Training inputs move up to this share of the way towards another one: more points, the same region.
MIXING = 0.3


def convert(model: Any, data: DataSet, *, options: Mapping[str, str], seed: int) -> Variant:
    """See `Recipe`; has no options."""
    seed_everything(seed)
    student = fake_quantized(model)
    settle_ranges(student, data.x_train, seed=seed)
    distil(model, student, data.x_train, seed=seed)
    tflite = export(student, Form.INT8, sample_shape=data.sample_shape)
    return Variant(name=NAME, options="", tflite=tflite)


def fake_quantized(model: Any) -> Any:
    """A copy of `model` that quantizes its weights and activations on the way.

    Raises:
        UnsupportedError: the library cannot treat a layer.
    """
    import tensorflow_model_optimization as tfmot

    try:
        return tfmot.quantization.keras.quantize_model(model)
    except (RuntimeError, ValueError, NotImplementedError) as error:
        raise UnsupportedError(
            f"Quantization-aware training cannot treat this model: {_first_sentence(error)}.",
            cause="tensorflow-model-optimization lacks a scheme for it.",
            fix="Replace that layer, or use the variant ptq-int8.",
        ) from error


def _first_sentence(error: Exception) -> str:
    return " ".join(str(error).split())[:300].split(". ")[0].rstrip(".")


def settle_ranges(student: Any, inputs: FloatArray, *, seed: int) -> None:
    """Let `student` see training data, without learning, until it knows the ranges of its activations."""
    tf = tensorflow()
    rows = tf.constant(np.random.default_rng(seed).integers(len(inputs), size=(SETTLING_STEPS, BATCH)))
    samples = tf.constant(inputs)

    def observe() -> None:
        for step in tf.range(SETTLING_STEPS):
            student(tf.gather(samples, rows[step]), training=True)

    tf.function(observe)()


def distil(teacher: Any, student: Any, inputs: FloatArray, *, seed: int) -> None:
    """Train `student` in place until its outputs are `teacher`'s; keeps the state that validates best.

    Raises:
        QuantizeError: the outputs are not finite.
    """
    keras = tf_keras()
    rng = np.random.default_rng(seed)
    held_out = max(1, int(VALIDATION_SHARE * len(inputs)))
    training, validation = inputs[:-held_out], inputs[-held_out:]
    wanted = teacher.predict(validation, verbose=0)
    if not np.isfinite(wanted).all():
        raise QuantizeError(
            "The float model's outputs are not finite.", fix="Check the model and its inputs."
        )
    schedule = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, ROUNDS * STEPS_PER_ROUND)
    student.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss="kl_divergence" if are_probabilities(wanted) else "mse",
    )
    best, best_loss = student.get_weights(), student.evaluate(validation, wanted, batch_size=1024, verbose=0)
    for _ in range(ROUNDS):
        x = mixed(training, STEPS_PER_ROUND * BATCH, rng)
        student.fit(x, teacher.predict(x, batch_size=1024, verbose=0), batch_size=BATCH, verbose=0)
        loss = student.evaluate(validation, wanted, batch_size=1024, verbose=0)
        if loss < best_loss:
            best, best_loss = student.get_weights(), loss
    student.set_weights(best)


def are_probabilities(outputs: FloatArray) -> bool:
    """Whether each row is a distribution over two classes or more."""
    return bool(outputs.ndim == 2 and outputs.shape[1] > 1 and np.allclose(outputs.sum(axis=1), 1, atol=1e-3))


def mixed(inputs: FloatArray, count: int, rng: np.random.Generator) -> FloatArray:
    """`count` inputs, each on the way from a random row to another one, nearer to the first."""
    first, second = inputs[rng.integers(len(inputs), size=(2, count))]
    share = rng.uniform(0.0, MIXING, (count,) + (1,) * (inputs.ndim - 1)).astype(np.float32)
    between: FloatArray = first + share * (second - first)
    return between
