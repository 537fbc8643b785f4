# SPDX-License-Identifier: Apache-2.0
"""A .tflite file as a graph of frozen values, and what can be counted on it."""

from harness.graph.analysis import count_macs, count_params, learned, op_macs
from harness.graph.dtypes import DType
from harness.graph.nodes import Graph, Op, Quantization, Tensor
from harness.graph.params import (
    Activation,
    ActivationParams,
    AddParams,
    AxisParams,
    BatchMatMulParams,
    CastParams,
    FullyConnectedParams,
    GatherParams,
    LeakyReluParams,
    LstmParams,
    MirrorMode,
    MirrorPadParams,
    NoParams,
    Padding,
    Params,
    ReduceParams,
    ResizeParams,
    SoftmaxParams,
    SqueezeParams,
    StridedSliceParams,
    SvdfParams,
    WindowParams,
)
from harness.graph.tflite_reader import read_tflite
from harness.graph.values import to_real, to_stored

__all__ = [
    "Activation",
    "ActivationParams",
    "AddParams",
    "AxisParams",
    "BatchMatMulParams",
    "CastParams",
    "DType",
    "FullyConnectedParams",
    "GatherParams",
    "Graph",
    "LeakyReluParams",
    "LstmParams",
    "MirrorMode",
    "MirrorPadParams",
    "NoParams",
    "Op",
    "Padding",
    "Params",
    "Quantization",
    "ReduceParams",
    "ResizeParams",
    "SoftmaxParams",
    "SqueezeParams",
    "StridedSliceParams",
    "SvdfParams",
    "Tensor",
    "WindowParams",
    "count_macs",
    "count_params",
    "learned",
    "op_macs",
    "read_tflite",
    "to_real",
    "to_stored",
]
