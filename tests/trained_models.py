# SPDX-License-Identifier: Apache-2.0
"""The product's own trained models for tests, from the product's own cache: trained once, shared."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.graph import read_tflite, to_real, to_stored
from harness.quantize import VARIANTS
from harness.quantize.trained import data_set, prepare, variant
from harness.reference import expected_outputs
from harness.workloads import DataSet, find_workload


@functools.cache
def variants_of(name: str) -> dict[str, bytes]:
    """The .tflite of every variant of a built-in workload."""
    workload = find_workload(name)
    prepare(workload, tuple(VARIANTS))
    return {identifier: variant(workload, identifier).tflite for identifier in VARIANTS}


@functools.cache
def data_of(name: str) -> DataSet:
    """The data that the workload was trained on."""
    return data_set(find_workload(name))


def infer(tflite: bytes, inputs: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
    """Real-valued outputs (n, k) of the oracle on real-valued inputs (n, ...)."""
    graph = read_tflite(tflite, name="model.tflite")
    (start,), (end,) = graph.input_tensors(), graph.output_tensors()
    outputs = expected_outputs(tflite, [to_stored(inputs, start)]).outputs[0]
    return to_real(outputs.reshape(len(inputs), -1), end)


@functools.cache
def score_of(name: str, identifier: str) -> float:
    """The workload's metric of one variant on the test set, by the oracle."""
    workload = find_workload(name)
    data = data_of(name)
    return workload.score(infer(variants_of(name)[identifier], data.x_test), data.x_test, data.y_test)
