# SPDX-License-Identifier: Apache-2.0
"""The oracle: what a model must output, by an interpreter that shares no code with our kernels.

It runs in a process of its own, since it aborts on some models that we compile. Which interpreter
answered (`harness.interpreters`) is part of the answer, and the row names it.
"""

from __future__ import annotations

import functools
import io
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness import children
from harness.errors import ModelError, OracleError
from harness.interpreters import Expected, RefusedError, Trace, interpret, preferred_oracle, trace

__all__ = ["Expected", "Trace", "expected_outputs", "interpret", "oracle_name", "tensors"]

Array = npt.NDArray[Any]

_MODEL: Final = "model.tflite"
_INPUTS: Final = "inputs.npz"
_ANSWER: Final = "answer.npz"
_ORACLE: Final = "oracle.txt"
_REFUSED: Final = "refused.txt"
_ASKED: Final = "asked.json"
_TIMEOUT_S: Final = 600.0

#: What the child gives back: arrays by name, and the interpreter's name.
_Answer = tuple[dict[str, Array], str]


def oracle_name() -> str:
    """Name and version of the interpreter that is asked first on this machine."""
    return preferred_oracle()


def expected_outputs(model: bytes, inputs: Sequence[Array], *, stream: bool = False) -> Expected:
    """Outputs for every sample, and which interpreter gave them.

    Args:
        model: a .tflite file.
        inputs: one array per input tensor, shape (samples, ...) in the tensor's own dtype.
        stream: keep the variables (the state of recurrent layers) from sample to sample; else each sample
            begins with them as they are before the first inference.

    Raises:
        ModelError: every interpreter refuses the model.
        OracleError: they crash on it.
    """
    arrays, oracle = _answer(model, inputs, stream=stream, all_tensors=False)
    return Expected(outputs=tuple(arrays[f"arr_{i}"].copy() for i in range(len(arrays))), oracle=oracle)


def tensors(model: bytes, inputs: Sequence[Array], *, stream: bool = False) -> Trace:
    """Every tensor after each sample, but constants; meant for few samples.

    Args and errors are those of `expected_outputs`.
    """
    arrays, oracle = _answer(model, inputs, stream=stream, all_tensors=True)
    return Trace(values={int(index): value for index, value in arrays.items()}, oracle=oracle)


def _answer(model: bytes, inputs: Sequence[Array], *, stream: bool, all_tensors: bool) -> _Answer:
    content = io.BytesIO()
    np.savez(content, *inputs)
    ask = _ask if all_tensors else _ask_once
    return ask(model, content.getvalue(), stream, all_tensors)


def _ask(model: bytes, inputs: bytes, stream: bool, all_tensors: bool) -> _Answer:
    """The child's answer; `model` and `inputs` are files' contents. A crash of TFLM is a refusal, too."""
    asked = {"stream": stream, "all_tensors": all_tensors, "without_tflm": False}
    with tempfile.TemporaryDirectory(prefix="quantrig-oracle-") as scratch:
        folder = Path(scratch)
        (folder / _MODEL).write_bytes(model)
        (folder / _INPUTS).write_bytes(inputs)
        done = _run_child(folder, asked)
        if done.returncode < 0 and not done.timed_out:
            done = _run_child(folder, asked | {"without_tflm": True})
        if done.returncode == 0:
            with np.load(folder / _ANSWER, allow_pickle=False) as arrays:
                return dict(arrays), (folder / _ORACLE).read_text(encoding="utf-8")
        refused = folder / _REFUSED
        if refused.exists():
            raise ModelError(
                f"The reference interpreters refuse the model: {refused.read_text(encoding='utf-8')}",
                cause="They lack an operation, or a form of one.",
            )
    ending = "took too long" if done.timed_out else f"ended with code {done.returncode}"
    raise OracleError(
        f"The reference interpreter {ending}.",
        cause=f"It does not survive this model ({(done.output.strip().splitlines() or ['no message'])[-1]}).",
        fix="Without an oracle no number of this model can be trusted; please report it with the .tflite.",
    )


#: The boards of a sweep share their variants' answers.
_ask_once = functools.lru_cache(maxsize=8)(_ask)


def _run_child(folder: Path, asked: dict[str, bool]) -> children.CompletedRun:
    (folder / _ASKED).write_text(json.dumps(asked), encoding="utf-8")
    return children.run(
        [sys.executable, "-m", "harness.reference", folder],
        timeout_s=_TIMEOUT_S,
        env=children.package_environment(),
    )


def main(folder: Path) -> int:
    """The child: answer what lies in `folder`, there."""
    with np.load(folder / _INPUTS, allow_pickle=False) as stored:
        inputs = [stored[f"arr_{i}"] for i in range(len(stored))]
    model = (folder / _MODEL).read_bytes()
    asked = json.loads((folder / _ASKED).read_text(encoding="utf-8"))
    how = {"stream": asked["stream"], "without_tflm": asked["without_tflm"]}
    try:
        if asked["all_tensors"]:
            traced = trace(model, inputs, **how)
            arrays = {str(index): value for index, value in traced.values.items()}
            oracle = traced.oracle
        else:
            expected = interpret(model, inputs, **how)
            arrays = {f"arr_{i}": value for i, value in enumerate(expected.outputs)}
            oracle = expected.oracle
    except RefusedError as refusal:
        (folder / _REFUSED).write_text(str(refusal), encoding="utf-8")
        return 1
    np.savez(folder / _ANSWER, allow_pickle=False, **arrays)
    (folder / _ORACLE).write_text(oracle, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
