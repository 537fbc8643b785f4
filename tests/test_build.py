# SPDX-License-Identifier: Apache-2.0
"""Builds by PlatformIO with the real compilers; what they yield is checked with binutils and by hand."""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import elf, pio, toolchains
from harness.build import Firmware, build
from harness.children import CompletedRun
from harness.compiler import compile_graph
from harness.elf import IDENTITY_MAGIC
from harness.errors import BuildError, DoesNotFitError, UnavailableError
from harness.graph import read_tflite
from harness.resources import resource
from harness.toolchains import TOOLCHAINS
from tests.kernels.models_reduce import softmax
from tests.tiny_firmware import BOARDS, TABLE_BYTES, tiny_firmware, tiny_source

THREE = ("native", "stm32f4", "uno")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module", params=THREE)
def firmware(request: pytest.FixtureRequest, cache: Path) -> Firmware:
    return tiny_firmware(BOARDS[request.param], cache)


@pytest.fixture
def no_platformio(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> Any:
        raise AssertionError("PlatformIO was started")

    monkeypatch.setattr(pio, "run", refuse)


def binutils(firmware: Firmware, tool: str, *arguments: str) -> str:
    prefix = TOOLCHAINS[firmware.board.toolchain].compiler.removesuffix("gcc")
    command = [f"{prefix}{tool}", *arguments, str(firmware.elf)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def raw_image(firmware: Firmware) -> bytes:
    """The flash content by objcopy."""
    out = firmware.elf.parent / "oracle.bin"
    prefix = TOOLCHAINS[firmware.board.toolchain].compiler.removesuffix("gcc")
    options = ["-R", ".eeprom"] if firmware.board.port == "uno" else []
    subprocess.run([f"{prefix}objcopy", "-O", "binary", *options, firmware.elf, out], check=True)
    try:
        return out.read_bytes()
    finally:
        out.unlink()


def read_hex(text: str) -> bytes:
    """Intel HEX to the bytes from the lowest to the highest address, checksums checked."""
    memory: dict[int, int] = {}
    base = 0
    for line in text.split():
        record = bytes.fromhex(line[1:])
        assert sum(record) % 256 == 0
        count, address, kind = record[0], int.from_bytes(record[1:3], "big"), record[3]
        if kind == 0:
            memory |= {base + address + i: byte for i, byte in enumerate(record[4 : 4 + count])}
        elif kind == 2:
            base = int.from_bytes(record[4:6], "big") << 4
        elif kind == 4:
            base = int.from_bytes(record[4:6], "big") << 16
    return bytes(memory.get(address, 0) for address in range(min(memory), max(memory) + 1))


def test_sizes_equal_those_of_binutils(firmware: Firmware) -> None:
    sizes = firmware.sizes
    listed = re.findall(r"^(\.\S+)\s+(\d+)\s+\d+", binutils(firmware, "size", "-A", "-d"), re.MULTILINE)
    sections = {name: int(size) for name, size in listed}
    if firmware.board.port == "native":
        # objdump names size and flags in two lines; RAM is whatever may be written
        heads = re.findall(
            r"^ *\d+ (\S+) +([0-9a-f]{8}) .*\n +(.*)$", binutils(firmware, "objdump", "-h"), re.M
        )
        assert sizes.flash_bytes == sum(int(s, 16) for _, s, flags in heads if "LOAD" in flags.split(", "))
        writable = [
            int(s, 16) for _, s, f in heads if "ALLOC" in f and "READONLY" not in f and "CODE" not in f
        ]
        assert sizes.ram_static_bytes == sum(writable)
        assert sizes.stack_reserve_bytes == 0
    else:
        assert sizes.flash_bytes == len(raw_image(firmware))
        assert sizes.ram_static_bytes == sections.get(".data", 0) + sections[".bss"]
        assert 40 < sizes.stack_reserve_bytes < 1000
        assert sizes.stack_reserve_bytes == firmware.stack_report["reserve_bytes"]
    assert sizes.flash_model_bytes == TABLE_BYTES + 16
    assert sizes.arena_bytes == 8


def test_only_the_kernels_of_the_model_are_compiled(cache: Path, tmp_path: Path) -> None:
    """All of them would take most of a build's time."""
    graph = read_tflite(softmax("int8", "int8", (1, 5)), name="softmax")
    log = tmp_path / "log"
    build(compile_graph(graph), BOARDS["native"], case_id="softmax", cache=cache, log=log)
    assert set(re.findall(r"\blib/nn/(\w+)\.c\b", log.read_text())) == {"softmax_int8"}


def test_model_bytes_equal_those_of_nm(firmware: Firmware) -> None:
    symbols = re.findall(
        r"^[0-9a-f]+ ([0-9a-f]+) [tTrRdD] (qr_model_\w+)$", binutils(firmware, "nm", "-S"), re.M
    )
    assert {name for _, name in symbols} == {
        *("qr_model_inputs", "qr_model_outputs", "qr_model_sha256", "qr_model_info"),
        *("qr_model_weights", "qr_model_invoke", "qr_model_reset"),
    }
    code = ("qr_model_invoke", "qr_model_reset")
    listed = sum(int(size, 16) for size, name in symbols if name not in code)
    assert firmware.sizes.flash_model_bytes == listed


def test_the_digest_can_be_recomputed_from_what_is_flashed(firmware: Firmware) -> None:
    if firmware.board.port == "uno":
        flashed = read_hex(firmware.image.read_text())
    elif firmware.board.port == "native":
        flashed = raw_image(firmware)
    else:
        flashed = firmware.image.read_bytes()
    assert flashed.count(IDENTITY_MAGIC) == 1
    slot = flashed.index(IDENTITY_MAGIC) + len(IDENTITY_MAGIC)
    assert flashed[slot : slot + 32].hex() == firmware.firmware_sha256
    blank = flashed[:slot] + bytes(32) + flashed[slot + 32 :]
    assert hashlib.sha256(blank).hexdigest() == firmware.firmware_sha256


def test_the_toolchain_line_names_compiler_and_optimisation(firmware: Firmware) -> None:
    assert "gcc" in firmware.toolchain
    assert " -O2 " in firmware.toolchain
    assert "-ffp-contract=off" in firmware.toolchain
    assert str(firmware.folder.parent) not in firmware.toolchain
    assert "\n" not in firmware.toolchain


def test_an_unchanged_case_is_found_without_platformio(
    firmware: Firmware, cache: Path, no_platformio: None
) -> None:
    assert tiny_firmware(firmware.board, cache) == firmware


@pytest.mark.parametrize("damage", ["truncated", "half a record", "another record", "no record"])
def test_a_damaged_build_is_made_again(cache: Path, damage: str) -> None:
    before = tiny_firmware(BOARDS["uno"], cache)
    if damage == "truncated":
        before.elf.write_bytes(before.elf.read_bytes()[:-1])
    else:
        record = before.folder / "build.json"
        words = {
            "half a record": record.read_text()[:100],
            "another record": '{"files": {}}',
            "no record": "[]",
        }
        record.write_text(words[damage])
    assert tiny_firmware(BOARDS["uno"], cache) == before
    assert before.elf.stat().st_size > 1000


def test_only_the_builds_that_were_used_last_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Models that no compiler takes are builds like any other, and need none here."""
    made = []

    def refuse(*arguments: Any, **options: Any) -> CompletedRun:
        made.append(arguments)
        return CompletedRun(argv=(), returncode=1, output="", seconds=0.0, timed_out=False)

    monkeypatch.setattr(pio, "run", refuse)
    for weights in (40_000, 40_001, 40_002, 40_003, 40_000, 40_004):
        does_not_fit(tmp_path, weights=weights)
    home = tmp_path / "builds" / "large__uno"
    assert len([path for path in home.iterdir() if path.is_dir()]) == 4
    assert len(made) == 5
    does_not_fit(tmp_path, weights=40_000)  # asked for again in between, so it has stayed
    assert len(made) == 5
    does_not_fit(tmp_path, weights=40_001)
    assert len(made) == 6


@pytest.mark.parametrize("damage", ["a source", "scons", "a stray file"])
def test_a_damaged_copy_of_the_tree_is_made_again(tmp_path: Path, damage: str) -> None:
    """It is what is compiled; builds are filed under the digest of the original."""
    template = pio.prepare(resource("firmware"), tmp_path)
    before = template.project.stat().st_ino
    assert pio.prepare(resource("firmware"), tmp_path).project.stat().st_ino == before
    if damage == "a source":
        (template.project / "src" / "bench.c").write_text("")
    elif damage == "scons":
        shutil.rmtree(template.core / "packages")
    else:
        (template.project / "src" / "stray.c").write_text("")
    assert pio.prepare(resource("firmware"), tmp_path) == template
    assert template.project.stat().st_ino != before
    assert pio.tree_digest(template.project) == template.digest
    assert (template.core / "packages" / "tool-scons" / "scons.py").is_file()


def test_drafts_of_killed_processes_are_removed(tmp_path: Path) -> None:
    firmware, home = resource("firmware"), tmp_path / "pio"
    for name in ("draft-old", "draft-new", "0123456789abcdef"):
        (home / name / "core").mkdir(parents=True)
        (home / name / "core" / "file").write_text("x")
    (home / "draft-file").write_text("x")
    an_hour_ago = time.time() - 3601
    for name in ("draft-old", "draft-file", "0123456789abcdef"):
        os.utime(home / name, (an_hour_ago, an_hour_ago))
    template = pio.prepare(firmware, tmp_path)
    names = {path.name for path in home.iterdir()}
    assert names == {"draft-new", "0123456789abcdef", template.digest[:16], "lock"}
    os.utime(home / "draft-new", (an_hour_ago, an_hour_ago))
    assert pio.prepare(firmware, tmp_path) == template
    assert not (home / "draft-new").exists()


def test_a_new_compiler_means_a_new_build(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The compiler on PATH is replaced by one that only looks different; then PlatformIO is asked again."""
    tiny_firmware(BOARDS["uno"], cache)
    real = shutil.which("avr-gcc")
    fake = tmp_path / "avr-gcc"
    fake.write_text(f'#!/bin/sh\nexec {real} "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    asked = []

    def run(*arguments: object, **options: object) -> Any:
        asked.append(arguments)
        raise UnavailableError("enough")

    monkeypatch.setattr(pio, "run", run)
    with pytest.raises(UnavailableError, match="enough"):
        tiny_firmware(BOARDS["uno"], cache)
    assert len(asked) == 1


def test_the_digest_does_not_depend_on_folders(cache: Path, tmp_path: Path) -> None:
    """Another checkout, another cache, another case: the same firmware to the bit."""
    tree = tmp_path / "a checkout with spaces" / "firmware"
    shutil.copytree(resource("firmware"), tree, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    for name in THREE:
        here = tiny_firmware(BOARDS[name], cache)
        there = build(
            tiny_source(), BOARDS[name], case_id="other", cache=tmp_path / "another-cache", firmware=tree
        )
        assert there.firmware_sha256 == here.firmware_sha256
        assert there.image.read_bytes() == here.image.read_bytes()


def test_another_model_has_another_digest(cache: Path) -> None:
    uno = BOARDS["uno"]
    other = build(tiny_source(name="other"), uno, case_id="tiny/uno", cache=cache)
    assert other.firmware_sha256 != tiny_firmware(uno, cache).firmware_sha256


def does_not_fit(cache: Path, **model: Any) -> DoesNotFitError:
    with pytest.raises(DoesNotFitError) as caught:
        build(tiny_source(**model), BOARDS["uno"], case_id="large/uno", cache=cache)
    return caught.value


def test_weights_that_exceed_the_flash(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """16 bytes of weights become 32,016: exactly so much more is needed (and a little code to reach them)."""
    small = tiny_firmware(BOARDS["uno"], cache).sizes
    error = does_not_fit(cache, weights=32_016)
    assert (error.region, error.available_bytes) == ("flash", 32_256)
    assert 0 <= error.needed_bytes - small.flash_bytes - 32_000 < 64
    assert "too many" in str(error)
    monkeypatch.setattr(pio, "run", None)
    assert str(does_not_fit(cache, weights=32_016)) == str(error)


def test_the_last_byte_of_ram_fits_and_one_more_does_not(cache: Path) -> None:
    sizes = tiny_firmware(BOARDS["uno"], cache).sizes
    room = 2048 - sizes.ram_static_bytes - sizes.stack_reserve_bytes
    full = build(tiny_source(arena=8 + room), BOARDS["uno"], case_id="full/uno", cache=cache).sizes
    assert full.ram_static_bytes + full.stack_reserve_bytes == 2048
    error = does_not_fit(cache, arena=8 + room + 1)
    assert (error.region, error.needed_bytes, error.available_bytes) == ("ram", 2049, 2048)
    assert f"{sizes.stack_reserve_bytes} reserved for the stack" in str(error)


def test_static_data_that_exceed_the_ram_by_far(cache: Path) -> None:
    error = does_not_fit(cache, arena=30_000)
    assert (error.region, error.available_bytes) == ("ram", 2048)
    assert error.needed_bytes > 30_000 + 200


def test_every_region_that_is_too_small_is_named(cache: Path) -> None:
    """As small as the compiler takes it, and beyond: the linker's and the model's own numbers."""
    flash_only, ram_only = does_not_fit(cache, weights=32_016), does_not_fit(cache, arena=3000)
    error = does_not_fit(cache, weights=32_016, arena=3000)
    assert error.region == "flash"
    assert 0 <= error.needed_bytes - flash_only.needed_bytes < 64  # code that reaches the arena
    assert f"; ram: needs {ram_only.needed_bytes} bytes, the board has 2048, " in str(error)
    assert "; ram" not in str(flash_only)
    error = does_not_fit(cache, weights=40_960, arena=40_000)
    assert str(error) == (
        "flash: needs 40960 bytes, the board has 32256 (8704 too many)"
        " (the model alone; ram: needs 40000 bytes, the board has 2048, the arena alone)."
    )


def test_arrays_that_the_compiler_refuses_for_their_size(cache: Path) -> None:
    """avr-gcc takes no array of 32 KiB, so there is nothing to link: the model's own size has to do."""
    error = does_not_fit(cache, weights=40_960)
    assert (error.region, error.needed_bytes) == ("flash", 40_960)
    assert "the model alone" in str(error)
    error = does_not_fit(cache, arena=40_000)
    assert (error.region, error.needed_bytes) == ("ram", 40_000)
    assert "the arena alone" in str(error)


def test_a_compiler_error_is_quoted_and_not_remembered(cache: Path, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "case.log"
    broken = tiny_source(extra="int broken(void) { return nothing; }")
    for attempt in (1, 2):
        with pytest.raises(BuildError, match=r"model\.c:\d+:\d+: error: 'nothing' undeclared") as caught:
            build(broken, BOARDS["uno"], case_id="broken/uno", cache=cache, log=log)
        assert str(log) in str(caught.value)
        assert log.read_text().count("'nothing' undeclared") == attempt


@pytest.mark.parametrize(("name", "package"), [("uno", "gcc-avr avr-libc"), ("stm32f4", "gcc-arm-none-eabi")])
def test_a_missing_toolchain_names_the_command(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, package: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match=f"apt-get install {package}"):
        build(tiny_source(), BOARDS[name], case_id="x", cache=cache)


@pytest.mark.parametrize(
    ("name", "missing"),
    [("uno", "avr-objdump"), ("stm32f4", "arm-none-eabi-objdump"), ("uno-arduino", "avr-gcc-ar")],
)
def test_every_program_that_a_build_starts_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, name: str, missing: str
) -> None:
    """The stack's bound comes from the disassembler: half a build without it said nothing of use."""
    there = shutil.which
    monkeypatch.setattr(shutil, "which", lambda program: None if program == missing else there(program))
    assert f"{missing} not found: `apt-get install " in (toolchains.unavailable(BOARDS[name]) or "")


def test_an_upgrade_of_arduinos_core_means_a_new_build() -> None:
    """Its sources are compiled into the firmware, so nothing that the linker loads names them."""
    known = {Path(name).name for name in toolchains.state(BOARDS["uno-arduino"], [])}
    assert known >= {"avr-g++", "HardwareSerial.cpp", "wiring.c", "pins_arduino.h"}


def test_the_reason_of_a_build_that_scons_gave_up(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = "avr-gcc -c x.c\n*** [stack.json] avr-objdump: Permission denied\n=== 1 failed, 0 succeeded ==="
    done = CompletedRun(argv=("pio",), returncode=1, output=words, seconds=0.0, timed_out=False)
    monkeypatch.setattr(pio, "run", lambda *arguments, **options: done)
    with pytest.raises(BuildError, match="avr-objdump: Permission denied"):
        build(tiny_source(), BOARDS["uno"], case_id="gave/up", cache=cache)


def test_regions_of_ram_are_added_up_without_what_lies_between(tmp_path: Path) -> None:
    """A Teensy 4.1: constants copied to tightly coupled memory, USB buffers 2 MiB above it."""

    def section(name: str, address: int, size: int) -> elf.Section:
        return elf.Section(
            name=name, address=address, load_address=address, size=size, offset=0, stored=False, writable=True
        )

    sections = (section(".bss.dma", 0x20200000, 12_384), section(".data", 0x20000000, 1001))
    program = elf.Program(
        path=tmp_path,
        sections=(*sections, section(".bss", 0x20000400, 5000)),
        model_objects=(),
        identity_address=0,
        hosted=False,
        near_flash_bytes=0,
    )
    assert elf.ram_static_bytes(program) == 1001 + 5000 + 12_384
    assert elf.ram_span_bytes(program) == 0x400 + 5000 + 12_384


def test_a_missing_c_library_names_the_command(cache: Path) -> None:
    """Its header is not found; here one that no library has."""
    lame = tiny_source(extra="#include <avr/no_such_header.h>")
    with pytest.raises(UnavailableError, match="apt-get install gcc-avr avr-libc"):
        build(lame, BOARDS["uno"], case_id="lame/uno", cache=cache)


def test_the_users_own_variables_change_nothing(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wrong = ("PLATFORMIO_BUILD_FLAGS", "PLATFORMIO_SRC_FLAGS", "CPATH", "SCONSFLAGS", "PYTHONPATH")
    other_compilers = ("CPLUS_INCLUDE_PATH", "CCC_OVERRIDE_OPTIONS")
    for variable in wrong + other_compilers:
        monkeypatch.setenv(variable, "--nonsense")
    template = pio.prepare(resource("firmware"), cache)
    passed = pio.environment(template, BOARDS["uno"], work=tmp_path, model=tmp_path)
    assert not passed.keys() & set(wrong + other_compilers)
    case = build(tiny_source(), BOARDS["uno"], case_id="env/uno", cache=cache)
    assert case.firmware_sha256 == tiny_firmware(BOARDS["uno"], cache).firmware_sha256


def test_threads_that_want_the_same_build_share_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty cache, so the template is made at the same time too."""
    asked = []
    real = pio.run

    def run(*arguments: Any, **options: Any) -> Any:
        asked.append(arguments)
        return real(*arguments, **options)

    monkeypatch.setattr(pio, "run", run)
    with ThreadPoolExecutor(4) as pool:
        firmwares = list(pool.map(lambda _: tiny_firmware(BOARDS["uno"], tmp_path), range(4)))
    assert len(asked) == 1
    assert all(firmware == firmwares[0] for firmware in firmwares)


BUILDER = """
import sys
from pathlib import Path
from tests.kernels.models_reduce import softmax
from tests.tiny_firmware import BOARDS, tiny_source
from harness.build import build
firmware = build(tiny_source(), BOARDS[sys.argv[1]], case_id=sys.argv[2], cache=Path(sys.argv[3]))
print(firmware.firmware_sha256)
"""

ROOT = Path(__file__).resolve().parents[1]


def builder(board: str, case_id: str, cache: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BUILDER, board, case_id, str(cache)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_processes_build_side_by_side(cache: Path, tmp_path: Path) -> None:
    """Two of them want the same case; all share an empty cache."""
    jobs = [("uno", "a"), ("uno", "a"), ("stm32f4", "b")]
    running = [builder(board, case_id, tmp_path) for board, case_id in jobs]
    digests = [process.communicate(timeout=120)[0].strip() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert digests[0] == digests[1] == tiny_firmware(BOARDS["uno"], cache).firmware_sha256
    assert digests[2] == tiny_firmware(BOARDS["stm32f4"], cache).firmware_sha256


def test_a_killed_build_is_never_taken_for_a_finished_one(cache: Path, tmp_path: Path) -> None:
    """SIGKILL at moments all over the build; each time the next build sees either nothing or everything."""
    expected = tiny_firmware(BOARDS["uno"], cache)
    moments = random.Random(7)
    for round_number in range(5):
        process = builder("uno", f"killed-{round_number}", tmp_path)
        time.sleep(moments.uniform(0.1, 1.1))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    # on a busy machine none may have come as far as that folder
    names = [path.name for path in (tmp_path / "pio").glob("*")]
    assert all(re.fullmatch(r"[0-9a-f]{16}|draft-.*|lock", name) for name in names), names
    for round_number in (0, 4):
        case_id = f"killed-{round_number}"
        firmware = build(tiny_source(), BOARDS["uno"], case_id=case_id, cache=tmp_path)
        assert firmware.firmware_sha256 == expected.firmware_sha256
        assert firmware.sizes == expected.sizes
        assert not (firmware.folder.parent / "work").exists()


def test_boards_yaml_may_be_stricter_than_the_linker(cache: Path) -> None:
    """The same source, which links for PlatformIO's Uno, on a board with two bytes too few."""
    need = tiny_firmware(BOARDS["uno"], cache).sizes.flash_bytes
    tight = replace(BOARDS["uno"], flash_bytes=need - 2)
    with pytest.raises(DoesNotFitError) as caught:
        build(tiny_source(), tight, case_id="tiny/uno", cache=cache)
    assert (caught.value.needed_bytes, caught.value.available_bytes) == (need, need - 2)


def test_caches_of_tools_do_not_change_the_tree_digest(tmp_path: Path) -> None:
    tree = tmp_path / "firmware"
    shutil.copytree(resource("firmware"), tree)
    before = pio.tree_digest(tree)
    (tree / "src" / "__pycache__").mkdir()
    (tree / "src" / "__pycache__" / "x.pyc").write_bytes(b"x")
    (tree / ".hidden").write_text("x")
    assert pio.tree_digest(tree) == before
    (tree / "src" / "new.c").write_text("")
    assert pio.tree_digest(tree) != before
