# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from platformio.public import PlatformBase


class Espressif32Platform(PlatformBase):  # type: ignore[misc]  # PlatformIO has no types
    def is_embedded(self) -> bool:
        return True
