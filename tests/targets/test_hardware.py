# SPDX-License-Identifier: Apache-2.0
"""Target `hardware` without a board: a fake avrdude, and the native firmware behind a pseudo terminal.

PlatformIO, the port's lock and the serial line are real; only waiting is not waited.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.boards import Board, Reset, Upload
from harness.build import Firmware
from harness.desk import Attachment
from harness.errors import HangError, LineLostError, PortBusyError, UnavailableError, UploadError
from harness.link.serial_line import SerialTransport
from harness.link.session import Session
from harness.link.transport import Recoverable, Retunable
from harness.measure import measure
from harness.resources import cache_dir
from harness.serial_ports import SerialPort
from harness.targets import hardware
from harness.targets.upload import UPLOADERS, complaint
from tests.link.shared_port import SharedPort
from tests.tiny_firmware import BOARDS, tiny_firmware

UNO = replace(BOARDS["uno"], reset=Reset(settle_s=0.1))


def at(url: str, *, board: str = "uno") -> Attachment:
    return Attachment(id=board, board=board, url=url)


class Hurried:
    """The host's time without waiting: what would have been slept is written down."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.wakes: dict[float, Callable[[], object]] = {}
        """What happens while so long is slept."""

    def now(self) -> float:
        return time.monotonic() + sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.wakes.pop(seconds, lambda: None)()


FAKE_AVRDUDE = """\
#!/bin/sh
echo "$@" >> "{record}"
{first}
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
    monkeypatch: pytest.MonkeyPatch, folder: Path, *, code: int = 0, words: str = "done", first: str = ""
) -> Path:
    """Puts an avrdude on PATH that only writes down how it was called."""
    program, record = folder / "bin" / "avrdude", folder / "calls"
    program.parent.mkdir()
    program.write_text(FAKE_AVRDUDE.format(record=record, words=words, code=code, first=first))
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
        slow, hurried = replace(UNO, baud=57_600), Hurried()
        opened = hardware.open(firmware, slow, log=tmp_path / "log", port=at(port), time=hurried)
        with opened as transport:
            assert transport.baud == 57_600
            assert hurried.slept == [UNO.reset.settle_s], "its bootloader waits that long"
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
        hardware.open(firmware, UNO, log=log, port=at(port), time=Hurried()),
    ):
        raise AssertionError("it must not open")
    assert log.read_text().count("avrdude: stk500_recv") == 2, "one failure is forgiven"


def test_an_upload_that_fails_once_is_tried_again(
    cache: Path, tmp_path: Path, firmware: Firmware, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = f'[ -e "{tmp_path}/tried" ] || {{ touch "{tmp_path}/tried"; exit 1; }}'
    record = fake_avrdude(monkeypatch, tmp_path, first=once)
    hurried = Hurried()
    with desk(cache) as (port, _):
        opened = hardware.open(firmware, UNO, log=tmp_path / "log", port=at(port), time=hurried)
        with opened as transport:
            Session(transport).hello()
    assert len(record.read_text().splitlines()) == 2
    assert hurried.slept == [2.0, UNO.reset.settle_s]


def test_an_upload_has_its_time(
    cache: Path, tmp_path: Path, firmware: Firmware, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_avrdude(monkeypatch, tmp_path, first="sleep 1000")
    with (
        desk(cache) as (port, _),
        pytest.raises(UploadError, match=r"not flashed within 0\.5 s, in 2 attempts.*upload_timeout_s"),
        hardware.open(
            firmware,
            UNO,
            log=tmp_path / "log",
            port=replace(at(port), upload_timeout_s=0.5),
            time=Hurried(),
        ),
    ):
        raise AssertionError("it must not open")


def test_a_board_that_runs_the_firmware_already_is_not_flashed(
    cache: Path, tmp_path: Path, firmware: Firmware, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = fake_avrdude(monkeypatch, tmp_path)
    same = replace(firmware, firmware_sha256=tiny_firmware(BOARDS["native"], cache).firmware_sha256)
    hurried, log = Hurried(), tmp_path / "log"
    with (
        desk(cache) as (port, _),
        hardware.open(same, UNO, log=log, port=at(port), time=hurried) as transport,
    ):
        assert Session(transport).hello().firmware_sha256 == same.firmware_sha256
    assert not record.exists()
    assert hurried.slept == [], "nothing was reset, so nothing has to be waited for"
    assert "uno runs this firmware already: not flashed." in log.read_text()


def test_what_chatters_or_says_nothing_is_flashed(
    tmp_path: Path, firmware: Firmware, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = fake_avrdude(monkeypatch, tmp_path)
    monkeypatch.setattr(hardware, "_ASK_S", 0.3)
    for greeting in (b"", b"$GPGGA,123519,4807.038,N\r\n" * 40):
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        os.write(ours, greeting)
        log, port = tmp_path / "log", at(os.ttyname(theirs))
        with hardware.open(firmware, UNO, log=log, port=port, time=Hurried()):
            pass
        os.close(ours)
        os.close(theirs)
    assert len(record.read_text().splitlines()) == 2


def test_a_board_that_comes_back_under_another_name_after_its_upload(
    cache: Path, tmp_path: Path, firmware: Firmware, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one with native USB does; the other board, which gets the old name, is left alone."""
    record = fake_avrdude(monkeypatch, tmp_path, first=f'touch "{tmp_path}/flashed"')
    with desk(cache) as (old, process), desk(cache) as (new, _):

        def ports() -> list[SerialPort]:
            flashed = (tmp_path / "flashed").exists()
            mine = SerialPort(device=new if flashed else old, serial_number="MINE", location="1-1")
            return [SerialPort(device=old, serial_number="OTHER"), mine] if flashed else [mine]

        monkeypatch.setattr("harness.desk.serial_ports", ports)
        port = replace(at(old), serial_number="MINE", location="1-1")
        opened = hardware.open(firmware, UNO, log=tmp_path / "log", port=port, time=Hurried())
        with opened as transport:
            process.kill()
            assert Session(transport).hello().board == "native"
    assert f"-P {old} " in record.read_text()


