# SPDX-License-Identifier: Apache-2.0
"""Boards that PlatformIO downloads the compiler for, on a stand-in of such a platform: build, stamp, flash.

The stand-in compiles for this computer, so the firmware that came out of it runs and answers.
"""

from __future__ import annotations

import json
import os
import pty
import shutil
import time
import tty
from configparser import ConfigParser
from dataclasses import replace
from pathlib import Path

import pytest

from harness import elf, pio, toolchains
from harness.boards import Board, load_boards
from harness.build import Firmware, build
from harness.desk import Attachment
from harness.errors import DoesNotFitError, UnavailableError, UploadError
from harness.resources import resource
from harness.targets import hardware
from harness.targets.esp32_flash import flash_image
from tests.firmware import fake_model
from tests.firmware.fake_model import work
from tests.firmware.test_arduino import STAND_IN, running

PLATFORM = Path(__file__).resolve().parent / "platform_stand_in"
BOARDS = load_boards()
BOARD = BOARDS["esp32dev"]
UPSTREAM = [board for board in BOARDS.values() if board.toolchain == "platformio"]

LINK = """\
#!/bin/sh
if [ -n "$STAND_IN_OVERFLOW" ]; then
    echo "ld: region \\`dram0_0_seg' overflowed by 1234 bytes" >&2
    echo "ld: region \\`iram0_2_seg' overflowed by 55 bytes" >&2
    exit 1
fi
exec g++ "$@"
"""
UPLOADER = """\
#!/bin/sh
echo "$@" >> "{record}"
for word in "$@"; do case "$word" in *.bin) cksum < "$word" >> "{record}";; esac; done
echo "A fatal error occurred: {words}"
exit {code}
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A user's core folder of PlatformIO in which the platform is installed."""
    folder = tmp_path_factory.mktemp("user") / "core"
    shutil.copytree(pio.prepare(resource("firmware"), cache).core, folder)
    (folder / "platforms" / "quantrig.pio-link").unlink()
    platform = folder / "platforms" / "espressif32"
    shutil.copytree(PLATFORM, platform)
    shutil.copytree(STAND_IN, platform / "core")
    spec = {"owner": "platformio", "id": None, "name": "espressif32", "requirements": None, "uri": None}
    installed = {"type": "platform", "name": "espressif32", "version": "6.99.0", "spec": spec}
    (platform / ".piopm").write_text(json.dumps(installed))
    return folder


@pytest.fixture(autouse=True)
def users_machine(core: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUANTRIG_CACHE", str(cache))
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(core))
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    program(programs / "stand-in-link", LINK)
    return programs


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def built(cache: Path) -> Firmware:
    return build(
        fake_model.source(
            before="void stand_in_spend(uint64_t cycles);",
            inside="stand_in_spend(turns * 1000ull); turns = 0;",
        ),
        BOARD,
        case_id="upstream/esp32dev",
        cache=cache,
    )


def test_the_firmware_knows_its_digest_and_its_board(cache: Path, tmp_path: Path) -> None:
    firmware = built(cache)
    assert firmware.image.name == "firmware.bin"
    assert firmware.image.read_bytes() == firmware.elf.read_bytes(), (
        "the image was made of the stamped program"
    )
    with running(firmware.elf, tmp_path / "log") as session:
        hello = session.hello()
        assert (
            hello.firmware_sha256
            == firmware.firmware_sha256
            == elf.read_stamp(elf.read_program(firmware.elf))
        )
        assert (hello.board, hello.counter, hello.counter_hz) == ("esp32dev", "cpu", 240_000_000)
        assert session.infer([work(7)]).ticks == 7000
    assert firmware.sizes.stack_reserve_bytes == 16384
    assert firmware.stack_report["fixed"] is True
    assert firmware.toolchain.startswith("gcc")
    assert "-O2" in firmware.toolchain
    assert "-Os" not in firmware.toolchain


def test_a_finished_build_is_found_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = built(cache)

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("it must not build again")

    monkeypatch.setattr(pio, "run", refuse)
    assert built(cache) == first


