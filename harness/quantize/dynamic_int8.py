# SPDX-License-Identifier: Apache-2.0
"""Weights of int8, activations of float32 (hybrid); the converter leaves layers of few weights alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.quantize.export import Form, export
from harness.quantize.variant import Variant
from harness.workloads import DataSet

NAME = "dynamic-int8"
TITLE = "float32 with int8 weights (hybrid)"
OPTIONS: frozenset[str] = frozenset()


def convert(model: Any, data: DataSet, *, options: Mapping[str, str], seed: int) -> Variant:
    """See `Recipe`; has no options and draws nothing."""
    del options, seed
    tflite = export(model, Form.DYNAMIC_INT8, sample_shape=data.sample_shape)
    return Variant(name=NAME, options="", tflite=tflite)
