# SPDX-License-Identifier: Apache-2.0
"""Element types."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np


class DType(enum.StrEnum):
    """Element type of a tensor."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    BOOL = "bool"

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.numpy.itemsize

    @property
    def numpy(self) -> np.dtype[Any]:
        """The same type in numpy, little-endian."""
        return np.dtype(self.value).newbyteorder("<")
