# SPDX-License-Identifier: Apache-2.0
"""docs/BOARDS.md, "Add a board", followed to the letter by the installed command."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.boards import EMULATORS
from harness.targets import TARGETS
from tests.tiny_firmware import BOARDS

DOCUMENT = (Path(__file__).resolve().parents[1] / "docs" / "BOARDS.md").read_text(encoding="utf-8")

FILES = re.findall(r"^`([\w.-]+)`\n```yaml\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^```sh\nquantrig (.*?)\n```$", DOCUMENT, re.MULTILINE)


def quantrig(arguments: str, folder: Path) -> str:
    """What the command prints; it must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "harness", *arguments.split()],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.emulator
@pytest.mark.train
def test_the_steps_give_a_board_that_runs(tmp_path: Path) -> None:
    (name, text), _ = FILES
    (tmp_path / name).write_text(text, encoding="utf-8")
    look, run = COMMANDS
    assert re.search(r"disco_f407vg:qemu +ready", quantrig(look, tmp_path))
    quantrig(run, tmp_path)
    (table,) = tmp_path.glob("results/*/results.csv")
    with table.open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["case"], row["status"]) == ("sine/ptq-int8/aot@disco_f407vg:qemu", "ok")
    assert row["mismatches"] == "0"
    assert int(row["outputs_compared"]) > 0


def test_the_entry_is_ten_lines() -> None:
    assert all(len(text.splitlines()) <= 10 for _, text in FILES)


def test_the_arduino_board_is_known_and_says_what_it_lacks(tmp_path: Path) -> None:
    _, (name, text) = FILES
    (tmp_path / name).write_text(text, encoding="utf-8")
    shown = quantrig(f"boards --boards {name}", tmp_path)
    assert "lolin_d32:hardware" in shown
    assert "pio pkg install" in " ".join(shown.split())


def test_every_key_is_explained() -> None:
    """The table of keys names what the file uses, and nothing else."""
    rows = re.findall(r"^\| (`[a-z_.]+`(?:, `[a-z_.]+`)*) \| [^|]*\| .* \|$", DOCUMENT, re.MULTILINE)
    explained = set(re.findall(r"`([a-z_.]+)`", "".join(rows)))
    fields = set(BOARDS["uno"].__dataclass_fields__) - {"name", "upload", "reset"}
    nested = {"upload.protocol", "upload.usb_ids", "reset.settle_s"}
    assert explained - {*TARGETS, *BOARDS} == fields | nested | {"inherits"}


def test_every_emulated_board_is_in_the_last_table() -> None:
    table = DOCUMENT[DOCUMENT.index("| board | emulator |") :]
    for board in BOARDS.values():
        assert not board.emulators or f"`{board.name}`" in table
    assert EMULATORS.keys() <= TARGETS.keys()
