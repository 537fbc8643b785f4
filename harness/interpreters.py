# SPDX-License-Identifier: Apache-2.0
"""The interpreters behind the oracle, in this process; `harness.reference` runs them in a child.

TensorFlow Lite Micro on the host where its wheel exists and takes the model. Where not, TFLite's
reference kernels, whose int8 FULLY_CONNECTED rounds once instead of twice and may differ by 2 LSB. They lack
a few operations (ELU); a model with one of these is left to TFLite's ordinary kernels.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from harness.compiler.settle import settled
from harness.errors import QuantrigError
from harness.graph import DType, Graph, read_tflite
from harness.hybrid import dequantized

Array = npt.NDArray[Any]
T = TypeVar("T")

#: Room for the interpreter's tensors and its own tables; memory that it does not touch costs nothing.
_ARENA_BYTES: Final = 256 << 20


#: TFLite's sets of kernels, as members of its OpResolverType.
_REFERENCE: Final = "BUILTIN_REF"
_ORDINARY: Final = "BUILTIN_WITHOUT_DEFAULT_DELEGATES"


class RefusedError(Exception):
    """No interpreter takes the model; says what each of them says."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Expected:
    """What a model must give."""

    outputs: tuple[Array, ...]
    """One array per output tensor, shape (samples, elements), in the tensor's own dtype."""
    oracle: str
    """Name and version of the interpreter that gave them."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Trace:
    """Every tensor that is not a constant, after each sample."""

    values: Mapping[int, Array]
    """Index of the tensor in the .tflite -> shape (samples, elements), in the tensor's own dtype."""
    oracle: str
    """Name and version of the interpreter that gave them."""


class _Interpreter(Protocol):
    name: str

    def reset(self) -> None:
        """Variables as they are before the first inference."""

    def infer(self, sample: Sequence[Array]) -> list[Array]:
        """The flat outputs for one sample."""

    def tensor(self, index: int) -> Array:
        """A tensor's flat value after the last inference, where all are kept; LookupError: it has none."""


def preferred_oracle() -> str:
    """Name and version of the interpreter that is asked first on this machine."""
    return _tflm_name() if _has_tflm() else _tflite_name()


def interpret(
    model: bytes, inputs: Sequence[Array], *, stream: bool = False, without_tflm: bool = False
) -> Expected:
    """As `harness.reference.expected_outputs`, in this process, which TFLM may end.

    Raises:
        RefusedError: no interpreter takes the model.
    """

    def work(interpreter: _Interpreter, graph: Graph) -> Expected:
        samples = [interpreter.infer(sample) for sample in _samples(interpreter, graph, inputs, stream)]
        columns = zip(*samples, strict=True)
        return Expected(outputs=tuple(np.stack(column) for column in columns), oracle=interpreter.name)

    return _first_that_works(model, work, keep_all=False, without_tflm=without_tflm)


def trace(
    model: bytes, inputs: Sequence[Array], *, stream: bool = False, without_tflm: bool = False
) -> Trace:
    """As `harness.reference.tensors`, in this process, which TFLM may end.

    Raises:
        RefusedError: no interpreter takes the model.
    """

    def work(interpreter: _Interpreter, graph: Graph) -> Trace:
        wanted = [tensor.index for tensor in graph.tensors if tensor.data is None]
        found: dict[int, list[Array]] = {index: [] for index in wanted}
        count = 0
        for sample in _samples(interpreter, graph, inputs, stream):
            interpreter.infer(sample)
            count += 1
            for index in wanted:
                try:
                    found[index].append(interpreter.tensor(index))
                except LookupError:
                    continue
        values = {index: np.stack(rows) for index, rows in found.items() if len(rows) == count}
        return Trace(values=values, oracle=interpreter.name)

    return _first_that_works(model, work, keep_all=True, without_tflm=without_tflm)


def _first_that_works(
    model: bytes,
    work: Callable[[_Interpreter, Graph], T],
    *,
    keep_all: bool,
    without_tflm: bool,
) -> T:
    """What `work` makes of the first interpreter that takes the model."""
    graph = read_tflite(model, name="model")
    float_model = dequantized(model) if _may_be_hybrid(graph) else None
    if float_model is not None:
        return _by_tflite(float_model, graph, work, keep_all=keep_all, remark=" with dequantized weights")
    refused = ""
    if _has_tflm() and not without_tflm and not _misread_by_tflm(graph):
        try:
            return work(_Tflm(_without_open_sizes(model), graph, keep_all=keep_all), graph)
        except RefusedError as error:
            refused = f"{_tflm_name()}: {error}; "
    try:
        return _by_tflite(model, graph, work, keep_all=keep_all)
    except RefusedError as error:
        raise RefusedError(f"{refused}{error}") from error


