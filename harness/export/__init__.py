# SPDX-License-Identifier: Apache-2.0
"""A compiled model as a folder of C that needs nothing else."""

from harness.export.package import Origin, package
from harness.export.self_test import Expectation, self_test_inputs

__all__ = ["Expectation", "Origin", "package", "self_test_inputs"]
