# SPDX-License-Identifier: Apache-2.0
"""quantrig: one honest table over quantized variants and microcontroller boards."""

__version__ = "0.1.0"
