# SPDX-License-Identifier: Apache-2.0
"""Target `hardware` without a board: a fake avrdude, and the native firmware behind a pseudo terminal.

PlatformIO, the port's lock, the settling time and the serial line are real.
"""

from __future__ import annotations

import itertools
import os
import pty
import stat
import subprocess
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harness.boards import Board, Reset
from harness.build import Firmware
from harness.desk import Attachment
from harness.errors import LineLostError, PortBusyError, UnavailableError, UploadError
from harness.link.serial_line import SerialTransport
from harness.link.session import Session
from harness.targets import hardware
from harness.targets.upload import UPLOADERS, complaint
from tests.tiny_firmware import BOARDS, tiny_firmware

UNO = replace(BOARDS["uno"], reset=Reset(settle_s=0.1))


def at(url: str, *, board: str = "uno") -> Attachment:
    return Attachment(id=board, board=board, url=url)


FAKE_AVRDUDE = """\
#!/bin/sh
echo "$@" >> "{record}"
echo "avrdude: {words}"
exit {code}
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANTRIG_CACHE", str(cache))


@pytest.fixture
def firmware(cache: Path) -> Firmware:
    return tiny_firmware(UNO, cache)


def fake_avrdude(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *, code: int = 0, words: str = "done"
) -> Path:
    """Puts an avrdude on PATH that only writes down how it was called."""
    program, record = folder / "bin" / "avrdude", folder / "calls"
    program.parent.mkdir()
    program.write_text(FAKE_AVRDUDE.format(record=record, words=words, code=code))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return record


@contextmanager
def desk(cache: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A serial port with the native firmware at its other end: (port, the firmware's process)."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    process = subprocess.Popen([tiny_firmware(BOARDS["native"], cache).elf], stdin=ours, stdout=ours)
    os.close(ours)
    try:
        yield os.ttyname(theirs), process
    finally:
        process.kill()
        process.wait()
        os.close(theirs)


def test_the_image_is_flashed_and_the_port_answers(
    cache: Path, tmp_path: Path, firmware: Firmware, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = fake_avrdude(monkeypatch, tmp_path)
    with desk(cache) as (port, _):
        assert hardware.unavailable(UNO, port=at(port)) is None
        began = time.monotonic()
        with hardware.open(
            firmware, replace(UNO, baud=57_600), log=tmp_path / "log", port=at(port)
        ) as transport:
            assert transport.baud == 57_600
            assert time.monotonic() - began > UNO.reset.settle_s
            assert Session(transport).hello().board == "native"
        (call,) = record.read_text().splitlines()
    assert f"-P {port} " in call
    assert f"flash:w:{firmware.image}:i" in call
    assert "-p atmega328p" in call


def test_a_board_that_goes_away_is_reported(
    cache: Path, tmp_path: Path, firmware: Firmware, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_avrdude(monkeypatch, tmp_path)
    with desk(cache) as (port, process):

        def talk() -> None:
            with hardware.open(firmware, UNO, log=tmp_path / "log", port=at(port)) as transport:
                process.kill()
                process.wait()
                while True:
                    transport.read(5.0)

        with pytest.raises(LineLostError, match="is gone"):
            talk()


def test_a_refused_upload_quotes_the_uploader(
    cache: Path, tmp_path: Path, firmware: Firmware, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_avrdude(monkeypatch, tmp_path, code=1, words="stk500_recv(): programmer cannot be reached")
    log = tmp_path / "log"
    with (
        desk(cache) as (port, _),
        pytest.raises(UploadError, match=r"stk500_recv\(\): programmer cannot be reached"),
        hardware.open(firmware, UNO, log=log, port=at(port)),
    ):
        raise AssertionError("it must not open")
    assert "stk500_recv" in log.read_text()


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_complaint_is_found_in_whatever_order_two_pipes_bring_the_lines(order: tuple[int, ...]) -> None:
    lines = (
        "avrdude -p atmega328p -P /dev/ttyACM0 flash:w:firmware.hex:i",
        "stk500_recv(): programmer cannot be reached",
        "*** [upload] Error 1",
    )
    output = "\n".join(
        ["Configuring upload protocol...", *(lines[i] for i in order), "=== [FAILED] Took 1 s ==="]
    )
    assert complaint(output, "avrdude ") == lines[1]


def test_a_busy_port_is_neither_flashed_nor_opened(
    cache: Path, tmp_path: Path, firmware: Firmware, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = fake_avrdude(monkeypatch, tmp_path)
    with desk(cache) as (port, _):
        holder = SerialTransport(port, 115200)
        try:
            with (
                pytest.raises(PortBusyError),
                hardware.open(firmware, UNO, log=tmp_path / "log", port=at(port)),
            ):
                raise AssertionError("it must not open")
        finally:
            holder.close()
    assert not record.exists()


def test_two_cases_of_one_board_wait_for_each_other(
    cache: Path, tmp_path: Path, firmware: Firmware, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_avrdude(monkeypatch, tmp_path)
    inside: list[int] = []

    def case(number: int, port: str) -> None:
        with hardware.open(firmware, UNO, log=tmp_path / f"log-{number}", port=at(port)) as transport:
            inside.append(number)
            Session(transport).hello()
            time.sleep(0.1)
            inside.append(number)

    with desk(cache) as (port, _):
        threads = [threading.Thread(target=case, args=(number, port)) for number in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(inside) == [1, 1, 2, 2]
    assert inside[0] == inside[1]


@pytest.mark.parametrize(
    ("board", "reason"),
    [(UNO, r"--port uno=/dev/ttyACM0"), (replace(UNO, upload=None), "key `upload`")],
)
def test_no_port_or_no_way_to_flash_is_unavailable(
    board: Board, reason: str, firmware: Firmware, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(UPLOADERS, "arduino", ("true", "coreutils"))  # an uploader that is there
    with (
        pytest.raises(UnavailableError, match=reason),
        hardware.open(firmware, board, log=tmp_path / "log"),
    ):
        raise AssertionError("it must not open")


def test_a_missing_uploader_names_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for port in (None, at("/dev/null")):
        assert "apt-get install avrdude" in (hardware.unavailable(UNO, port=port) or "")
    stm32f4 = BOARDS["stm32f4"]
    assert "apt-get install stlink-tools" in (
        hardware.unavailable(stm32f4, port=at("/dev/null", board="stm32f4")) or ""
    )


def test_a_port_that_is_not_there(
    firmware: Firmware, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_avrdude(monkeypatch, tmp_path)
    with (
        pytest.raises(UnavailableError, match="/dev/no-such-port"),
        hardware.open(firmware, UNO, log=tmp_path / "log", port=at("/dev/no-such-port")),
    ):
        raise AssertionError("it must not open")
