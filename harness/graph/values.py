# SPDX-License-Identifier: Apache-2.0
"""Real numbers <-> the stored values of a tensor."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from harness.graph.dtypes import DType
from harness.graph.nodes import Tensor


def to_stored(values: npt.NDArray[Any], tensor: Tensor) -> npt.NDArray[Any]:
    """Real values of any shape as the tensor stores them, same shape.

    Integers: value / scale in float32, rounded half away from zero as QUANTIZE does, plus the zero
    point, clamped to the type.
    """
    real = values.astype(np.float32)
    if tensor.dtype is DType.FLOAT32:
        return real
    if tensor.quantization is None:
        raise ValueError(f"tensor '{tensor.name}' is {tensor.dtype.value} without a scale")
    # float64 from here: adding a half in float32 would round 0.49999997 up
    scaled = (real / np.float32(tensor.quantization.scale)).astype(np.float64)
    rounded = np.trunc(scaled + np.copysign(0.5, scaled)) + tensor.quantization.zero_point
    limits = np.iinfo(tensor.dtype.numpy)
    stored: npt.NDArray[Any] = np.clip(rounded, limits.min, limits.max).astype(tensor.dtype.numpy)
    return stored


def to_real(stored: npt.NDArray[Any], tensor: Tensor) -> npt.NDArray[np.float32]:
    """Stored values as real numbers, same shape."""
    if tensor.quantization is None:
        return stored.astype(np.float32)
    shifted = stored.astype(np.float32) - np.float32(tensor.quantization.zero_point)
    return (shifted * np.float32(tensor.quantization.scale)).astype(np.float32)
