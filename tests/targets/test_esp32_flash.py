# SPDX-License-Identifier: Apache-2.0
"""The flash image that Espressif's QEMU boots, and the row where that QEMU is not there."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness import toolchains
from harness.build import Firmware
from harness.errors import UnavailableError
from harness.measure import measure
from harness.targets import qemu
from harness.targets.esp32_flash import FLASH_BYTES, flash_image
from tests.tiny_firmware import BOARDS, tiny_firmware

BOARD = BOARDS["esp32dev"]

#: As the builder leaves them beside the program.
PARTS = {"flash_0x1000.bin": 0x1000, "flash_0x8000.bin": 0x8000, "flash_0xe000.bin": 0xE000}
PARTS |= {"firmware.bin": 0x10000}

#: Says that it has the machine; run as one, it checks the flash and then is the native firmware.
FAKE_QEMU = """\
#!/usr/bin/env python3
import os, sys
if "help" in sys.argv:
    print("esp32                Espressif ESP32 machine\\nnone  empty machine")
    sys.exit()
assert "-icount" not in sys.argv and sys.argv[sys.argv.index("-M") + 1] == "esp32", sys.argv
drive = sys.argv[sys.argv.index("-drive") + 1]
file, interface, form = (part.split("=")[1] for part in drive.split(","))
flash = open(file, "rb").read()
assert (len(flash), flash[0x1000:0x1004], interface, form) == (4 << 20, b"0x10", "mtd", "raw")
sys.stdout.write("ets Jul 29 2019 12:21:46\\r\\nrst:0x1 (POWERON_RESET)\\r\\n")
sys.stdout.flush()
os.execv({program!r}, [{program!r}])
"""


def content(name: str) -> bytes:
    """400 bytes that tell the file."""
    return name.removeprefix("flash_")[:4].encode() * 100


@pytest.fixture
def firmware(tmp_path: Path) -> Firmware:
    """The native firmware in the place of the ESP32's, with the files of an ESP32's build beside it."""
    native = tiny_firmware(BOARDS["native"], tmp_path / "cache")
    folder = tmp_path / "esp32"
    folder.mkdir()
    for name in PARTS:
        (folder / name).write_bytes(content(name))
    return replace(native, folder=folder, image=folder / "firmware.bin")


def test_every_part_lies_where_the_boot_loader_looks(firmware: Firmware) -> None:
    flash = flash_image(firmware)
    assert len(flash) == FLASH_BYTES
    for name, at in PARTS.items():
        assert flash[at : at + 400] == content(name)
    assert flash.count(b"\xff") == FLASH_BYTES - 400 * len(PARTS)


def test_without_a_boot_loader_nothing_boots(firmware: Firmware) -> None:
    (firmware.folder / "flash_0x1000.bin").unlink()
    with pytest.raises(UnavailableError, match="No boot loader for 0x1000"):
        flash_image(firmware)


def test_a_part_too_long_is_refused(firmware: Firmware) -> None:
    (firmware.folder / "flash_0x1000.bin").write_bytes(bytes(0x7001))
    with pytest.raises(UnavailableError, match="28673 bytes, its place in flash 28672"):
        flash_image(firmware)


def test_the_board_runs_where_that_qemu_is(
    firmware: Firmware, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through what the boot loader says first, to a whole measurement whose ticks mean nothing."""
    program = tmp_path / "bin" / "qemu-system-xtensa"
    program.parent.mkdir()
    program.write_text(FAKE_QEMU.format(program=str(firmware.elf)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(toolchains, "unavailable", lambda board: None)
    assert qemu.unavailable(BOARD) is None
    assert qemu.clock(BOARD) is None
    inputs = np.arange(12, dtype=np.int8).reshape(3, 4)
    with qemu.open(firmware, BOARD, log=tmp_path / "log") as transport:
        result = measure(transport, expected_digest=firmware.firmware_sha256, inputs=[inputs])
    np.testing.assert_array_equal(result.outputs, inputs + np.array([1, 2, 3, 4], np.int8))


@pytest.mark.emulator
def test_debians_qemu_has_no_such_machine() -> None:
    assert "has no machine esp32: put Espressif's" in str(qemu.unavailable(BOARD))
