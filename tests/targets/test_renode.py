# SPDX-License-Identifier: Apache-2.0
"""The target renode as a whole: with a stand-in that plays Renode's transcripts around a real firmware, and
with Renode itself wherever it is installed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from harness import children
from harness.build import Firmware
from harness.errors import BuildError, HangError, TargetError, UnavailableError
from harness.link import PipeTransport, SectionCounter, Session, Timing
from harness.measure import measure
from harness.records import Measurement
from harness.targets import qemu, renode, renode_monitor
from harness.targets.process import start
from harness.targets.renode_monitor import Monitor
from tests.firmware.qemu_runs import one_by_one
from tests.targets import fake_renode
from tests.targets.test_targets import assert_none_with
from tests.tiny_firmware import BOARDS, tiny_firmware

BOARD = replace(
    BOARDS["stm32f4"], emulators={**BOARDS["stm32f4"].emulators, "renode": {"platform": "stm32f4"}}
)

INPUTS = np.arange(-60, 60, dtype=np.int8).reshape(-1, 4)
EXPECTED = INPUTS + np.array([1, 2, 3, 4], np.int8)


PROGRAM = """\
#!/bin/sh
# not exec: the installed program is a script, too, and waits for the real one
'{python}' '{fake}' "$@"
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def native(cache: Path) -> Firmware:
    """A firmware that this computer executes: the stand-in needs no emulator for it."""
    return tiny_firmware(BOARDS["native"], cache)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary folders."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


Setting = Callable[..., None]


