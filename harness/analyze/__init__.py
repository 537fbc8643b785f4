# SPDX-License-Identifier: Apache-2.0
"""Static facts of a model."""
