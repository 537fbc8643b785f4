# SPDX-License-Identifier: Apache-2.0
"""tf-keras model to .tflite, with a batch of one, and a check that the file is what was asked for."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from harness.errors import QuantizeError, UnsupportedError
from harness.workloads.dataset import FloatArray
from harness.workloads.runtime import tensorflow

#: Keras layers that walk along time.
_RECURRENT: Final = ("LSTM", "GRU", "SimpleRNN", "RNN", "LSTMCell", "GRUCell", "SimpleRNNCell")


class Form(enum.Enum):
    """What numbers a .tflite is made of; the value is the type of its input and output."""

    FLOAT32 = "FLOAT32"
    FLOAT16 = "float32 ends, weights of float16"
    DYNAMIC_INT8 = "float32 ends, weights of int8"
    INT8 = "INT8"
    INT16X8 = "INT16"

    @property
    def ends(self) -> str:
        """Type of the file's input and output, as TensorFlow Lite names it."""
        return self.value if self in (Form.INT8, Form.INT16X8) else "FLOAT32"


def export(
    model: Any, form: Form, *, sample_shape: Sequence[int], calibration: FloatArray | None = None
) -> bytes:
    """The .tflite of `model`; of an integer form its inputs and outputs are integers, too.

    Where TensorFlow Lite has no integer form of an operation, it may compute in float32 between the others.

    Args:
        sample_shape: of one input; it also decides the sizes that the model leaves open.
        calibration: inputs (samples, ...) that set the activations' ranges; None where fake quantization
            already does.

    Raises:
        UnsupportedError: TensorFlow Lite has no form of an operation that can be used here.
        QuantizeError: the converter failed otherwise, or made something else.
    """
    converter = _converter(model, (1, *sample_shape), form)
    _configure(converter, form, calibration)
    try:
        content = bytes(converter.convert())
    except Exception as error:  # the converter raises its own and bare exceptions alike
        raise _conversion_error(error) from error
    _check(content, form)
    return content


def _converter(model: Any, shape: tuple[int, ...], form: Form) -> Any:
    tf = tensorflow()
    recurrent = [layer for layer in model._flatten_layers() if type(layer).__name__ in _RECURRENT]
    for layer in recurrent:
        _refuse_loop(layer)
        if form is Form.FLOAT16 and type(layer).__name__ == "LSTM" and not layer.unroll:
            raise UnsupportedError(
                f"Layer {layer.name}: TensorFlow's converter cannot make float16 of an LSTM.",
                cause="It would round the state as well, and overwrite it at each inference.",
                fix="Use another variant, or build the layer with unroll=True.",
            )
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    spec = tf.TensorSpec(shape, tf.float32, name="input")
    # A function with the batch fixed: the converter then folds every shape computation away.
    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(spec)
    if recurrent:
        # Not frozen: in a frozen graph the converter does not find the LSTM.
        return tf.lite.TFLiteConverter.from_concrete_functions([function], model)
    # Frozen first: only among a graph's own nodes does the converter look for fake quantization.
    return tf.lite.TFLiteConverter.from_concrete_functions([convert_variables_to_constants_v2(function)])


def _refuse_loop(layer: Any) -> None:
    """Raise where the converter would make a loop (WHILE), which no microcontroller engine runs.

    With int8 its calibration even crashes on one.
    """
    kind, config = type(layer).__name__, layer.get_config()
    if kind.endswith("Cell") or config.get("unroll"):
        return
    plain = {"activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True, "stateful": False}
    wrong = [f"{key}={config[key]!r}" for key, value in plain.items() if config.get(key, value) != value]
    if kind == "LSTM" and not wrong and not config.get("recurrent_dropout"):
        return
    cause = f" with {', '.join(wrong)}" if kind == "LSTM" and wrong else ""
    raise UnsupportedError(
        f"Layer {layer.name}: TensorFlow Lite makes a loop of a {kind}{cause}.",
        cause="Only an LSTM with the default activations, with biases and not stateful is one operation.",
        fix="Use such an LSTM, or build the layer with unroll=True.",
    )


def _configure(converter: Any, form: Form, calibration: FloatArray | None) -> None:
    tf = tensorflow()
    if form is Form.FLOAT32:
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if form is Form.FLOAT16:
        converter.target_spec.supported_types = [tf.float16]
    if form in (Form.INT8, Form.INT16X8):
        dtype = tf.int8 if form is Form.INT8 else tf.int16
        converter.inference_input_type = converter.inference_output_type = dtype
    if calibration is not None:
        # Not for fake quantization: the converter then asks for samples all the same.
        sets = tf.lite.OpsSet
        wide = sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [
            wide if form is Form.INT16X8 else sets.TFLITE_BUILTINS_INT8,
        ]
        converter.representative_dataset = lambda: ([sample[np.newaxis]] for sample in calibration)


def _conversion_error(error: Exception) -> Exception:
    text = str(error)
    lacking = re.findall(r"Quantization to 16x8-bit not yet supported for op: '([A-Z0-9_]+)'", text)
    if lacking:
        return UnsupportedError(
            f"TensorFlow Lite's converter has no int16 form of {', '.join(dict.fromkeys(lacking))}.",
            fix="Use ptq-int8 or float32, or other layers.",
        )
    missing = re.findall(r"(?:tf|tfl)\.[A-Za-z0-9_]+", text)
    if "neither a custom op nor a flex op" in text or "not supported" in text.lower():
        named = f": {missing[0]}" if missing else ""
        return UnsupportedError(
            f"TensorFlow Lite has no operation for a part of the model{named}.",
            fix="Use layers that TensorFlow Lite's built-in operations cover.",
        )
    first = (text.strip().splitlines() or [type(error).__name__])[0][:300]
    return QuantizeError(f"TensorFlow's converter failed: {first}.")


def _check(content: bytes, form: Form) -> None:
    import tflite

    model = tflite.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    wanted = getattr(tflite.TensorType, form.ends)
    for end, tensors in {"input": graph.InputsAsNumpy(), "output": graph.OutputsAsNumpy()}.items():
        if len(tensors) != 1 or model.SubgraphsLength() != 1:
            raise QuantizeError(
                f"The converter made a model with {len(tensors)} {end}s.", fix="Give a model with one."
            )
        tensor = graph.Tensors(int(tensors[0]))
        if tensor.Type() != wanted or tensor.ShapeAsNumpy()[0] != 1:
            raise QuantizeError(f"The converter made an {end} that is not {form.ends} with a batch of one.")
