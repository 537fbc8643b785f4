# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from tests.bad_hardware.devices import STRANGERS_DIGEST, TICKS_BELOW, with_digest
from tests.link.memory_device import MemoryDevice, compile_library


@pytest.fixture(scope="session")
def devices(tmp_path_factory: pytest.TempPathFactory) -> tuple[MemoryDevice, MemoryDevice]:
    """The device end in this process, with the Uno's frames, and a stranger."""
    folder = tmp_path_factory.mktemp("memory")
    usual = compile_library(folder, QR_FRAME_BYTES=124, FAKE_TICKS_BELOW=TICKS_BELOW)
    return MemoryDevice(usual), MemoryDevice(with_digest(usual, folder / "stranger.so", STRANGERS_DIGEST))
