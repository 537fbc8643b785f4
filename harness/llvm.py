# SPDX-License-Identifier: Apache-2.0
"""Whether LLVM is of the release whose Xtensa code was proved; the firmware's own compiler driver knows."""

from __future__ import annotations

import functools
import shutil
import sys
from pathlib import Path
from typing import Final

from harness import children
from harness.resources import resource

_TOOLS: Final = ("clang-22", "llc-22", "llvm-mc-22")


def unavailable() -> str | None:
    """Why LLVM does not compile for the ESP32 lane, in one sentence with the remedy; None when it does."""
    found = [shutil.which(tool) for tool in _TOOLS]
    return _asked(tuple((path, Path(path).stat().st_mtime_ns) for path in found if path))


@functools.cache
def _asked(tools: tuple[tuple[str, int], ...]) -> str | None:
    """The driver's answer; asked again when a tool has changed."""
    driver = resource("firmware") / "platforms" / "quantrig" / "builder" / "xtensa_cc.py"
    answer = children.run([sys.executable, driver, "--version"], timeout_s=60)
    if answer.returncode == 0:
        return None
    words = answer.output.strip().removeprefix("xtensa_cc: ")
    return words or "LLVM's tools do not tell their version: `apt-get install --reinstall clang-22 llvm-22`."
