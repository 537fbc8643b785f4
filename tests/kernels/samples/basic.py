# SPDX-License-Identifier: Apache-2.0
"""Convolutions, pools and the operations of the built-in workloads."""

from __future__ import annotations

from tests.kernels.models import Quant, pad
from tests.kernels.models_unary import dequantize, quantize, unary
from tests.kernels.models_window import Window, convolution, depthwise, fully_connected, pool
from tests.kernels.one_op import Sample

PADDED = Window(size=(5, 6), channels=3, kernel=(3, 4), strides=(2, 1), padding="SAME")
DILATED = Window(size=(5, 4), channels=2, kernel=(3, 3), dilations=(2, 3), padding="SAME")
TIGHT = Window(size=(5, 6), channels=3, kernel=(2, 3), strides=(1, 1), padding="VALID")
POOLED = Window(size=(5, 6), channels=3, kernel=(3, 4), strides=(2, 3), padding="SAME")

SAMPLES: dict[str, Sample] = {
    **{
        f"{name}-{dtype}": model
        for dtype in ("int8", "float32")
        for name, model in {
            "conv_2d": convolution.on(dtype, PADDED),
            "conv_2d dilated": convolution.on(dtype, DILATED, activation="RELU6"),
            "depthwise_conv_2d": depthwise.on(dtype, PADDED, multiplier=2),
            "depthwise_conv_2d dilated": depthwise.on(dtype, DILATED, activation="RELU6"),
            "fully_connected": fully_connected.on(dtype, rows=2, inputs=7, outputs=3),
            "max_pool_2d": pool.on("MAX_POOL_2D", dtype, POOLED),
            "max_pool_2d unpadded": pool.on("MAX_POOL_2D", dtype, TIGHT),
            "average_pool_2d": pool.on("AVERAGE_POOL_2D", dtype, POOLED),
            "pad": pad.on(dtype, (1, 3, 4, 2), ((0, 0), (1, 2), (2, 0), (1, 1))),
            "relu": unary.on("RELU", dtype, (1, 7), quant=Quant(gain=1.2)),
            "relu6": unary.on("RELU6", dtype, (1, 7)),
        }.items()
    },
    "quantize": quantize.on((1, 7), scale=0.02, zero_point=-5),
    "quantize-int8": unary.on("QUANTIZE", "int8", (1, 7), quant=Quant(gain=3.0)),
    "dequantize": dequantize.on((1, 7), scale=0.02, zero_point=-5),
}

#: The network of test_kernels_on_target.py has them.
NETS: dict[str, tuple[str, ...]] = {}