@pytest.mark.parametrize(
    ("speak", "name"), [("socket", "net:127.0.0.1:"), ("rfc2217", "rfc2217://127.0.0.1:")]
)
def test_a_board_of_another_computer(
    tmp_path: Path, firmware: Firmware, speak: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = fake_avrdude(monkeypatch, tmp_path)
    native = tiny_firmware(BOARDS["native"], cache_dir())
    with SharedPort(native.elf, speak) as shared:
        opened = hardware.open(firmware, UNO, log=tmp_path / "log", port=at(shared.url), time=Hurried())
        with opened as transport:
            assert isinstance(transport, Retunable) == (speak == "rfc2217")
            session = Session(transport)
            session.hello()
            assert session.infer([bytes(4)]).outputs == (bytes([1, 2, 3, 4]),)
    assert f"-P {name}" in record.read_text()


def test_a_measurement_goes_on_where_the_board_has_come_back(
    cache: Path, tmp_path: Path, firmware: Firmware, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unplugged after five samples and back under another name, its firmware in its flash."""
    fake_avrdude(monkeypatch, tmp_path)
    same = replace(firmware, firmware_sha256=tiny_firmware(BOARDS["native"], cache).firmware_sha256)
    inputs = np.arange(160, dtype=np.uint8).view(np.int8).reshape(40, 4)
    with desk(cache) as (old, process), desk(cache) as (new, _):
        now = [old]
        monkeypatch.setattr(
            "harness.desk.serial_ports", lambda: [SerialPort(device=now[0], serial_number="MINE")]
        )

        def unplug(done: int, _: int) -> None:
            if done == 5:
                now[0] = new
                process.kill()
                process.wait()

        port = replace(at(old), serial_number="MINE")
        with hardware.open(same, UNO, log=tmp_path / "log", port=port) as transport:
            measured = measure(
                transport, expected_digest=same.firmware_sha256, inputs=[inputs], on_progress=unplug
            )
    np.testing.assert_array_equal(measured.outputs, inputs + np.array([1, 2, 3, 4], np.int8))
    assert measured.link is not None
    assert measured.link.reconnects == 1


def test_the_users_power_cycle_command(
    cache: Path, tmp_path: Path, firmware: Firmware, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_avrdude(monkeypatch, tmp_path)
    log, hurried = tmp_path / "log", Hurried()
    with desk(cache) as (port, _):
        cycled = replace(at(port), power_cycle=("touch", str(tmp_path / "off and on")))
        opened = hardware.open(firmware, UNO, log=log, port=cycled, time=hurried)
        with opened as transport:
            assert isinstance(transport, Recoverable)
            assert transport.power_cycle() is True
            assert (tmp_path / "off and on").exists()
            assert hurried.slept == [UNO.reset.settle_s] * 2
            Session(transport).hello()
        assert "turned off and on by" in log.read_text()


@pytest.mark.parametrize(
    "failure",
    [
        (("sh", "-c", "echo no such relay; exit 3"), r"Exit code 3\. no such relay"),
        (("/no/such/relay", "on"), r"The program /no/such/relay was not found.*by hand: `/no/such/relay on`"),
    ],
)
def test_a_power_cycle_command_that_fails_leaves_a_board_that_hangs(
    cache: Path,
    tmp_path: Path,
    firmware: Firmware,
    monkeypatch: pytest.MonkeyPatch,
    failure: tuple[tuple[str, ...], str],
) -> None:
    fake_avrdude(monkeypatch, tmp_path)
    command, words = failure
    with desk(cache) as (port, _):
        failing = replace(at(port), power_cycle=command)
        with hardware.open(firmware, UNO, log=tmp_path / "log", port=failing, time=Hurried()) as transport:
            assert isinstance(transport, Recoverable)
            with pytest.raises(HangError, match=f"uno hangs, and its power-cycle command failed. {words}"):
                transport.power_cycle()


@pytest.mark.parametrize(
    ("protocol", "probe", "option"),
    [
        ("stlink", "0667FF52", "--serial 0667FF52 "),
        ("stlink", None, "--reset write"),
        ("openocd", "0667FF52", "-c hla_serial 0667FF52 "),
    ],
)
def test_the_debug_probe_is_named_where_it_is_known(
    tmp_path: Path, protocol: str, probe: str | None, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = cache_dir()
    record = fake_avrdude(monkeypatch, tmp_path)
    (tmp_path / "bin" / "avrdude").rename(tmp_path / "bin" / UPLOADERS[protocol][0])
    board = replace(BOARDS["stm32f4"], upload=Upload(protocol=protocol, usb_ids=()))
    firmware = tiny_firmware(BOARDS["stm32f4"], cache)
    with desk(cache) as (port, _):
        attached = Attachment(id="f4", board="stm32f4", url=port, probe=probe)
        with hardware.open(firmware, board, log=tmp_path / "log", port=attached, time=Hurried()):
            pass
    (call,) = record.read_text().splitlines()
    assert option in call
    assert ("serial" in call) == (probe is not None)
    assert str(firmware.image) in call


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