def _by_tflite(
    model: bytes,
    graph: Graph,
    work: Callable[[_Interpreter, Graph], T],
    *,
    keep_all: bool,
    remark: str = "",
) -> T:
    """What `work` makes of TFLite's reference kernels, or of the others where these lack an operation."""
    refused = []
    for name, resolver in ((_tflite_name(), _REFERENCE), (_ordinary_name(), _ORDINARY)):
        try:
            interpreter = _Tflite(model, graph, keep_all=keep_all, name=f"{name}{remark}", resolver=resolver)
            return work(interpreter, graph)
        except RefusedError as error:
            refused.append(f"{name}: {error}")
    raise RefusedError("; ".join(refused))


def _without_open_sizes(model: bytes) -> bytes:
    """TFLM believes the sizes in the file, also where TFLite would find others as it runs."""
    try:
        return settled(model)
    except QuantrigError:
        # whoever compiles it hears what is wrong
        return model


def _misread_by_tflm(graph: Graph) -> bool:
    """It pads the int8 images of SPACE_TO_BATCH_ND with memory that it never set, not with their zero."""
    tensors = graph.tensors
    return any(
        op.kind == "SPACE_TO_BATCH_ND"
        and tensors[op.outputs[0]].dtype is DType.INT8
        and len(op.inputs) == 3
        and (widths := tensors[op.required_input(2)].data) is not None
        and bool(widths.any())
        for op in graph.ops
    )


def _samples(
    interpreter: _Interpreter, graph: Graph, inputs: Sequence[Array], stream: bool
) -> Iterator[list[Array]]:
    """The samples in turn, variables put back before each unless they are a stream."""
    for number, sample in enumerate(zip(*inputs, strict=True)):
        if graph.is_stateful and number and not stream:
            interpreter.reset()
        yield list(sample)


def _may_be_hybrid(graph: Graph) -> bool:
    """Whether some operation has a quantized constant among its inputs and a float32 output."""
    tensors = graph.tensors
    return any(
        tensors[op.outputs[0]].dtype.value == "float32"
        and any(i is not None and tensors[i].data is not None and tensors[i].quantization for i in op.inputs)
        for op in graph.ops
        if op.outputs
    )


def _has_tflm() -> bool:
    return importlib.util.find_spec("tflite_micro") is not None


def _tflm_name() -> str:
    return f"tflm {version('tflite-micro')}"


def _tflite_name() -> str:
    return f"tflite-reference {version('tensorflow')}"


def _ordinary_name() -> str:
    return f"tflite-optimized {version('tensorflow')}"


class _Tflm:
    """TensorFlow Lite Micro."""

    def __init__(self, model: bytes, graph: Graph, *, keep_all: bool) -> None:
        from tflite_micro import runtime

        config = runtime.InterpreterConfig
        self.name = _tflm_name()
        self._graph = graph
        try:
            self._interpreter = runtime.Interpreter.from_bytes(
                model,
                arena_size=_ARENA_BYTES,
                intrepreter_config=config.kPreserveAllTensors if keep_all else config.kAllocationRecording,
            )
        except (RuntimeError, ValueError) as error:
            raise RefusedError(str(error)) from error

    def reset(self) -> None:
        self._interpreter.reset()

    def infer(self, sample: Sequence[Array]) -> list[Array]:
        for i, (value, tensor) in enumerate(zip(sample, self._graph.input_tensors(), strict=True)):
            self._interpreter.set_input(value.reshape(tensor.shape), i)
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise RefusedError(str(error)) from error
        return [
            np.array(self._interpreter.get_output(i)).reshape(-1) for i in range(len(self._graph.outputs))
        ]

    def tensor(self, index: int) -> Array:
        try:
            return np.array(self._interpreter.GetTensor(index, 0)["tensor_data"]).reshape(-1)
        except (RuntimeError, ValueError, IndexError) as error:
            raise LookupError(index) from error


class _Tflite:
    """One of TFLite's sets of kernels, without delegates."""

    def __init__(self, model: bytes, graph: Graph, *, keep_all: bool, name: str, resolver: str) -> None:
        from tensorflow import lite

        self.name = name
        self._graph = graph
        try:
            with warnings.catch_warnings():
                # that it will move to another package is known
                warnings.simplefilter("ignore", UserWarning)
                self._interpreter = lite.Interpreter(
                    model_content=model,
                    experimental_op_resolver_type=lite.experimental.OpResolverType[resolver],
                    experimental_preserve_all_tensors=keep_all,
                    num_threads=1,
                )
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise RefusedError(str(error)) from error
        self._inputs = self._interpreter.get_input_details()
        self._outputs = self._interpreter.get_output_details()

    def reset(self) -> None:
        self._interpreter.reset_all_variables()

    def infer(self, sample: Sequence[Array]) -> list[Array]:
        for value, details in zip(sample, self._inputs, strict=True):
            self._interpreter.set_tensor(details["index"], value.reshape(details["shape"]))
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            raise RefusedError(str(error)) from error
        return [self._interpreter.get_tensor(details["index"]).reshape(-1) for details in self._outputs]

    def tensor(self, index: int) -> Array:
        try:
            return np.array(self._interpreter.get_tensor(index)).reshape(-1)
        except ValueError as error:
            raise LookupError(index) from error
