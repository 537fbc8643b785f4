# SPDX-License-Identifier: Apache-2.0
"""FULLY_CONNECTED: rows of vectors times a matrix, which is constant or computed."""

from __future__ import annotations

from harness.compiler.kernel_call import KernelCall
from harness.compiler.kernels.common import check_dims, options, tensor_in, tensor_out, unsupported
from harness.compiler.kernels.matmul import computed_weights
from harness.compiler.kernels.weighted import Layer, bias_types
from harness.compiler.site import Site
from harness.graph import FullyConnectedParams


def fully_connected(site: Site) -> KernelCall:
    """Weights stay in the converter's order [outputs][inputs]; the shape of the input does not matter."""
    params = options(site, FullyConnectedParams)
    x, y, weights = tensor_in(site, 0), tensor_out(site), tensor_in(site, 1)
    if (
        len(weights.shape) != 2
        or x.elements % weights.shape[1]
        or y.shape[-1:] != weights.shape[:1]
        or y.elements != x.elements // weights.shape[1] * weights.shape[0]
    ):
        shapes = f"{list(weights.shape)} on an input of {list(x.shape)}"
        raise unsupported(
            site, f"has weights of shape {shapes}", fix="Weights (outputs, inputs) are supported."
        )
    outputs, inputs = weights.shape
    rows = x.elements // inputs
    check_dims(site, (rows, inputs, outputs, x.elements, weights.elements, y.elements))
    if weights.data is None:
        return computed_weights(site, rows=rows, activation=params.activation)
    return Layer(
        site=site,
        name="fully_connected",
        weights=weights.data,
        geometry=(str(rows), str(inputs), str(outputs)),
        activation=params.activation,
        int16_biases=bias_types(params.quantized_bias_type),
        in_place=outputs == 1,
    ).call()


KERNELS = {
    "FULLY_CONNECTED": fully_connected,
}
