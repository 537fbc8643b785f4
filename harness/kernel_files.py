# SPDX-License-Identifier: Apache-2.0
"""Which files of firmware/lib/nn a program needs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from harness.errors import BuildError
from harness.resources import resource


def kernel_files(functions: Iterable[str]) -> dict[str, str]:
    """Name -> text of the sources that define these functions, of what they call, and of their headers.

    Raises:
        BuildError: nothing defines one of them.
    """
    folder = resource("firmware") / "lib" / "nn"
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())}
    homes = _definitions(texts)
    chosen: set[str] = set()
    waiting = sorted(functions)
    for name in waiting:
        if name not in homes:
            raise BuildError(f"No kernel is called {name}.", cause=f"{folder} does not define it.")
    while waiting:
        file = homes[waiting.pop()]
        if file not in chosen:
            chosen.add(file)
            waiting += sorted({word for word in _words(texts[file]) if word in homes})
    headers = ["nn.h", *(name for file in chosen for name in _included(texts[file]))]
    while headers:
        header = headers.pop()
        if header not in chosen:
            chosen.add(header)
            headers += _included(texts[header])
    return {name: texts[name] for name in sorted(chosen)}


def _definitions(texts: dict[str, str]) -> dict[str, str]:
    """Function -> the .c file that defines it for others."""
    return {
        name: file
        for file, text in texts.items()
        if Path(file).suffix == ".c"
        for name in re.findall(r"^(?!static\b)[\w ]+?\**\b(nn_\w+)\([^;{]*\)\s*\{", text, re.MULTILINE)
    }


def _words(text: str) -> set[str]:
    return set(re.findall(r"\bnn_\w+(?=\()", text))


def _included(text: str) -> list[str]:
    return re.findall(r'^#include "(nn\w*\.h)"', text, re.MULTILINE)
