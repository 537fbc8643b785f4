# SPDX-License-Identifier: Apache-2.0
"""The table of docs/OPERATIONS.md, each form tried: `python -m tests.operations --write`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.compiler import lower
from harness.errors import UnsupportedError
from harness.graph import read_tflite
from harness.interpreters import RefusedError
from harness.reference import interpret
from tests.kernels.models import Quant, random_inputs
from tests.kernels.models_binary import binary
from tests.kernels.models_move import (
    concatenation,
    gather,
    mirror_pad,
    pack,
    pad,
    resize,
    slice_,
    split,
    split_v,
    strided_slice,
    transpose,
    unpack,
)
from tests.kernels.models_recurrent import lstm, svdf
from tests.kernels.models_reduce import arg_max, l2_normalization, reduction, softmax
from tests.kernels.models_unary import leaky_relu, prelu, rsqrt_of_abs_int16, unary
from tests.kernels.models_window import (
    Window,
    batch_matmul,
    convolution,
    depthwise,
    fully_connected,
    pool,
    transposed,
)
from tests.kernels.one_op import Sample, side_by_side

DOCUMENT: Final = Path(__file__).resolve().parents[1] / "docs" / "OPERATIONS.md"
BEGIN: Final = "<!-- operations: begin -->\n"
END: Final = "<!-- operations: end -->"

#: Column -> its heading.
FORMS: Final = {
    "int8": "int8",
    "int16": "16x8",
    "float32": "float32",
    "hybrid": "float32, int8 weights",
}
IMAGE: Final = (1, 4, 5, 2)
WINDOW: Final = Window(size=(4, 5), channels=2, kernel=(2, 3), strides=(1, 2))
_FIXED_OUTPUT: Final = {
    "LOGISTIC": {"int8": (1 / 256, -128), "int16": (1 / 32768, 0)},
    "TANH": {"int8": (1 / 128, 0), "int16": (1 / 32768, 0)},
}


def _one_value(kind: str, form: str) -> Sample:
    if kind == "LEAKY_RELU":
        return leaky_relu.on(form, IMAGE, alpha=0.3)
    if kind == "PRELU":
        return prelu.on(form, (IMAGE, (2,)))
    if (kind, form) == ("RSQRT", "int8"):
        # the oracle stops at values below 0
        return unary.on(kind, form, IMAGE, quant=Quant(input_zero=-128))
    if (kind, form) == ("RSQRT", "int16"):
        return rsqrt_of_abs_int16.on(IMAGE, scale=0.001, output_scale=0.001)
    if (kind, form) == ("NEG", "int8"):
        # the oracle negates what is stored
        return unary.on(kind, form, IMAGE, quant=Quant(input_zero=0), output=(0.05, 0))
    return unary.on(kind, form, IMAGE, output=_FIXED_OUTPUT.get(kind, {}).get(form))


def _moved(kind: str, form: str) -> Sample:
    made: Mapping[str, Sample] = {
        "CONCATENATION": concatenation.on(form, (IMAGE, IMAGE), 3),
        "SPLIT": split.on(form, IMAGE, 2, 1),
        "SPLIT_V": split_v.on(form, IMAGE, (1, 3), 1),
        "SLICE": slice_.on(form, IMAGE, (0, 1, 2, 0), (1, 2, -1, 1)),
        "STRIDED_SLICE": strided_slice.on(
            form, IMAGE, ((0, 1, 1), (0, 4, 2), (4, -6, -2), (0, 2, 1)), (1, 2, 3, 2)
        ),
        "PACK": pack.on(form, IMAGE, 2, 1),
        "UNPACK": unpack.on(form, IMAGE, 2),
        "GATHER": gather.on(form, IMAGE, [3, 0, 1], 1),
        "PAD": pad.on(form, IMAGE, ((0, 0), (1, 0), (0, 2), (1, 1))),
        "PADV2": pad.on(form, IMAGE, ((0, 0), (1, 0), (0, 2), (1, 1)), fill=3),
        "MIRROR_PAD": mirror_pad.on(form, IMAGE, ((0, 0), (1, 0), (0, 2), (1, 1)), mode="REFLECT"),
        "TRANSPOSE": transpose.on(form, IMAGE, (0, 3, 1, 2)),
        "RESIZE_NEAREST_NEIGHBOR": resize.on("NEAREST_NEIGHBOR", form, IMAGE, (3, 7)),
        "RESIZE_BILINEAR": resize.on("BILINEAR", form, IMAGE, (3, 7)),
    }
    return made[kind]


def _layer(kind: str, form: str) -> Sample:
    made: Mapping[str, Sample] = {
        "CONV_2D": convolution.on(form, WINDOW),
        "DEPTHWISE_CONV_2D": depthwise.on(form, WINDOW, multiplier=2),
        "TRANSPOSE_CONV": transposed.on(form, WINDOW),
        "FULLY_CONNECTED": fully_connected.on(form, inputs=7, outputs=3),
        "AVERAGE_POOL_2D": pool.on("AVERAGE_POOL_2D", form, WINDOW),
        "MAX_POOL_2D": pool.on("MAX_POOL_2D", form, WINDOW),
    }
    return made[kind]


def _combined(kind: str, form: str) -> Sample:
    made: Mapping[str, Sample] = {
        "SOFTMAX": softmax.on(form, form, (2, 5)),
        "ARG_MAX": arg_max.on(form, "int32", (2, 5), 1),
        "L2_NORMALIZATION": l2_normalization.on(form, (2, 5)),
        "BATCH_MATMUL": batch_matmul.on(form, ((2, 3, 4), (2, 4, 5))),
    }
    return made[kind]


_LAYERS: Final = (
    "CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "AVERAGE_POOL_2D", "MAX_POOL_2D",
)  # fmt: skip
_REDUCTIONS: Final = ("MEAN", "SUM", "REDUCE_MAX")
_PAIRS: Final = ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE")
_MOVES: Final = (
    "CONCATENATION", "SPLIT", "SPLIT_V", "SLICE", "STRIDED_SLICE", "PACK", "UNPACK", "GATHER", "PAD",
    "PADV2", "MIRROR_PAD", "TRANSPOSE", "RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR",
)  # fmt: skip
_FUNCTIONS: Final = (
    "LOGISTIC", "TANH", "RELU", "RELU6", "LEAKY_RELU", "PRELU", "ELU", "HARD_SWISH", "ABS", "NEG", "RSQRT",
)  # fmt: skip
_COMBINED: Final = ("SOFTMAX", "ARG_MAX", "L2_NORMALIZATION", "BATCH_MATMUL")
_RECURRENT: Final = ("SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM")
_WITH_WEIGHTS: Final = (*_LAYERS[:4], "UNIDIRECTIONAL_SEQUENCE_LSTM")
#: Operations that the table lists, in the order of docs/OPERATIONS.md.
KINDS: Final = (*_LAYERS, *_REDUCTIONS, *_PAIRS, *_MOVES, *_COMBINED, *_FUNCTIONS, *_RECURRENT)


def sample(kind: str, form: str) -> Sample:
    """A plain use of an operation in a form.

    Raises:
        KeyError: there is no such form of it.
    """
    if form == "hybrid" and kind not in _WITH_WEIGHTS:
        raise KeyError(form)
    families: tuple[tuple[Sequence[str], Callable[[str, str], Sample]], ...] = (
        (_LAYERS, _layer),
        (_REDUCTIONS, lambda kind, form: reduction.on(kind, form, IMAGE, (1, 2))),
        (_PAIRS, lambda kind, form: binary.on(kind, form, (IMAGE, (5, 1)))),
        (_MOVES, _moved),
        (_COMBINED, _combined),
        (_FUNCTIONS, _one_value),
        (_RECURRENT, lambda kind, form: svdf.on(form) if kind == "SVDF" else lstm.on(form)),
    )
    return next(make(kind, form) for kinds, make in families if kind in kinds)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """What came of an operation in a form."""

    data: bytes
    oracle: str
    """The interpreter that answers for it; empty: the compiler refuses it, or no interpreter has it."""


def tried(kind: str, form: str) -> Tried:
    """Compile it, and ask the oracle."""
    try:
        data = side_by_side([sample(kind, form)])
        graph = read_tflite(data, name=kind)
        lower(graph)
        oracle = interpret(data, random_inputs(graph, samples=2, seed=1), stream=True).oracle
    except (KeyError, UnsupportedError, RefusedError):
        return Tried(data=b"", oracle="")
    return Tried(data=data, oracle=oracle)


def table() -> str:
    """Markdown: a row for each operation, a column for each form, with the name of the oracle."""
    lines = [f"| operation | {' | '.join(FORMS.values())} |", f"|---|{'---|' * len(FORMS)}"]
    for kind in KINDS:
        cells = [_cell(tried(kind, form).oracle) for form in FORMS]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(oracle: str) -> str:
    names = {"tflm": "TFLM", "tflite-reference": "TFLite", "tflite-optimized": "TFLite, optimized"}
    return names.get(oracle.split(" ", maxsplit=1)[0], "")


def replaced(document: str) -> str:
    """The text of docs/OPERATIONS.md with the table of today."""
    head, _, rest = document.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + BEGIN + table() + END + tail


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        DOCUMENT.write_text(replaced(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(table())
