# SPDX-License-Identifier: Apache-2.0
"""Results -> text and pictures."""

from harness.report.tables import terminal_tables

__all__ = ["terminal_tables"]
