# SPDX-License-Identifier: Apache-2.0
"""What our PlatformIO platform builds, looked at from outside."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from harness.boards import load_boards
from harness.errors import BuildError, DoesNotFitError
from tests.firmware.conftest import MakeFirmware

PLATFORM = Path(__file__).resolve().parents[2] / "firmware" / "platforms" / "quantrig"
LOCAL = sorted(path.stem for path in (PLATFORM / "boards").glob("*.json"))

RECURSION = """
static volatile int step = 1;
static __attribute__((noinline)) int down(int n) { return n > 0 ? step + step * down(n - step) : 0; }
"""

pytestmark = pytest.mark.emulator  # they need the cross compilers, as the emulator tests do


@pytest.mark.parametrize("board", LOCAL)
def test_every_board_builds(firmware: MakeFirmware, board: str) -> None:
    built = firmware(board)
    assert built.image.stat().st_size > 0
    assert "-ffp-contract=off" in built.toolchain
    assert "-Werror" in built.toolchain


@pytest.mark.parametrize("board", ["uno", "stm32f4"])
def test_bytes_do_not_depend_on_the_folder(firmware: MakeFirmware, board: str) -> None:
    first, second = firmware(board), firmware(board, place="another-and-longer-one")
    assert first.elf != second.elf
    assert first.firmware_sha256 == second.firmware_sha256
    assert first.image.read_bytes() == second.image.read_bytes()


@pytest.mark.parametrize("board", LOCAL)
def test_board_file_agrees_with_boards_yaml(board: str) -> None:
    manifest = json.loads((PLATFORM / "boards" / f"{board}.json").read_text(encoding="utf-8"))
    ours = load_boards()[board]
    assert manifest["build"]["port"] == ours.port
    if board != "native":
        assert manifest["upload"]["maximum_size"] == ours.flash_bytes
        assert manifest["upload"]["maximum_ram_size"] == ours.ram_bytes
        assert int(manifest["build"]["f_cpu"].rstrip("L")) == ours.cpu_hz
        assert manifest["build"]["baud"] == ours.baud


def test_arm_image_begins_with_stack_and_reset(firmware: MakeFirmware) -> None:
    built = firmware("stm32f4")
    stack, reset = (int.from_bytes(built.image.read_bytes()[at : at + 4], "little") for at in (0, 4))
    assert stack == 0x2000_0000 + 128 * 1024
    with built.elf.open("rb") as file:
        elf = ELFFile(file)
        assert reset == elf.header["e_entry"]
        assert reset & 1  # Thumb


@pytest.mark.parametrize("board", ["uno", "stm32f4"])
def test_nothing_asks_for_a_heap(firmware: MakeFirmware, board: str) -> None:
    with firmware(board).elf.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        names = {symbol.name for symbol in table.iter_symbols()}
    assert not names & {"malloc", "free", "_sbrk", "_malloc_r", "__malloc_lock"}


def test_ram_that_is_too_small_counts_the_stack(firmware: MakeFirmware) -> None:
    sizes = firmware("uno").sizes
    free = 2048 - sizes.ram_static_bytes - sizes.stack_reserve_bytes
    largest = sizes.arena_bytes + free // 4 * 4
    firmware("uno", arena_bytes=largest)
    with pytest.raises(DoesNotFitError) as caught:
        firmware("uno", arena_bytes=largest + 4)
    assert caught.value.region == "ram"
    assert caught.value.needed_bytes == 2048 + 4 - free % 4


def test_flash_that_is_too_small_is_still_measured(firmware: MakeFirmware) -> None:
    """150 KB of tables: far beyond the chip, beyond 16-bit addresses too."""
    numbers = range(15)
    before = "".join(f"static const uint8_t table{n}[10000] QR_FLASH = {{{n + 1}}};\n" for n in numbers)
    inside = "".join(f"turns += QR_FLASH_U8(&table{n}[qr_arena[5]]);\n" for n in numbers)
    with pytest.raises(DoesNotFitError) as caught:
        firmware("uno", before=before, inside=inside)
    assert caught.value.region == "flash"
    assert 150_000 < caught.value.needed_bytes - firmware("uno").sizes.flash_bytes < 151_000


def test_a_firmware_without_a_stack_bound_does_not_build(firmware: MakeFirmware) -> None:
    with pytest.raises(BuildError, match=r"down: recursion through down"):
        firmware("stm32f4", before=RECURSION, inside="turns += (uint32_t)down(3);")


def test_no_model_is_one_sentence(tmp_path: Path) -> None:
    firmware_tree = PLATFORM.parents[1]
    script = "import sys; sys.path.insert(0, sys.argv[1]); import qr_sources; qr_sources.model_dir(Env())"
    code = "class Env:\n    def Exit(self, code):\n        raise SystemExit(code)\n" + script
    done = subprocess.run(
        ["python3", "-c", code, PLATFORM / "builder"],
        cwd=firmware_tree,
        env={"PATH": "/usr/bin:/bin", "QR_MODEL_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "QR_MODEL_DIR" in done.stderr
    assert "Traceback" not in done.stderr
