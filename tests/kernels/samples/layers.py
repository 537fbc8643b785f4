# SPDX-License-Identifier: Apache-2.0
"""Layers with weights, and pools, in the forms and shapes that the basic samples do not have."""

from __future__ import annotations

from tests.kernels.models import Quant
from tests.kernels.models_window import (
    Window,
    batch_matmul,
    computed_weights,
    convolution,
    depthwise,
    fully_connected,
    pool,
    transposed,
)
from tests.kernels.one_op import Sample

INT16 = Quant(input_scale=0.001, gain=2**-9)
PADDED = Window(size=(3, 4), channels=2, kernel=(3, 2), strides=(2, 1), padding="SAME")
TWO_IMAGES = Window(batch=2, size=(3, 2), channels=4, kernel=(2, 2), padding="SAME")
SPREAD = Window(size=(4, 5), channels=2, kernel=(3, 2), strides=(2, 3), padding="SAME")
TIGHT = Window(size=(4, 3), channels=2, kernel=(2, 2), strides=(2, 1), padding="VALID")
#: Its taps lie further apart than 16-bit offsets reach.
FAR = Window(size=(1, 3), channels=40, kernel=(1, 3), dilations=(1, 1000), padding="SAME")
#: The filter of 2 steps over every third output.
SPARSE = Window(batch=2, size=(4, 4), channels=2, kernel=(2, 2), strides=(3, 3), padding="SAME")
PRODUCT = ((2, 1, 3, 2), (3, 2, 2))

SAMPLES: dict[str, Sample] = {
    "conv_2d-int16": convolution.on("int16", PADDED, outputs=3, quant=INT16, activation="RELU"),
    "conv_2d-int16 narrow": convolution.on("int16", PADDED, quant=INT16, bias_type="int32"),
    "depthwise_conv_2d-int16": depthwise.on("int16", PADDED, multiplier=2, quant=INT16),
    "fully_connected-int16": fully_connected.on("int16", rows=2, inputs=9, outputs=3, quant=INT16),
    "max_pool_2d-int16": pool.on("MAX_POOL_2D", "int16", PADDED),
    "average_pool_2d-int16": pool.on("AVERAGE_POOL_2D", "int16", PADDED, activation="RELU"),
    "transpose_conv-int16": transposed.on("int16", SPREAD, outputs=2, quant=INT16),
    "batch_matmul-int16": batch_matmul.on("int16", PRODUCT, quant=Quant(gain=2**-16)),
    "conv_2d-hybrid": convolution.on("hybrid", PADDED, outputs=3, activation="RELU6"),
    "conv_2d groups-hybrid": convolution.on("hybrid", TWO_IMAGES, outputs=2, groups=2),
    "depthwise_conv_2d-hybrid": depthwise.on("hybrid", PADDED, multiplier=2),
    "fully_connected-hybrid": fully_connected.on("hybrid", rows=2, inputs=9, outputs=3),
    "conv_2d groups-float32": convolution.on("float32", TWO_IMAGES, outputs=4, groups=2),
    "transpose_conv-float32": transposed.on("float32", SPREAD, outputs=2, activation="RELU"),
    "batch_matmul-float32": batch_matmul.on("float32", ((2, 1, 2, 3), (3, 4, 2)), adjoint=(True, True)),
    "computed weights-float32": computed_weights.on("float32"),
    "conv_2d groups-int8": convolution.on("int8", TWO_IMAGES, outputs=4, groups=2),
    "depthwise_conv_2d in place-int8": depthwise.on("int8", TIGHT),
    "depthwise_conv_2d far-int8": depthwise.on("int8", FAR),
    "transpose_conv-int8": transposed.on("int8", SPREAD, outputs=2),
    "transpose_conv sparse-int8": transposed.on("int8", SPARSE, outputs=1, activation="RELU"),
    "batch_matmul-int8": batch_matmul.on("int8", PRODUCT, weight_zero=5),
    "batch_matmul constant-int8": batch_matmul.on("int8", PRODUCT, constant=1),
    "computed weights-int8": computed_weights.on("int8", weight_zero=-9, activation="RELU"),
}

NETS: dict[str, tuple[str, ...]] = {
    "layers 16x8": tuple(name for name in SAMPLES if "-int16" in name),
    "layers float32": tuple(
        # grouped ones would not fit an Uno's RAM beside the others
        name
        for name in SAMPLES
        if name.endswith(("-hybrid", "-float32")) and "groups" not in name
    ),
    "layers int8": tuple(name for name in SAMPLES if name.endswith("-int8")),
}
