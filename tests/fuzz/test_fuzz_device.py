# SPDX-License-Identifier: Apache-2.0
"""The device's receiver survives any bytes and always answers the next HELLO: 10 MB for each size of frames
here, as many as one likes by `./run fuzz` (QUANTRIG_FUZZ_BYTES, QUANTRIG_FUZZ_SEED)."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from tests.link.memory_device import DEVICE, compile_c

SANITIZERS = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
FUZZER = Path(__file__).resolve().parent / "fuzz_device.c"


def fuzz(folder: Path, frame_bytes: int, total_bytes: int, seed: int) -> str:
    # an input and output longer than the Uno's frames, so that they travel in pieces
    flags = [*SANITIZERS, f"-DQR_FRAME_BYTES={frame_bytes}", "-DFAKE_BYTES_0=300", "-DQR_MODEL_STEPS=3"]
    program = compile_c(folder / f"fuzz-{frame_bytes}", [DEVICE / "port_memory.c", FUZZER], *flags)
    done = subprocess.run([program, str(total_bytes), str(seed)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"seed {seed}: {done.stderr}"
    return done.stdout


@pytest.mark.parametrize("frame_bytes", [44, 124, 2048])
def test_the_device_survives_ten_megabytes(tmp_path: Path, frame_bytes: int) -> None:
    assert "survived" in fuzz(tmp_path, frame_bytes, 10_000_000, seed=1)


@pytest.mark.fuzz
@pytest.mark.parametrize("frame_bytes", [44, 124, 2048])
def test_the_device_survives_for_long(tmp_path: Path, frame_bytes: int) -> None:
    total = int(os.environ.get("QUANTRIG_FUZZ_BYTES", "300_000_000"))
    seed = int(os.environ.get("QUANTRIG_FUZZ_SEED", "0")) or random.getrandbits(32)
    print(f"seed {seed}:", fuzz(tmp_path, frame_bytes, total, seed))
