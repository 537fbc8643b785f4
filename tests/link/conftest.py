# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.link.memory_device import MemoryDevice, compile_library, compile_native


@pytest.fixture(scope="session")
def make_device(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., MemoryDevice]:
    """Compiles the device end once per set of macros; every call gives a restarted device."""
    folder = tmp_path_factory.mktemp("device")
    made: dict[tuple[tuple[str, int], ...], MemoryDevice] = {}

    def make(**defines: int) -> MemoryDevice:
        key = tuple(sorted(defines.items()))
        if key not in made:
            made[key] = MemoryDevice(compile_library(folder, **defines))
        made[key].restart()
        return made[key]

    return make


@pytest.fixture
def device(make_device: Callable[..., MemoryDevice]) -> MemoryDevice:
    """A device with the frames of the Uno."""
    return make_device(QR_FRAME_BYTES=124)


@pytest.fixture(scope="session")
def native_firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The firmware of the native port with the fake model."""
    return compile_native(tmp_path_factory.mktemp("native"))
