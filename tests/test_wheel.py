# SPDX-License-Identifier: Apache-2.0
"""The wheel carries the firmware template and boards.yaml, and works where no checkout is."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, unpacked as pip would."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("quantrig-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def _quantrig(installed: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        cwd=cwd,
        # -P and an own PYTHONPATH: the checkout must not be what answers
        env={**os.environ, "PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_holds_what_a_build_needs_and_no_leftovers(installed: Path) -> None:
    data = installed / "harness" / "_data"
    assert (data / "boards.yaml").is_file()
    for part in (
        "platformio.ini",
        "src/main.c",
        "lib/nn/nn.h",
        "platforms/quantrig/platform.json",
        "simavr/qr_simavr.c",
    ):
        assert (data / "firmware" / part).is_file(), part
    names = [path.name for path in installed.rglob("*")]
    assert "__pycache__" not in names
    assert ".mypy_cache" not in names


@pytest.mark.emulator
@pytest.mark.train
def test_a_sweep_runs_from_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    done = _quantrig(installed, tmp_path, "sweep", "-w", "sine", "-v", "ptq-int8", "--samples", "5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 ok" in done.stdout
    (run,) = (tmp_path / "results").iterdir()
    assert (run / "report.md").is_file()
    assert str(ROOT) not in (run / "run.json").read_text()
