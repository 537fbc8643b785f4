# SPDX-License-Identifier: Apache-2.0
"""The oracle: what a model must output, by an interpreter that shares no code with our kernels.

TensorFlow Lite Micro on the host (PyPI `tflite-micro`) wherever that wheel exists; elsewhere TFLite's
reference kernels, whose int8 FULLY_CONNECTED rounds once instead of twice and may differ by 2 LSB.
The row names the oracle that was used.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness import children
from harness.errors import ModelError, OracleError
from harness.graph import read_tflite

#: Room for the interpreter's tensors and its own tables; host memory is no concern.
_TFLM_ARENA_BYTES: Final = 16 << 20

Array = npt.NDArray[Any]

_MODEL: Final = "model.tflite"
_INPUTS: Final = "inputs.npz"
_OUTPUTS: Final = "outputs.npz"
_REFUSED: Final = "refused.txt"
_TIMEOUT_S: Final = 600.0


class _RefusedError(Exception):
    """The interpreter says why it does not take a model."""


def oracle_name() -> str:
    """Name and version of the interpreter that `expected_outputs` uses on this machine."""
    if importlib.util.find_spec("tflite_micro"):
        return f"tflm {version('tflite-micro')}"
    return f"tflite-reference {version('tensorflow')}"


@functools.lru_cache(maxsize=8)
def _answers(model: bytes, inputs: bytes) -> dict[str, Array]:
    """Outputs by an interpreter in a child process; both arguments and the result are files' contents."""
    with tempfile.TemporaryDirectory(prefix="quantrig-oracle-") as scratch:
        folder = Path(scratch)
        (folder / _MODEL).write_bytes(model)
        (folder / _INPUTS).write_bytes(inputs)
        done = children.run(
            [sys.executable, "-m", "harness.reference", folder],
            timeout_s=_TIMEOUT_S,
            env=children.package_environment(),
        )
        if done.returncode == 0:
            with np.load(folder / _OUTPUTS, allow_pickle=False) as arrays:
                return dict(arrays)
        refused = folder / _REFUSED
        if refused.exists():
            raise ModelError(
                f"{oracle_name()} refuses the model: {refused.read_text(encoding='utf-8')}",
                cause="It lacks an operation, or a form of one (hybrid models, for example).",
            )
    raise OracleError(
        f"{oracle_name()} {'took too long' if done.timed_out else f'ended with code {done.returncode}'}.",
        cause=f"It does not survive this model ({(done.output.strip().splitlines() or ['no message'])[-1]}).",
        fix="Without an oracle no number of this model can be trusted; please report it with the .tflite.",
    )


def expected_outputs(model: bytes, inputs: Sequence[Array]) -> list[Array]:
    """Outputs for every sample.

    The interpreter runs in a process of its own: it aborts on some models that we compile.

    Args:
        model: a .tflite file.
        inputs: one array per input tensor, shape (samples, ...) in the tensor's own dtype.

    Returns:
        One array per output tensor, shape (samples, elements), in the tensor's own dtype.

    Raises:
        ModelError: the interpreter refuses the model.
        OracleError: it crashes on it.
    """
    content = io.BytesIO()
    np.savez(content, *inputs)
    outputs = _answers(model, content.getvalue())
    return [outputs[f"arr_{i}"].copy() for i in range(len(outputs))]


def interpret(model: bytes, inputs: Sequence[Array]) -> list[Array]:
    """The same in this process."""
    infer = _tflm(model) if importlib.util.find_spec("tflite_micro") else _tflite_reference(model)
    samples = [infer(list(sample)) for sample in zip(*inputs, strict=True)]
    return [np.stack(column) for column in zip(*samples, strict=True)]


def _tflm(model: bytes) -> Callable[[Sequence[Array]], list[Array]]:
    from tflite_micro import runtime

    try:
        interpreter = runtime.Interpreter.from_bytes(model, arena_size=_TFLM_ARENA_BYTES)
    except (RuntimeError, ValueError) as error:
        raise _RefusedError(str(error)) from error
    graph = read_tflite(model, name="model")

    def infer(sample: Sequence[Array]) -> list[Array]:
        for i, (value, tensor) in enumerate(zip(sample, graph.input_tensors(), strict=True)):
            interpreter.set_input(value.reshape(tensor.shape), i)
        interpreter.invoke()
        return [np.array(interpreter.get_output(i)).reshape(-1) for i in range(len(graph.outputs))]

    return infer


def _tflite_reference(model: bytes) -> Callable[[Sequence[Array]], list[Array]]:
    from tensorflow import lite

    resolver = lite.experimental.OpResolverType.BUILTIN_REF
    try:
        interpreter = lite.Interpreter(
            model_content=model, experimental_op_resolver_type=resolver, num_threads=1
        )
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise _RefusedError(str(error)) from error
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()

    def infer(sample: Sequence[Array]) -> list[Array]:
        for value, details in zip(sample, inputs, strict=True):
            interpreter.set_tensor(details["index"], value.reshape(details["shape"]))
        interpreter.invoke()
        return [interpreter.get_tensor(details["index"]).reshape(-1) for details in outputs]

    return infer


def main(folder: Path) -> int:
    """The child: answer what lies in `folder`, there."""
    with np.load(folder / _INPUTS, allow_pickle=False) as arrays:
        inputs = [arrays[f"arr_{i}"] for i in range(len(arrays))]
    try:
        outputs = interpret((folder / _MODEL).read_bytes(), inputs)
    except _RefusedError as refusal:
        (folder / _REFUSED).write_text(str(refusal), encoding="utf-8")
        return 1
    np.savez(folder / _OUTPUTS, *outputs)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
