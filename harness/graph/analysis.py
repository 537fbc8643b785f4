# SPDX-License-Identifier: Apache-2.0
"""What a graph costs, counted without running it."""

from __future__ import annotations

from harness.graph.nodes import Graph, Op

#: Operations whose multiply-accumulates are one per weight use.
_MAC_KINDS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def count_params(graph: Graph) -> int:
    """Number of weights and biases: elements of every constant that a layer with weights reads."""
    indices = {i for op in graph.ops if op.kind in _MAC_KINDS for i in op.inputs[1:3] if i is not None}
    return sum(graph.tensors[i].elements for i in indices)


def count_macs(graph: Graph) -> int:
    """Multiply-accumulates of one inference, padded taps included (the convention of the field)."""
    return sum(op_macs(graph, op) for op in graph.ops)


def op_macs(graph: Graph, op: Op) -> int:
    """Multiply-accumulates of one operation; 0 for one without weights."""
    if op.kind not in _MAC_KINDS or op.inputs[1] is None:
        return 0
    weights = graph.tensors[op.inputs[1]]
    output = graph.tensors[op.outputs[0]]
    if op.kind == "CONV_2D":
        per_output = weights.elements // weights.shape[0]
    elif op.kind == "DEPTHWISE_CONV_2D":
        per_output = weights.shape[1] * weights.shape[2]
    else:
        per_output = weights.shape[-1]
    return output.elements * per_output
