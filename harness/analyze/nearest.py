# SPDX-License-Identifier: Apache-2.0
"""For operations that the engine has in no form: what it has that does the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_LOOP: Final = (
    "UNIDIRECTIONAL_SEQUENCE_LSTM is supported: use a Keras LSTM with its default activations, or build the"
    " layer with unroll=True."
)
_TABLE: Final = "Of the functions of one value LOGISTIC, TANH, ELU, HARD_SWISH and RSQRT are supported."

_NEAREST: Final[Mapping[str, str]] = {
    "ADD_N": "ADD of two at a time.",
    "BATCH_TO_SPACE_ND": "CONV_2D with dilation, which the converter makes of it when shapes are fixed.",
    "BIDIRECTIONAL_SEQUENCE_LSTM": "Two UNIDIRECTIONAL_SEQUENCE_LSTM, one on the reversed sequence.",
    "CALL_ONCE": "Variables of the model; freeze it before conversion.",
    "CONV_3D": "CONV_2D over two of the axes.",
    "CUMSUM": "FULLY_CONNECTED with a triangular matrix.",
    "DEPTH_TO_SPACE": "TRANSPOSE_CONV, or RESHAPE and TRANSPOSE.",
    "DIV": "MUL by the reciprocal, where the divisor is a constant.",
    "EMBEDDING_LOOKUP": "GATHER.",
    "EXP": _TABLE,
    "GATHER_ND": "GATHER along one axis, or SLICE.",
    "GELU": "HARD_SWISH, or RELU.",
    "IF": "Both branches, and their MUL by a mask.",
    "LOCAL_RESPONSE_NORMALIZATION": "Batch normalization: the converter folds it into the layer before it.",
    "LOG": _TABLE,
    "LOG_SOFTMAX": "SOFTMAX; the order of the classes is the same.",
    "POW": "MUL, for squares and cubes.",
    "REDUCE_MIN": "NEG, REDUCE_MAX and NEG.",
    "REDUCE_PROD": "MUL of the slices.",
    "REVERSE_V2": "STRIDED_SLICE with a stride of -1.",
    "RNN": _LOOP,
    "SIN": _TABLE,
    "COS": _TABLE,
    "SPACE_TO_BATCH_ND": "CONV_2D with dilation, which the converter makes of it when shapes are fixed.",
    "SPACE_TO_DEPTH": "RESHAPE and TRANSPOSE.",
    "SQRT": "RSQRT and MUL.",
    "SQUARE": "MUL of the tensor by itself.",
    "TILE": "CONCATENATION of the tensor with itself.",
    "UNIDIRECTIONAL_SEQUENCE_RNN": _LOOP,
    "WHILE": _LOOP,
}


def nearest_form(kind: str) -> str:
    """What to use instead of an operation; empty where the engine has it, or nothing comes near."""
    return _NEAREST.get(kind, "")
