# SPDX-License-Identifier: Apache-2.0
"""docs/OPERATIONS.md says which operation is there in which type, and everything it says is so."""

from __future__ import annotations

import functools

from harness.compiler.fold import ALIASES
from harness.compiler.kernels import KERNELS
from tests.kernels.models import check
from tests.kernels.one_op import side_by_side
from tests.operations import DOCUMENT, FORMS, KINDS, sample, table, tried

#: What docs/OPERATIONS.md promises.
PROMISED = (
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "TRANSPOSE_CONV",
    "FULLY_CONNECTED",
    "AVERAGE_POOL_2D",
    "MAX_POOL_2D",
    "MEAN",
    "SUM",
    "REDUCE_MAX",
    "ADD",
    "SUB",
    "MUL",
    "MAXIMUM",
    "MINIMUM",
    "CONCATENATION",
    "SPLIT",
    "SPLIT_V",
    "SLICE",
    "STRIDED_SLICE",
    "PACK",
    "UNPACK",
    "GATHER",
    "PAD",
    "PADV2",
    "MIRROR_PAD",
    "RESHAPE",
    "SQUEEZE",
    "EXPAND_DIMS",
    "TRANSPOSE",
    "SOFTMAX",
    "LOGISTIC",
    "TANH",
    "RELU",
    "RELU6",
    "LEAKY_RELU",
    "PRELU",
    "ELU",
    "HARD_SWISH",
    "ABS",
    "NEG",
    "RSQRT",
    "SQUARED_DIFFERENCE",
    "L2_NORMALIZATION",
    "BATCH_MATMUL",
    "RESIZE_NEAREST_NEIGHBOR",
    "RESIZE_BILINEAR",
    "ARG_MAX",
    "QUANTIZE",
    "DEQUANTIZE",
    "CAST",
    "SVDF",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
)


@functools.cache
def forms() -> dict[str, list[tuple[str, str]]]:
    """Oracle -> the (operation, form) pairs that it answers for."""
    found: dict[str, list[tuple[str, str]]] = {}
    for kind in KINDS:
        for form in FORMS:
            if oracle := tried(kind, form).oracle:
                found.setdefault(oracle, []).append((kind, form))
    return found


def test_every_operation_that_is_promised_is_there() -> None:
    assert set(PROMISED) <= {*KERNELS, *ALIASES}
    listed = {kind for pairs in forms().values() for kind, form in pairs if form in ("int8", "float32")}
    assert set(PROMISED) - {"QUANTIZE", "DEQUANTIZE", "CAST", *ALIASES} == listed


def test_the_document_has_the_table_of_today() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert table() in text, "run `python -m tests.operations --write`"
    assert all(f"`{kind}`" in text or f"| {kind} |" in text for kind in {*KERNELS, *ALIASES})


def test_all_of_them_side_by_side_equal_the_oracle() -> None:
    """Hybrid operations have an oracle of their own, and their family's tests."""
    for pairs in forms().values():
        plain = [pair for pair in pairs if pair[1] != "hybrid"]
        if plain:
            check(side_by_side(sample(*pair) for pair in plain), samples=4)
