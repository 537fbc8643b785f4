# SPDX-License-Identifier: Apache-2.0
"""Damaged .tflite files: each is refused by one clear error, or becomes code that the sanitizers pass.

Three hundred here, ten thousand by `./run fuzz` (QUANTRIG_FUZZ_SEED chooses others).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness import children
from tests.fuzz.damaged import MEMORY_BYTES
from tests.kernels.sanitized import SANITIZE
from tests.native_model import INCLUDES, kernel_archive, run

#: The models' own code is tables and calls: what is watched are the kernels, and the tables' ends.
MODEL_FLAGS = ("-std=gnu11", "-O0", "-w", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def survive(folder: Path, *, count: int, seed: int) -> dict[str, Any]:
    """The report on so many damaged files, after everything that compiled has run clean."""
    environment = children.package_environment() | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    }
    done = children.run(
        [sys.executable, "-m", "tests.fuzz.damaged", folder, str(count), str(seed)],
        timeout_s=1200, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, f"seed {seed}: {done.output[-3000:]}"
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    assert report["failures"] == [], f"seed {seed}"
    assert report["rss_bytes"] < MEMORY_BYTES
    run(
        "gcc", *MODEL_FLAGS, f"-I{folder}", *INCLUDES, "-o", folder / "programs", folder / "programs.c",
        kernel_archive(flags=SANITIZE), "-lm",
    )  # fmt: skip
    ran = subprocess.run([folder / "programs"], capture_output=True, text=True, check=False, timeout=1200)
    last = (ran.stdout.split() or ["?"])[-1]
    assert ran.returncode == 0, f"seed {seed}, file {last}: {ran.stderr[:3000]}"
    return report


def test_three_hundred_damaged_models(tmp_path: Path) -> None:
    report = survive(tmp_path, count=300, seed=1)
    assert report["refused"] > 50
    assert report["compiled"] - report["too_large_to_run"] > 50


@pytest.mark.fuzz
def test_ten_thousand_damaged_models(tmp_path: Path) -> None:
    seed = int(os.environ.get("QUANTRIG_FUZZ_SEED", "0")) or int.from_bytes(os.urandom(3), "little")
    for part in range(20):
        folder = tmp_path / str(part)
        folder.mkdir()
        report = survive(folder, count=500, seed=seed + part)
        print(f"seed {seed + part}:", {key: value for key, value in report.items() if key != "failures"})
