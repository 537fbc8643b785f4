# SPDX-License-Identifier: Apache-2.0
"""A .tflite file with the sizes that it leaves open filled in, for interpreters that believe what it says.

TFLite works such sizes out as it runs; TFLM takes what stands in the file, which is wrong behind a
computed RESHAPE or a SPACE_TO_BATCH_ND of a model with an open batch.
"""

from __future__ import annotations

import tflite

from harness.compiler.cpu import FLAT
from harness.compiler.fold import fold
from harness.graph import read_tflite


def settled(model: bytes) -> bytes:
    """The same file where nothing is open or of another rank, else one with other shapes in place.

    Raises:
        ModelError, UnsupportedError: a file that cannot be compiled.
    """
    declared = read_tflite(model, name="model")
    if not any(tensor.is_dynamic for tensor in declared.tensors):
        return model
    known = fold(declared, FLAT).graph
    patched = bytearray(model)
    subgraph = tflite.Model.GetRootAs(patched, 0).Subgraphs(0)
    for before, after in zip(declared.tensors, known.tensors, strict=True):
        if before.shape != after.shape and len(before.shape) == len(after.shape):
            subgraph.Tensors(before.index).ShapeAsNumpy()[:] = after.shape
    return bytes(patched)
