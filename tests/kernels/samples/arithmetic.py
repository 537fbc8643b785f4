# SPDX-License-Identifier: Apache-2.0
"""Operations on two tensors, reductions and normalizations."""

from __future__ import annotations

from tests.kernels.models import Quant
from tests.kernels.models_binary import CHOICES, KINDS, binary
from tests.kernels.models_reduce import arg_max, l2_normalization, reduction, softmax
from tests.kernels.one_op import Sample

#: Repeats in turn along three axes: nothing can be merged.
_ALTERNATING = ((2, 1, 2), (1, 3, 1))
_REDUCTIONS = ("SUM", "MEAN", "REDUCE_MAX")

SAMPLES: dict[str, Sample] = {
    **{
        f"{kind.lower()}-{dtype}": binary.on(kind, dtype, _ALTERNATING)
        for kind in KINDS
        for dtype in ("int8", "int16", "int32", "float32")
    },
    **{f"{kind.lower()}-int64": binary.on(kind, "int64", ((2,), (1,))) for kind in CHOICES},
    "sub constant-int8": binary.on("SUB", "int8", ((3,), (2, 3)), constant=0, activation="RELU"),
    "mul constant-int8": binary.on("MUL", "int8", ((2, 3), ()), constant=1, activation="RELU6"),
    **{
        f"{kind.lower()}-{dtype}": reduction.on(
            kind, dtype, (2, 3, 2, 2), (0, 2), quant=Quant(input_scale=0.05, gain=0.3)
        )
        for kind in _REDUCTIONS
        for dtype in ("int8", "int16", "float32")
    },
    **{
        f"arg_max-{dtype}-{index}": arg_max.on(dtype, index, (2, 5), -1)
        for dtype in ("int8", "float32")
        for index in ("int32", "int64")
    },
    "softmax-int8-int8": softmax.on("int8", "int8", (2, 5)),
    "softmax-int8-int16": softmax.on("int8", "int16", (2, 5)),
    "softmax-int16": softmax.on("int16", "int16", (2, 5)),
    "softmax-float32-float32": softmax.on("float32", "float32", (2, 5)),
    "l2_normalization-int8": l2_normalization.on("int8", (2, 5)),
    "l2_normalization-float32": l2_normalization.on("float32", (2, 5)),
}


#: The one whose oracle is TFLite, which lacks int16 forms of others.
_ALONE = "reduce_max-int16"


def _of(dtype: str) -> tuple[str, ...]:
    return tuple(name for name in SAMPLES if name.endswith(f"-{dtype}") and name != _ALONE)


#: One type of output each, as a measurement wants it.
NETS: dict[str, tuple[str, ...]] = {
    **{f"arithmetic of {dtype}": _of(dtype) for dtype in ("int8", "int16", "int32", "int64", "float32")},
    _ALONE: (_ALONE,),
}
