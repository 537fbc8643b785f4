# SPDX-License-Identifier: Apache-2.0
"""Functions of one value, and conversions."""

from __future__ import annotations

from tests import tflite_builder as tb
from tests.kernels.models import Quant
from tests.kernels.models_unary import cast, convert, leaky_relu, prelu, rsqrt_of_abs_int16, unary
from tests.kernels.one_op import Ends, Sample

SHAPE = (1, 7)
INT16_OUTPUT = (2.0**-15, 0)
SLOPES = ((2, 3, 2), (3, 1))

#: Everything that TensorFlow Lite Micro has.
FUNCTIONS: dict[str, Sample] = {
    **{
        f"{kind.lower()}-float32": unary.on(kind, "float32", SHAPE)
        for kind in ("ABS", "ELU", "HARD_SWISH", "LOGISTIC", "NEG", "RSQRT", "TANH")
    },
    "logistic-int16": unary.on(
        "LOGISTIC", "int16", SHAPE, quant=Quant(input_scale=0.0003), output=INT16_OUTPUT
    ),
    "tanh-int16": unary.on("TANH", "int16", SHAPE, quant=Quant(input_scale=2.0**-12), output=INT16_OUTPUT),
    "relu-int16": unary.on("RELU", "int16", SHAPE, quant=Quant(gain=1.2)),
    "relu6-int16": unary.on("RELU6", "int16", SHAPE, quant=Quant(input_scale=0.0003)),
    "abs-int16": unary.on("ABS", "int16", SHAPE, quant=Quant(gain=0.7)),
    "rsqrt-int16": rsqrt_of_abs_int16.on(SHAPE, scale=0.01, output_scale=0.0003),
    "leaky_relu-int16": leaky_relu.on("int16", SHAPE, alpha=-0.3, quant=Quant(gain=0.7)),
    "leaky_relu-float32": leaky_relu.on("float32", SHAPE, alpha=0.3),
    **{
        f"prelu-{dtype}": prelu.on(dtype, SLOPES, quant=Quant(gain=0.9))
        for dtype in ("int8", "int16", "float32")
    },
    "prelu computed-int8": prelu.on("int8", SLOPES, quant=Quant(gain=0.9), is_constant=False),
}

CONVERSIONS: dict[str, Sample] = {
    "quantize-int16": convert.on("QUANTIZE", ("float32", "int16"), SHAPE, scales=(None, (0.001, 0))),
    **{
        f"quantize {source}-{target}": convert.on(
            "QUANTIZE", (source, target), SHAPE, scales=((a, 0), (b, 0))
        )
        for (source, a), (target, b) in (
            (("int8", 0.5), ("int16", 0.01)),
            (("int8", 0.5), ("int32", 0.003)),
            (("int16", 0.01), ("int8", 0.9)),
            (("int16", 0.01), ("int16", 0.011)),
            (("int16", 0.01), ("int32", 0.013)),
            (("int32", 1e-6), ("int8", 2.0)),
            (("int32", 1e-6), ("int16", 0.1)),
        )
    },
    "dequantize-uint8": convert.on("DEQUANTIZE", ("uint8", "float32"), SHAPE, scales=((0.1, 100), None)),
    "dequantize-int16": convert.on("DEQUANTIZE", ("int16", "float32"), SHAPE, scales=((0.1, -9), None)),
    "cast int8-int32": cast.on(("int8", "int32"), SHAPE),
    "cast int32-int16": cast.on(("int32", "int16"), SHAPE),
    "cast int16-float32": cast.on(("int16", "float32"), SHAPE),
    "cast float32-int8": cast.on(("float32", "int8"), SHAPE),
}

#: What only TFLite has: the oracle of a whole model is then its reference.
OTHERS: dict[str, Sample] = {
    "relu_n1_to_1-float32": unary.on("RELU_N1_TO_1", "float32", SHAPE),
    "neg-int32": convert.on("NEG", ("int32", "int32"), SHAPE),
    "quantize-uint8": convert.on("QUANTIZE", ("float32", "uint8"), SHAPE, scales=(None, (0.1, 100))),
    "cast float32-bool": cast.on(("float32", "bool"), SHAPE),
    "cast int64-float32": cast.on(("int64", "float32"), SHAPE),
    "cast float32-int64": cast.on(("float32", "int64"), SHAPE),
    "cast bool-int64": cast.on(("bool", "int64"), SHAPE),
}


def in_float(sample: Sample) -> Sample:
    """The sample with its outputs cast to float32."""

    def add(b: tb.ModelBuilder) -> Ends:
        inputs, outputs = sample(b)
        floats: list[int] = []
        for output in outputs:
            tensor = b.tensors[output]
            floats.append(output if tensor.dtype == "float32" else b.tensor(tensor.shape, "float32"))
            if tensor.dtype != "float32":
                b.op("CAST", [output], [floats[-1]], tb.cast_options(tensor.dtype, "float32"))
        return inputs, floats

    return add


#: A measurement keeps outputs of one type; these values are small enough for float32 to hold each.
SAMPLES: dict[str, Sample] = {
    name: in_float(sample) for name, sample in {**FUNCTIONS, **CONVERSIONS, **OTHERS}.items()
}

NETS: dict[str, tuple[str, ...]] = {
    "functions of one value": (*FUNCTIONS, *CONVERSIONS),
    "what only TFLite has": tuple(OTHERS),
}
