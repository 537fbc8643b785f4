# SPDX-License-Identifier: Apache-2.0
"""A .tflite file as a graph of frozen values, and what can be counted on it."""

from .analysis import count_macs, count_params, op_macs
from .nodes import (
    Activation,
    ActivationParams,
    DType,
    Graph,
    NoParams,
    Op,
    PackParams,
    Padding,
    Params,
    Quantization,
    SoftmaxParams,
    StridedSliceParams,
    Tensor,
    WindowParams,
)
from .tflite_reader import read_tflite

__all__ = [
    "Activation",
    "ActivationParams",
    "DType",
    "Graph",
    "NoParams",
    "Op",
    "PackParams",
    "Padding",
    "Params",
    "Quantization",
    "SoftmaxParams",
    "StridedSliceParams",
    "Tensor",
    "WindowParams",
    "count_macs",
    "count_params",
    "op_macs",
    "read_tflite",
]
