# SPDX-License-Identifier: Apache-2.0
"""SVDF: filters over the last inputs, each a product of a feature and a time vector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.compiler.fixed_point import INT8_MAX, INT8_MIN, quantize_multiplier
from harness.compiler.kernel_call import (
    Constant,
    KernelCall,
    destination,
    float_array,
    int8_array,
    source,
    state,
    structure,
    table,
)
from harness.compiler.kernels.common import (
    check_dims,
    int8_limits,
    options,
    range_float32,
    tensor_in,
    tensor_out,
    unsupported,
)
from harness.compiler.kernels.recurrent import (
    asymmetric,
    constant_of,
    factor,
    has_input,
    state_tensor,
    symmetric,
    wrapped_int32,
)
from harness.compiler.site import Site
from harness.graph import Activation, DType, SvdfParams

Array = npt.NDArray[Any]

_FEATURE: Final = 1
_TIME: Final = 2
_BIAS: Final = 3
_STATE: Final = 4

_FIX: Final = (
    "It has float32, and int8 with state and time weights both int8 or both int16; constant weights."
)


def svdf(site: Site) -> Sequence[KernelCall]:
    """Weights stay in the converter's order; in float a TANH comes after."""
    params = options(site, SvdfParams)
    x, y, time = tensor_in(site, 0), tensor_out(site), tensor_in(site, _TIME)
    size = _size(site, params.rank)
    batches, inputs, units, rank, memory = size
    state_tensor(site, _STATE, time.dtype, batches * units * rank * memory)
    if site.op.inputs[0] == site.op.inputs[_STATE]:
        raise unsupported(site, "has one tensor as input and state")
    feature = constant_of(site, _FEATURE, (x.dtype,), (units * rank, inputs))
    time_weights = constant_of(site, _TIME, (time.dtype,), (units * rank, memory))
    geometry = structure("size", "struct nn_svdf", [str(field) for field in size])
    types = (x.dtype, time.dtype, y.dtype)
    if types == (DType.FLOAT32,) * 3:
        is_tanh = params.activation is Activation.TANH
        range_ = range_float32(Activation.NONE if is_tanh else params.activation)
        call = KernelCall(
            function="nn_svdf_float32",
            arguments=(
                source("float"), destination("float"), state("float", _STATE),
                float_array("feature", feature), float_array("time", time_weights),
                float_array("bias", _bias(site, DType.FLOAT32, units)), geometry, range_,
            ),
        )  # fmt: skip
        return (call, _tanh(batches * units)) if is_tanh else (call,)
    kernel = {
        (DType.INT8, DType.INT8, DType.INT8): "nn_svdf_int8",
        (DType.INT8, DType.INT16, DType.INT8): "nn_svdf_int8_int16",
    }.get(types)
    if kernel is None:
        raise unsupported(site, f"works on {', '.join(dtype.value for dtype in types)}", fix=_FIX)
    _check_range(site, params.activation)
    call = KernelCall(
        function=kernel,
        arguments=(
            source("int8_t"), destination("int8_t"),
            state("int8_t" if time.dtype is DType.INT8 else "int16_t", _STATE),
            int8_array("feature", feature), _feature_bias(site, feature),
            table("time", time.dtype, time_weights), _output_bias(site, time_weights, units), geometry,
            _scales(site),
        ),
    )  # fmt: skip
    return (call,)


def _tanh(count: int) -> KernelCall:
    """Of the output, in place."""
    made = destination("float")
    return KernelCall(
        function="nn_tanh_float32", arguments=(replace(made, ctype="const float *"), made, str(count))
    )


def _size(site: Site, rank: int) -> tuple[int, int, int, int, int]:
    """Batches, inputs, units, rank, memory."""
    x, y = tensor_in(site, 0).shape, tensor_out(site).shape
    filters, time = tensor_in(site, _FEATURE).shape, tensor_in(site, _TIME).shape
    if len(x) != 2 or len(filters) != 2 or len(time) != 2 or rank < 1 or filters[0] % rank:
        raise unsupported(site, f"has shape {list(x)}, rank {rank}, weights {list(filters)}, {list(time)}")
    units = filters[0] // rank
    if y != (x[0], units):
        raise unsupported(site, f"makes {list(y)} of {list(x)} with {units} units")
    check_dims(site, (math.prod(x), math.prod(y), math.prod(time), math.prod(filters)))
    return x[0], x[1], units, rank, time[1]


def _bias(site: Site, dtype: DType, units: int) -> Array:
    """The bias, zeros where there is none."""
    if not has_input(site, _BIAS):
        return np.zeros(units, dtype.numpy)
    return constant_of(site, _BIAS, (dtype,), (units,))


def _check_range(site: Site, activation: Activation) -> None:
    """The reference leaves a fused activation to the output's range, and so must the model."""
    if activation is Activation.TANH:
        raise unsupported(site, "fuses TANH in int8", fix="NONE and RELU are supported.")
    if int8_limits(asymmetric(site, tensor_out(site)), activation) != (INT8_MIN, INT8_MAX):
        raise unsupported(
            site, f"fuses {activation.value} into an output whose range is wider",
            fix="In int8 the output's scale and zero point must say it, as TensorFlow's converter does.",
        )  # fmt: skip


def _feature_bias(site: Site, feature: Array) -> Constant:
    zero = asymmetric(site, tensor_in(site, 0)).zero_point
    return wrapped_int32("feature_bias", (-zero * feature.astype(np.int64).sum(axis=1)).tolist())


def _output_bias(site: Site, time: Array, units: int) -> Constant:
    zero = asymmetric(site, tensor_in(site, _STATE)).zero_point
    sums = time.astype(np.int64).reshape(units, -1).sum(axis=1)
    return wrapped_int32("bias", (_bias(site, DType.INT32, units).astype(np.int64) - zero * sums).tolist())


def _scales(site: Site) -> Constant:
    """struct nn_svdf_scales."""
    x, y, memory = (
        asymmetric(site, t) for t in (tensor_in(site, 0), tensor_out(site), tensor_in(site, _STATE))
    )
    feature, time = (symmetric(site, tensor_in(site, position)).scale for position in (_FEATURE, _TIME))
    to_state = x.scale * feature / memory.scale
    to_output = memory.scale * time / y.scale
    fields = (
        factor(*quantize_multiplier(to_state)), factor(*quantize_multiplier(to_output)),
        str(memory.zero_point), str(y.zero_point),
    )  # fmt: skip
    return structure("scales", "struct nn_svdf_scales", fields)


KERNELS = {
    "SVDF": svdf,
}