@pytest.mark.parametrize(("code", "words"), [(0, "none"), (2, "Failed to connect to ESP32")])
def test_upload_takes_what_was_built(
    cache: Path, tmp_path: Path, users_machine: Path, code: int, words: str
) -> None:
    """The very image, and those that belong to it, though the framework's script does not run."""
    firmware = built(cache)
    record = tmp_path / "record"
    program(users_machine / "stand-in-uploader", UPLOADER.format(record=record, words=words, code=code))
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    port = os.ttyname(theirs)
    board = replace(BOARD, reset=replace(BOARD.reset, settle_s=0.0))
    there = Attachment(id="desk", board=board.name, url=port)
    assert hardware.unavailable(board, port=there) is None

    def flash() -> None:
        with hardware.open(firmware, board, log=tmp_path / "log", port=there):
            pass

    if code:
        with pytest.raises(UploadError, match=words):
            flash()
    else:
        flash()
    os.close(ours)
    os.close(theirs)
    # what failed is tried once more, the same way
    _, *attempts = record.read_text().split("--port ")
    assert len(attempts) == (2 if code else 1)
    call, *sums = f"--port {attempts[-1]}".splitlines()
    flags = call.split()
    assert flags[:2] == ["--port", port]
    assert [flags[at] for at in (2, 4, 6)] == ["0x1000", "0xe000", "0x10000"]
    assert [Path(flags[at]).name for at in (3, 5, 7)] == [
        "flash_0x1000.bin",
        "flash_0xe000.bin",
        "firmware.bin",
    ]
    # the same parts at the same places make the flash that Espressif's QEMU boots
    booted = flash_image(firmware)
    for at, name in ((0x1000, "flash_0x1000.bin"), (0xE000, "flash_0xe000.bin"), (0x10000, "firmware.bin")):
        part = (firmware.folder / name).read_bytes()
        assert booted[at : at + len(part)] == part
    sizes = [int(line.split()[1]) for line in sums]
    expected = [PLATFORM / "platform.json", PLATFORM / "boards" / "esp32dev.json", firmware.image]
    assert sizes == [path.stat().st_size for path in expected]


def test_regions_that_overflow_are_no_failure(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN_OVERFLOW", "1")
    with pytest.raises(DoesNotFitError, match="iram0_2_seg") as caught:
        build(fake_model.source(arena_bytes=64), BOARD, case_id="upstream/large", cache=cache)
    assert (caught.value.region, caught.value.needed_bytes) == ("ram", 327_680 + 1234)
    assert "flash: needs 1310775 bytes" in str(caught.value)


def test_ram_counts_the_task_stack(cache: Path) -> None:
    with pytest.raises(DoesNotFitError) as caught:
        build(fake_model.source(arena_bytes=320_000), BOARD, case_id="upstream/ram", cache=cache)
    assert caught.value.region == "ram"
    assert caught.value.needed_bytes > 320_000 + 16384


@pytest.mark.parametrize("board", UPSTREAM, ids=lambda board: board.name)
def test_a_missing_platform_is_named_before_anything_runs(
    board: Board, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path))
    monkeypatch.setattr(pio, "run", None)
    with pytest.raises(UnavailableError, match=r"pio pkg install -d .*firmware -e ") as caught:
        build(fake_model.source(), board, case_id="upstream/none", cache=cache)
    environment = str(caught.value).rpartition("-e ")[2].rstrip("`. ")
    ini = ConfigParser(interpolation=None)
    ini.read(resource("firmware") / "platformio.ini")
    assert ini.has_section(f"env:{environment}")


def test_a_missing_header_names_platformios_command(cache: Path) -> None:
    lame = fake_model.source(before="#include <soc/no_such_header.h>")
    with pytest.raises(UnavailableError, match=r"incomplete: .*no_such_header\.h") as caught:
        build(lame, BOARD, case_id="upstream/lame", cache=cache)
    assert "pio pkg install" in str(caught.value)
    assert "apt-get" not in str(caught.value)


def test_a_new_framework_means_a_new_build(core: Path) -> None:
    package = core / "packages" / "framework-stand-in" / "package.json"
    package.parent.mkdir()
    before = toolchains.state(BOARD, [])
    package.write_text("{}")
    assert toolchains.state(BOARD, []).keys() - before.keys() == {str(package)}


def test_nothing_is_downloaded_in_a_build(core: Path, cache: Path) -> None:
    """A package that is missing after all: a quick end with the command, no connection."""
    file = core / "platforms" / "espressif32" / "platform.json"
    text = file.read_text()
    manifest = json.loads(text)
    manifest["packages"] = {"framework-nowhere": {"owner": "platformio", "version": "~1.0.0"}}
    file.write_text(json.dumps(manifest))
    began = time.monotonic()
    try:
        with pytest.raises(UnavailableError, match="pio pkg install"):
            build(fake_model.source(arena_bytes=128), BOARD, case_id="upstream/lacks", cache=cache)
    finally:
        file.write_text(text)
    assert time.monotonic() - began < 15
