# SPDX-License-Identifier: Apache-2.0
"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# The same examples in every run: a red test is red for everybody. `./run fuzz` draws new ones.
settings.register_profile("tests", derandomize=True, deadline=None, database=None)
settings.register_profile("fuzz", deadline=None, max_examples=10_000)
settings.load_profile("tests")
