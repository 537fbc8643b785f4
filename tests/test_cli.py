# SPDX-License-Identifier: Apache-2.0
"""The command line: help, and one clear message for each kind of bad input, never a traceback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from harness.boards import load_boards
from harness.errors import HangError
from harness.run_reader import RunReader
from tests.conftest import Command


@pytest.mark.parametrize("arguments", [(), ("sweep",), ("boards",), ("doctor",), ("report",), ("compare",)])
def test_help_is_there_for_a_newcomer(quantrig: Command, arguments: tuple[str, ...]) -> None:
    code, out, _ = quantrig(*arguments, "--help")
    assert code == 0
    assert "Usage: quantrig" in out


SPEC_WITH_WRONG_KEY = "workloads: [digits]\nvariant: [float32]\n"
SPEC_WITH_WRONG_TYPE = "workloads: digits\n"
BOARDS_WITH_WRONG_KEY = "uno:\n  titel: Uno\n"


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (("sweep", "-w", "digit"), 2, ("Unknown workload 'digit'", "'digits'")),
        (("sweep", "-b", "unno"), 2, ("Unknown board 'unno'", "'uno'")),
        (("sweep", "-v", "ptq_int8"), 2, ("ptq-int8",)),
        (("sweep", "-v", "ptq-int8+kalib=3"), 2, ("kalib",)),
        (("sweep", "-t", "renod"), 2, ("Unknown target 'renod'",)),
        (("sweep", "--lane", "uno:qemu"), 2, ("'uno' does not run on target 'qemu'", "simavr")),
        (("sweep", "-k", "nothing*"), 2, ("matches none", "digits/float32/aot@native:native")),
        (("sweep", "--samples", "0"), 2, ("samples", "positive")),
        (("sweep", "--samples", "many"), 2, ("--samples", "many")),
        (("sweep", "--frobnicate"), 2, ("--frobnicate",)),
        (("sweep", "--port", "uno"), 2, ("--port 'uno'", "--port uno=/dev/ttyACM0")),
        (("sweep", "missing.yaml"), 2, ("missing.yaml", "No such file")),
        (("sweep", "key.yaml"), 2, ("key.yaml:2", "'variant'", "'variants'")),
        (("sweep", "type.yaml"), 2, ("type.yaml:1", "must be a list")),
        (("sweep", "--boards", "boards.yaml"), 2, ("boards.yaml:2: ", "'titel'", "'title'")),
        (("sweep", "--resume", "nope"), 2, ("No run 'nope'",)),
        (("sweep", "--resume", "nope", "-w", "sine"), 2, ("--resume with other options",)),
        (("sweep", "--retry-failed", "nope"), 2, ("No run 'nope'",)),
        (("sweep", "--retry-failed", "nope", "--samples", "3"), 2, ("--retry-failed with other options",)),
        (("sweep", "--retry-failed", "a", "--resume", "a"), 2, ("--resume and --retry-failed",)),
        (("sweep", "--retries", "-1"), 2, ("retries: -1", "from 0 to 20")),
        (("sweep", "--quarantine", "gone.yaml"), 2, ("gone.yaml cannot be read",)),
        (("sweep", "--quarantine", "key.yaml"), 2, ("key.yaml:1: ", "not a list of entries")),
        (("sweep", "--model", "gone.keras", "--data", "data.npz"), 3, ("gone.keras", "no such file")),
        (("sweep", "--model", "net.keras"), 2, ("net.keras", "--data")),
        (("sweep", "--model", "net.keras", "--data", "broken.npz"), 3, ("broken.npz", "cannot be read")),
        (("sweep", "--model", "net.tflite", "-v", "ptq-int8"), 2, ("'ptq-int8' does not apply", "as-is")),
        (("sweep", "--model", "net.tflite", "--metric", "auc"), 2, ("--metric auc without --data",)),
        (("sweep", "-v", "as-is"), 2, ("'as-is' does not apply to digits", "float32")),
        (("sweep", "-w", "gone.py"), 3, ("gone.py", "no such file")),
        (("sweep", "-w", "bad.py"), 3, ("bad.py:2", "ZeroDivisionError")),
        (("report", "nope"), 2, ("No run 'nope'",)),
        (("report", "n" * 300), 2, ("No run 'nnn",)),
        (("compare", "n" * 300, "latest"), 2, ("File name too long",)),
        (("report", "foreign"), 2, ("foreign", "run.json")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_bad_input_gives_one_message_with_the_fix(
    quantrig: Command, tmp_path: Path, arguments: tuple[str, ...], code: int, parts: tuple[str, ...]
) -> None:
    (tmp_path / "key.yaml").write_text(SPEC_WITH_WRONG_KEY)
    (tmp_path / "type.yaml").write_text(SPEC_WITH_WRONG_TYPE)
    (tmp_path / "boards.yaml").write_text(BOARDS_WITH_WRONG_KEY)
    (tmp_path / "net.keras").write_bytes(b"not a model")
    (tmp_path / "net.tflite").write_bytes(b"never read")
    (tmp_path / "bad.py").write_text("METRIC = 'mae'\n1 / 0\n")
    (tmp_path / "broken.npz").write_bytes(b"not an archive")
    (tmp_path / "foreign").mkdir()
    ended, _, err = quantrig(*arguments)
    assert ended == code
    assert "Traceback" not in err
    for part in parts:
        assert part in err, err
    assert not list((tmp_path / "results").glob("*")), "a refused sweep must leave nothing"


@pytest.mark.train
def test_an_unreadable_model_fails_its_cases_and_says_why(quantrig: Command, tmp_path: Path) -> None:
    (tmp_path / "net.keras").write_bytes(b"PK\x03\x04 not really")
    x, y = np.zeros((40, 4), np.float32), np.arange(40) % 2
    np.savez(tmp_path / "data.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    code, out, err = quantrig(
        "sweep", "--model", "net.keras", "--data", "data.npz", "-v", "float32", "--lane", "native:native"
    )
    assert code == 3
    assert "net.keras" in err
    assert "Traceback" not in out + err


def test_dry_run_shows_cases_flash_writes_and_no_invented_time(quantrig: Command, tmp_path: Path) -> None:
    code, out, _ = quantrig(
        "sweep", "--dry-run", "-w", "sine", "--lane", "native:native", "--lane", "uno:hardware"
    )
    assert code == 0
    assert out.count("sine/") == 6
    assert "no estimate" in out
    assert "uno: 3" in out
    assert not (tmp_path / "results").exists()


def test_dry_run_leaves_out_what_is_quarantined(quantrig: Command, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text('- cases: ["*float32*", "gone*"]\n  comment: Loose plug.\n')
    code, out, err = quantrig(
        *("sweep", "--dry-run", "-w", "sine", "--lane", "uno:hardware", "--quarantine", "bad.yaml")
    )
    assert code == 0
    assert "2 cases, no estimate" in out
    assert "left out: sine/float32/aot@uno:hardware\n" in out
    assert "bad.yaml:1: 'gone*' matches no case of this sweep." in err
    assert "flash writes: uno: 2\n" in out


@pytest.mark.train
def test_what_failed_is_run_again_into_its_folder_and_nothing_is_hidden(
    quantrig: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*_: object, **__: object) -> None:
        raise HangError("It says nothing any more.")

    sweep = ("sweep", "-w", "sine", "-v", "ptq-int8", "--lane", "native:native", "--samples", "5")
    with monkeypatch.context() as patch:
        patch.setattr("harness.pipeline.measure", hang)
        code, out, err = quantrig(*sweep, "--retries", "1")
    assert code == 1
    assert "(failed tries before it: 1)" in out
    assert "failed: sine/ptq-int8/aot@native:native: It says nothing any more." in err
    code, out, _ = quantrig("sweep", "--retry-failed", "latest")
    assert code == 0
    assert "1 of 1 cases to run" in out
    (folder,) = (tmp_path / "results").iterdir()
    reader = RunReader.open(folder)
    assert [row.status.value for row in reader.all_rows] == ["failed", "ok"]
    assert [(line.row, line.attempt, line.reason_code) for line in reader.links] == [
        (1, 1, "hang"),
        (1, 2, "hang"),
        (2, 3, None),
    ]
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert report.count("It says nothing any more.") == 2
    assert "**1 cases**: 1 ok." in report
    assert quantrig("sweep", "--retry-failed", "latest")[1].startswith("0 of 1 cases to run")


def test_boards_lists_every_board_with_its_lanes(quantrig: Command) -> None:
    code, out, _ = quantrig("boards")
    assert code == 0
    for name in (
        "native:native",
        "uno:simavr",
        "nucleo_f446re",
        "31.5 KiB",
        "esp32  ESP32 instructions (LLVM code, no",
    ):
        assert name in out
    boards, lanes, ready = map(int, re.findall(r"\d+", out.split("\n\n")[1])[:3])
    assert boards == len(load_boards()) >= 14
    assert lanes == len(re.findall(r"^  [\w-]+:\w+  ", out, re.M))
    assert ready == len(re.findall(r"^  [\w-]+:\w+ +ready$", out, re.M))
    # whatever is not ready says why
    assert not re.findall(r"^  [\w-]+:\w+ *$", out, re.M)


def _environment(**changes: str) -> Mapping[str, str]:
    return {**os.environ, **changes}


def test_doctor_names_what_is_missing_and_the_command(tmp_path: Path) -> None:
    """With an empty PATH nothing is there, and the default lanes cannot run."""
    run = subprocess.run(
        [sys.executable, "-m", "harness", "doctor"],
        env=_environment(PATH=str(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 4
    assert "MISSING uno:simavr" in run.stdout
    assert "apt-get install gcc" in run.stdout
    assert "apt-get install qemu-system-arm" in run.stdout


@pytest.mark.train
def test_a_missing_toolchain_is_a_row_with_its_remedy(tmp_path: Path) -> None:
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "harness",
            "sweep",
            "-w",
            "sine",
            "-b",
            "uno",
            "--out",
            str(tmp_path / "results"),
        ],
        env=_environment(PATH=str(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 4, run.stderr
    assert run.stdout.count("unavailable") >= 3
    assert run.stderr.count("apt-get install") == 1


def test_the_package_answers_from_any_folder(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "harness", "--version"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.startswith("quantrig, version ")
