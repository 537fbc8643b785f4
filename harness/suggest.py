# SPDX-License-Identifier: Apache-2.0
"""The right name for somebody who wrote a wrong one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """The sentence that helps somebody who wrote `name`: a close name, or all there are."""
    choices = sorted(known)
    close = difflib.get_close_matches(name, choices, n=1)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known: {', '.join(choices)}." if choices else "There are none."
