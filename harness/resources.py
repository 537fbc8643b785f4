# SPDX-License-Identifier: Apache-2.0
"""Where the files that travel with the package lie: in a checkout, or inside an installed wheel."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource(name: str) -> Path:
    """Path of `firmware` or `boards.yaml`: beside the package in a checkout, in `_data` of a wheel."""
    packaged = _PACKAGE / "_data" / name
    return packaged if packaged.exists() else _PACKAGE.parent / name


def cache_dir() -> Path:
    """The user's cache folder for everything that can be made again (`QUANTRIG_CACHE` overrides it)."""
    chosen = os.environ.get("QUANTRIG_CACHE")
    if chosen:
        return Path(chosen).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "quantrig"
