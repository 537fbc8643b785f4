# SPDX-License-Identifier: Apache-2.0
"""A case's log: what ours say between the lines of the programs that work for it."""

from __future__ import annotations

from pathlib import Path


def note(log: Path, text: str) -> None:
    """Write a line into the log."""
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")
