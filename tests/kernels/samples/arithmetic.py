# SPDX-License-Identifier: Apache-2.0
"""Operations on two tensors, reductions and normalizations."""

from __future__ import annotations

from tests.kernels.models_binary import CHOICES, KINDS, binary
from tests.kernels.one_op import Sample

#: Repeats in turn along three axes: nothing can be merged.
_ALTERNATING = ((2, 1, 2), (1, 3, 1))

SAMPLES: dict[str, Sample] = {
    **{
        f"{kind.lower()}-{dtype}": binary.on(kind, dtype, _ALTERNATING)
        for kind in KINDS
        for dtype in ("int8", "int16", "int32", "float32")
    },
    **{f"{kind.lower()}-int64": binary.on(kind, "int64", ((2,), (1,))) for kind in CHOICES},
    "sub-int8 constant": binary.on("SUB", "int8", ((3,), (2, 3)), constant=0, activation="RELU"),
    "mul-int8 constant": binary.on("MUL", "int8", ((2, 3), ()), constant=1, activation="RELU6"),
}

NETS: dict[str, tuple[str, ...]] = {
    "arithmetic of integers": tuple(
        f"{kind.lower()}-{dtype}" for kind in KINDS for dtype in ("int8", "int16")
    ),
    "arithmetic of numbers": (
        *(f"{kind.lower()}-{dtype}" for kind in KINDS for dtype in ("int32", "float32")),
        *(f"{kind.lower()}-int64" for kind in CHOICES),
    ),
}