@pytest.fixture
def fake(tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    """Put the stand-in on PATH as `renode`, and choose what it does. Afterwards nothing of it may be left."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "renode"
    program.write_text(PROGRAM.format(python=sys.executable, fake=fake_renode.__file__))
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", children.package_environment()["PYTHONPATH"])
    monkeypatch.setattr("harness.toolchains.unavailable", lambda board: None)
    monkeypatch.setattr(renode, "LOG_S", 0.7)

    def choose(mode: str = "", *, version: str = "1.16.1", device: list[str] | None = None) -> None:
        setting = {"mode": mode, "version": version, "device": device or ["{elf}"]}
        monkeypatch.setenv("FAKE_RENODE", json.dumps(setting))
        renode._version_of.cache_clear()

    choose()
    yield choose
    renode._version_of.cache_clear()
    assert_none_with(str(work))
    assert list(work.iterdir()) == []


def run(firmware: Firmware, log: Path, timing: Timing | None = None) -> Measurement:
    with renode.open(firmware, BOARD, log=log) as transport:
        return measure(transport, expected_digest=firmware.firmware_sha256, inputs=[INPUTS], timing=timing)


@pytest.mark.parametrize("mode", ["", "noisy", "late", "rounded"])
def test_a_whole_measurement(mode: str, native: Firmware, fake: Setting, tmp_path: Path) -> None:
    """Also with the log full of other things, with a log that lags, and where the device's timer rounds."""
    fake(mode)
    log = tmp_path / "log"
    measured = run(native, log)
    np.testing.assert_array_equal(measured.outputs.reshape(INPUTS.shape), EXPECTED)
    told = [int(line.rpartition(" ")[2]) for line in log.read_text().splitlines() if " cpu: qr-" in line][2:]
    counts = [end - begin for begin, end in zip(told[::2], told[1::2], strict=True)]
    assert [*measured.warmup_ticks, *measured.ticks] == counts
    assert measured.link.retries == 0
    assert "Renode is quitting" in log.read_text()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Renode that runs on is not waited for long."""
    monkeypatch.setattr(renode_monitor, "_END_S", 0.1)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("no-hook", "no instruction count"),
        ("no-begin", "no instruction count"),
        ("no-end", "no instruction count"),
        ("two-begins", "makes no sense: .*qr-begin"),
        ("twice", "counted [0-9]+ timed sections (where the device answered for one|for which)"),
        ("one-more", "counted 1 timed sections for which the device did not answer"),
        ("backwards", "makes no sense: .*qr-end"),
        ("garbled", "no instruction count"),
        ("no-number", r"makes no sense: .*\{0\}"),
        ("too-many", "executed [0-9]{5,} instructions, the firmware's timer counted [0-9]+"),
        ("wide", "instructions, the firmware's timer counted"),
    ],
)
def test_a_count_that_is_missing_or_wrong_is_an_error(
    mode: str, words: str, native: Firmware, fake: Setting, tmp_path: Path
) -> None:
    """In the middle of a run, too: never a number that nobody counted."""
    fake(mode)
    with pytest.raises(TargetError, match=words):
        run(native, tmp_path / "log")


@pytest.mark.parametrize(
    ("counted", "device", "agree"),
    [(5000, 5000, True), (5000, 5080, True), (5000, 4920, True), (5000, 5081, False), (5000, 4919, False),
     (22, (1 << 64) - 18, True), (22, (1 << 64) - 59, False), (1 << 33, 0, False), (1 << 33, 1 << 33, True)],
)  # fmt: skip
def test_how_far_the_firmwares_timer_may_be_off(counted: int, device: int, agree: bool) -> None:
    """The counts that are a few below zero are of sections shorter than Renode's rounding."""
    monitor = Mock(spec=Monitor)
    monitor.next_section.return_value = counted
    transport = renode.RenodeTransport(Mock(spec=PipeTransport), monitor)
    assert isinstance(transport, SectionCounter)
    if agree:
        assert transport.section_ticks(device) == counted
    else:
        with pytest.raises(TargetError, match=f"executed {counted} instructions"):
            transport.section_ticks(device)


def test_sections_that_nobody_asks_for_are_no_error(native: Firmware, fake: Setting, tmp_path: Path) -> None:
    fake("one-more")
    with renode.open(native, BOARD, log=tmp_path / "log") as transport:
        assert Session(transport).infer([bytes(4)]).outputs == (b"\1\2\3\4",)


def test_a_script_that_renode_refuses(native: Firmware, fake: Setting, tmp_path: Path) -> None:
    """Renode's exit code would be 0."""
    fake("refused")
    with pytest.raises(TargetError, match=r"refused its script: .*Error E39.*conflicts with"):
        run(native, tmp_path / "log")


def test_a_renode_that_says_nothing_more(
    native: Firmware, fake: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake("silence")
    monkeypatch.setattr(renode, "START_S", 1.5)
    with pytest.raises(TargetError, match=r"not ready after 1\.5 s.*last words: .*version 1\.16\.1"):
        run(native, tmp_path / "log")


def test_a_renode_that_ends_at_once(native: Firmware, fake: Setting, tmp_path: Path) -> None:
    fake("exits")
    with pytest.raises(
        TargetError, match=r"ended before the firmware started.*exit code 0: .*Renode, version"
    ):
        run(native, tmp_path / "log")


def test_a_renode_that_crashes_in_the_middle(native: Firmware, fake: Setting, tmp_path: Path) -> None:
    fake("crash")
    with pytest.raises(
        TargetError, match=r"exit code 1: Fatal error: Exception has been thrown by the target"
    ):
        run(native, tmp_path / "log")


def test_a_cpu_that_gives_up(native: Firmware, fake: Setting, tmp_path: Path) -> None:
    """Renode runs on, and the firmware is silent."""
    fake("abort")
    short = Timing(reply_s=0.3, infer_first_s=0.5, infer_min_s=0.5, attempts=2)
    with pytest.raises(HangError, match=r"reported: .*CPU abort \[PC=0x40\]: Trying to execute code"):
        run(native, tmp_path / "log", timing=short)


def test_a_pty_that_does_not_appear(native: Firmware, fake: Setting, tmp_path: Path) -> None:
    fake("no-pty")
    with pytest.raises(TargetError, match="serial port cannot be opened: No such file"):
        run(native, tmp_path / "log")


def test_a_renode_that_does_not_quit_is_killed(
    native: Firmware, fake: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake("stubborn")
    monkeypatch.setattr(renode_monitor, "QUIT_S", 0.5)
    started = time.monotonic()
    measured = run(native, tmp_path / "log")
    assert len(measured.ticks) == len(INPUTS)
    assert time.monotonic() - started < 20


HARNESS = """
import sys, tempfile, time
from pathlib import Path
from harness import toolchains
from harness.link import Session
from harness.targets import renode
from tests.targets.test_renode import BOARD
from tests.tiny_firmware import BOARDS, tiny_firmware
tempfile.tempdir = sys.argv[3]
toolchains.unavailable = lambda board: None
firmware = tiny_firmware(BOARDS["native"], Path(sys.argv[1]))
with renode.open(firmware, BOARD, log=Path(sys.argv[2])) as transport:
    Session(transport).hello()
    print("ready", flush=True)
    time.sleep(600)
"""


def test_no_process_is_left_when_the_harness_is_killed(
    native: Firmware, cache: Path, fake: Setting, tmp_path: Path, work: Path
) -> None:
    fake("stubborn")
    harness = subprocess.Popen(
        [sys.executable, "-c", HARNESS, str(cache), str(tmp_path / "log"), str(work)],
        cwd=Path(__file__).resolve().parents[2],
        stdout=subprocess.PIPE,
    )
    assert harness.stdout is not None
    assert harness.stdout.readline() == b"ready\n"
    harness.send_signal(signal.SIGKILL)
    harness.communicate()
    assert_none_with(str(work))
    # the folder itself outlives a SIGKILL, as any temporary folder does
    for left in work.iterdir():
        shutil.rmtree(left)


def test_the_firmwares_own_path_may_have_any_characters(
    native: Firmware, fake: Setting, tmp_path: Path
) -> None:
    odd = tmp_path / "a folder; with 'quotes' and \"more\" $HOME"
    odd.mkdir()
    copy = shutil.copy(native.elf, odd / "firmware.elf")
    with renode.open(replace(native, elf=Path(copy)), BOARD, log=odd / "log") as transport:
        assert Session(transport).hello().firmware_sha256 == native.firmware_sha256


def test_a_temporary_folder_that_renode_cannot_name_is_refused(
    native: Firmware, fake: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "my files"
    odd.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(odd))
    with pytest.raises(UnavailableError, match="TMPDIR"):
        run(native, tmp_path / "log")
    assert list(odd.iterdir()) == []


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("1.16.1", None),
        ("1.15.3", None),
        ("1.17.0", None),
        ("1.15.1", r"1\.15\.1 is too old.*1\.15\.2 or newer"),
        ("1.12.0", r"1\.12\.0 is too old.*github\.com/renode"),
        ("", "shows no version"),
    ],
)
def test_versions(version: str, reason: str | None, fake: Setting) -> None:
    fake(version=version)
    found = renode.unavailable(BOARD)
    if reason is None:
        assert found is None
    else:
        with pytest.raises(AssertionError, match=reason):
            assert found is None, found
    assert renode.versions() == ({"renode": version} if version else {})


def test_where_there_is_no_renode_the_remedy_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    reason = renode.unavailable(BOARD)
    assert reason is not None
    assert "renode not found" in reason
    assert "https://github.com/renode/renode/releases" in reason
    assert renode.versions() == {}


def test_a_board_that_renode_does_not_have() -> None:
    assert "no Renode platform" in (renode.unavailable(BOARDS["uno"]) or "")


@pytest.mark.parametrize("missing", ["qr_model_invoke", "qr_port_timer_stop"])
def test_a_firmware_without_the_sections_ends_is_refused(
    missing: str, native: Firmware, tmp_path: Path
) -> None:
    stripped = tmp_path / "firmware.elf"
    subprocess.run(["objcopy", f"--strip-symbol={missing}", native.elf, stripped], check=True)
    with pytest.raises(BuildError, match=f"no function {missing}"):
        renode.addresses(stripped, ("qr_model_invoke", "qr_port_timer_stop"))


def test_no_elf_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("no ELF")
    with pytest.raises(BuildError, match="not a usable ELF"):
        renode.addresses(tmp_path / "x", ("main",))


@pytest.mark.emulator
def test_addresses_are_those_of_the_tool_chain(cache: Path) -> None:
    firmware = tiny_firmware(BOARD, cache)
    listed = subprocess.run(["arm-none-eabi-nm", firmware.elf], capture_output=True, text=True, check=True)
    symbols = {line.split()[-1]: int(line.split()[0], 16) for line in listed.stdout.splitlines()}
    names = ("qr_model_invoke", "qr_port_timer_stop")
    assert renode.addresses(firmware.elf, names) == [symbols[name] & ~1 for name in names]


@pytest.mark.emulator
def test_between_the_hooks_lie_the_instructions_that_qemu_counts(cache: Path, tmp_path: Path) -> None:
    """The oracle of the hooks' places: a trace of every instruction, counted from address to address."""
    firmware = tiny_firmware(BOARD, cache)
    begin, end = renode.addresses(firmware.elf, ("qr_model_invoke", "qr_port_timer_stop"))
    trace = tmp_path / "trace"
    argv = [*qemu.command(firmware, BOARD), *one_by_one(), "-d", "exec,nochain", "-D", str(trace)]
    with start(argv, log=tmp_path / "log") as transport:
        measured = measure(transport, expected_digest=firmware.firmware_sha256, inputs=[INPUTS[:2]], warmup=0)
    executed = [int(line.split("/")[1], 16) for line in trace.read_text().splitlines() if "Trace" in line]
    # the first is the device's own warm-up
    _, *begins = (at for at, address in enumerate(executed) if address == begin)
    assert len(begins) == 2
    assert tuple(executed.index(end, at) - at for at in begins) == measured.ticks


@pytest.mark.emulator
def test_the_boards_own_firmware_behind_the_pty(cache: Path, fake: Setting, tmp_path: Path) -> None:
    """QEMU executes what the script names: the same file, the same outputs, the same counts."""
    firmware = tiny_firmware(BOARD, cache)
    argv = [word.replace(str(firmware.elf), "{elf}") for word in qemu.command(firmware, BOARD)]
    assert "{elf}" in argv
    fake(device=argv)
    measured = run(firmware, tmp_path / "log")
    with qemu.open(firmware, BOARD, log=tmp_path / "log-qemu") as transport:
        direct = measure(transport, expected_digest=firmware.firmware_sha256, inputs=[INPUTS])
    np.testing.assert_array_equal(measured.outputs, direct.outputs)
    assert measured.ticks == direct.ticks


@pytest.mark.emulator
@pytest.mark.skipif(renode.unavailable(BOARD) is not None, reason=f"no Renode: {renode.unavailable(BOARD)}")
def test_renode_itself(cache: Path, tmp_path: Path) -> None:
    """Where it is installed: QEMU's outputs to the bit, and its counts to the tick of its timer."""
    firmware = tiny_firmware(BOARD, cache)
    measured = run(firmware, tmp_path / "log")
    with qemu.open(firmware, BOARD, log=tmp_path / "log-qemu") as transport:
        direct = measure(transport, expected_digest=firmware.firmware_sha256, inputs=[INPUTS])
    np.testing.assert_array_equal(measured.outputs, direct.outputs)
    assert np.abs(np.subtract(measured.ticks, direct.ticks)).max() <= 1
    assert len(set(measured.ticks)) == 1
