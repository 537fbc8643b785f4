# SPDX-License-Identifier: Apache-2.0
"""docs/BOARDS.md, "Add a board", followed to the letter on a copy of the files."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from harness.boards import load_boards
from harness.build import build
from harness.link.session import Session
from harness.resources import resource
from harness.targets import TARGETS
from tests.tiny_firmware import BOARDS, tiny_source

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "BOARDS.md"

NAME = "disco_f407vg"


def texts_of_the_document() -> dict[str, str]:
    """File name -> the block under it."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return dict(re.findall(r"^`([\w./]+)`\n```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the steps change, with the steps done."""
    root = tmp_path / "checkout"
    shutil.copytree(
        resource("firmware"), root / "firmware", ignore=shutil.ignore_patterns(".*", "__pycache__")
    )
    shutil.copy(resource("boards.yaml"), root / "boards.yaml")
    texts = texts_of_the_document()
    assert texts.keys() == {
        f"firmware/platforms/quantrig/boards/{NAME}.json",
        "firmware/platformio.ini",
        "boards.yaml",
    }
    for name, text in texts.items():
        with (root / name).open("a", encoding="utf-8") as file:
            file.write("\n" + text)
    return root


@pytest.mark.emulator
def test_the_steps_give_a_board_that_runs(checkout: Path, tmp_path: Path) -> None:
    boards = load_boards(checkout / "boards.yaml")
    assert boards.keys() == {*BOARDS, NAME}
    board = boards[NAME]
    firmware = build(
        tiny_source(), board, case_id="tiny", cache=tmp_path / "cache", firmware=checkout / "firmware"
    )
    with TARGETS["qemu"].open(firmware, board, log=tmp_path / "log") as transport:
        hello = Session(transport).hello()
    assert hello.board == NAME
    assert hello.firmware_sha256 == firmware.firmware_sha256


def test_every_key_is_explained() -> None:
    """The table of keys names what the file uses, and nothing else."""
    explained = set(
        re.findall(r"`([a-z_.]+)`", "".join(re.findall(r"^\| (`.*?) \|", DOCUMENT.read_text(), re.M)))
    )
    fields = set(BOARDS["uno"].__dataclass_fields__) - {"name", "upload", "reset"}
    nested = {"upload.protocol", "upload.usb_ids", "reset.settle_s"}
    targets_and_boards = {*TARGETS, *BOARDS}
    assert explained - targets_and_boards == fields | nested
