# SPDX-License-Identifier: Apache-2.0
"""The platform object that PlatformIO asks for; everything of interest is in builder/ and boards/."""

from __future__ import annotations

from platformio.public import PlatformBase


class QuantrigPlatform(PlatformBase):
    """No packages: the toolchains are those on PATH."""

    def is_embedded(self) -> bool:
        """Tells `pio run -t upload` that an upload exists (PlatformIO infers it from packages)."""
        return True
