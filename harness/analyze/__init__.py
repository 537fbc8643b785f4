# SPDX-License-Identifier: Apache-2.0
"""What a model needs, before any build: layers, memory, flash and RAM of each board, doubts."""

from harness.analyze.footprint import Fit, Footprint, fit
from harness.analyze.layers import Layer
from harness.analyze.memory import Span, bytes_in_use, spans
from harness.analyze.model import Analysis, Unsupported, analyze

__all__ = [
    "Analysis",
    "Fit",
    "Footprint",
    "Layer",
    "Span",
    "Unsupported",
    "analyze",
    "bytes_in_use",
    "fit",
    "spans",
]
