# SPDX-License-Identifier: Apache-2.0
"""Lines to boards, over real pseudo terminals and real TCP connections: opening, rates, loss and return."""

from __future__ import annotations

import os
import socket
import subprocess
import termios
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import serial

from harness.errors import HangError, LineLostError, NoBoardError, PortBusyError, UnavailableError
from harness.link import Session
from harness.link.board_line import BoardPlace, open_board
from harness.link.serial_line import SerialTransport, SocketTransport, open_line
from harness.link.transport import Recoverable, Retunable
from tests.link.memory_device import FAKE_BYTES, fake_inputs, fake_outputs
from tests.link.shared_port import SharedPort


class TestTime:
    """Time that passes only when somebody sleeps; `events` happen at their moment."""

    __test__ = False

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []
        self.events: dict[float, Callable[[], object]] = {}

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        for moment in [m for m in self.events if m <= self.seconds]:
            self.events.pop(moment)()


class Terminal:
    """A pseudo terminal: our end, and the name of the port that it plays."""

    def __init__(self) -> None:
        self.ours, self.theirs = os.openpty()
        tty.setraw(self.theirs)
        self.name = os.ttyname(self.theirs)

    def unplug(self) -> None:
        os.close(self.ours)
        os.close(self.theirs)
        self.ours = -1


@pytest.fixture
def terminals() -> Iterator[Callable[[], Terminal]]:
    made: list[Terminal] = []

    def make() -> Terminal:
        made.append(Terminal())
        return made[-1]

    yield make
    for terminal in made:
        if terminal.ours >= 0:
            terminal.unplug()


def converse(line: Any) -> None:
    session = Session(line)
    assert session.hello().counter == "monotonic"
    for sample in range(5):
        given = fake_inputs(sample, FAKE_BYTES)
        assert session.infer(given).outputs == fake_outputs(given)
    assert session.stats.retries == 0


@pytest.mark.parametrize("speak", ["socket", "rfc2217"])
def test_a_board_that_another_computer_shares(native_firmware: Path, speak: str) -> None:
    with SharedPort(native_firmware, speak) as shared:
        line = open_line(shared.url, 57_600)
        assert line.baud == 57_600
        while line.read(0.3):
            pass  # the process says that it has started, unless that was before we came
        assert line.read(0.0) == b""
        converse(line)
        shared.drop()

        def read_on() -> None:
            while True:
                line.read(5.0)

        with pytest.raises(LineLostError, match=f"board on {shared.url} is gone"):
            read_on()
        line.close()
        line.close()


def test_the_rate_goes_to_the_far_end_and_one_that_it_refuses_changes_nothing(native_firmware: Path) -> None:
    with SharedPort(native_firmware, "rfc2217", largest_baud=500_000) as shared:
        line = open_line(shared.url, 115_200)
        assert isinstance(line, Retunable)
        line.set_baud(250_000)
        assert (line.baud, shared.port.bauds[-1]) == (250_000, 250_000)
        with pytest.raises(UnavailableError, match="cannot do 2000000 baud"):
            line.set_baud(2_000_000)
        assert (line.baud, shared.port.baudrate) == (250_000, 250_000)
        converse(line)
        line.close()


def test_lines_stay_up_unless_they_hold_the_board_in_reset(native_firmware: Path) -> None:
    with SharedPort(native_firmware, "rfc2217") as shared:
        line = open_line(shared.url, 115_200)
        assert shared.port.lines == [("dtr", True), ("rts", True)]
        assert line.resets_on_open
        shared.port.lines.clear()
        assert line.reset()
        # RTS is up alone while DTR falls, which resets an ESP32, and not while both rise
        assert shared.port.lines == [("dtr", False), ("rts", False), ("dtr", True), ("rts", True)]
        line.close()
        shared.port.lines.clear()
        line = open_line(shared.url, 115_200, lines_down=True)
        assert shared.port.lines == [("dtr", False), ("rts", False)]
        line.close()


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for url in (f"socket://127.0.0.1:{port}", f"rfc2217://127.0.0.1:{port}"):
        with pytest.raises(NoBoardError, match=f"{url} cannot be opened") as caught:
            open_line(url, 115_200)
        assert caught.value.what.count("refused") == caught.value.what.count(url) == 1
        assert caught.value.cause == "Nobody listens there."


def test_a_far_end_that_closes_the_connection_is_not_called_unplugged() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line = SocketTransport(f"socket://127.0.0.1:{listener.getsockname()[1]}", 115_200)
        listener.accept()[0].close()
        with pytest.raises(LineLostError, match="The far end closed the connection"):
            line.read(1.0)
        line.close()


def test_a_far_end_that_takes_nothing_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.link.serial_line.WRITE_TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line = SocketTransport(f"socket://127.0.0.1:{listener.getsockname()[1]}", 115_200)
        with pytest.raises(HangError, match="has taken no byte"):
            line.write(bytes(1 << 24))
        line.close()


def test_a_serial_port_that_takes_nothing_hangs(
    terminals: Callable[[], Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.link.serial_line.WRITE_TIMEOUT_S", 0.05)
    line = SerialTransport(terminals().name, 115_200)
    with pytest.raises(HangError, match="has taken no byte"):
        line.write(bytes(1 << 20))
    line.close()


def test_closing_leaves_the_lines_up(terminals: Callable[[], Terminal]) -> None:
    """HUPCL is what takes them down; whoever finds it off knows that the board was not reset."""
    terminal = terminals()
    settings = termios.tcgetattr(terminal.theirs)
    settings[2] |= termios.HUPCL
    termios.tcsetattr(terminal.theirs, termios.TCSANOW, settings)
    first = SerialTransport(terminal.name, 115_200)
    assert first.resets_on_open
    assert not termios.tcgetattr(terminal.theirs)[2] & termios.HUPCL
    first.set_baud(57_600)
    first.close()
    assert not termios.tcgetattr(terminal.theirs)[2] & termios.HUPCL
    second = SerialTransport(terminal.name, 115_200)
    assert not second.resets_on_open
    second.close()


def test_a_rate_is_set_in_the_port(terminals: Callable[[], Terminal]) -> None:
    terminal = terminals()
    line = SerialTransport(terminal.name, 115_200)
    line.set_baud(230_400)
    assert termios.tcgetattr(terminal.theirs)[4] == termios.B230400
    assert line.baud == 230_400
    os.write(terminal.ours, b"\xff\0answer")
    received = b""
    while len(received) < 8:
        received += line.read(5.0)
    assert received == b"\xff\0answer"
    terminal.unplug()
    with pytest.raises((LineLostError, UnavailableError)):
        line.set_baud(115_200)
    line.close()


def test_a_busy_port_names_who_has_it(terminals: Callable[[], Terminal]) -> None:
    terminal = terminals()
    holder = SerialTransport(terminal.name, 115_200)
    with pytest.raises(PortBusyError, match=rf"{terminal.name} is busy: .*process {os.getpid()} \("):
        SerialTransport(terminal.name, 115_200)
    holder.close()


# --- boards that go away and come back ------------------------------------------------------------------


def place(find: Callable[[], str | None], **options: Any) -> BoardPlace:
    return BoardPlace(name="left", find=find, baud=115_200, **options)


def test_a_board_that_is_not_there() -> None:
    with pytest.raises(NoBoardError, match="left is not plugged in"):
        open_board(place(lambda: None))


def test_a_board_comes_back_under_another_name(
    native_firmware: Path, terminals: Callable[[], Terminal]
) -> None:
    old, new = terminals(), terminals()
    now: list[str] = [old.name]
    time = TestTime()
    board = open_board(place(lambda: now[0] if now else None), time=time)
    assert isinstance(board, Recoverable)
    assert isinstance(board, Retunable)
    board.set_baud(57_600)
    old.unplug()
    now.clear()
    with pytest.raises(LineLostError, match="is gone"):
        board.read(1.0)
    time.events[5.0] = lambda: now.append(new.name)
    board.reopen()
    assert 5.0 <= time.now() < 6.0
    assert board.baud == 115_200, "a board that was reset starts at its first rate"
    with subprocess.Popen([native_firmware], stdin=new.ours, stdout=new.ours) as process:
        converse(board)
        board.close()
        process.kill()


def test_a_board_that_does_not_come_back(terminals: Callable[[], Terminal]) -> None:
    terminal = terminals()
    now = [terminal.name]
    time = TestTime()
    board = open_board(place(lambda: now[0] if now else None, return_s=7.0), time=time)
    now.clear()
    with pytest.raises(LineLostError, match=r"left is not back after 7 s\. .*unplugged"):
        board.reopen()
    assert 7.0 <= time.now() < 7.5
    now.append("/dev/no-such-port")
    with pytest.raises(LineLostError, match="not back after 7 s: /dev/no-such-port cannot be opened"):
        board.reopen()


def test_a_port_that_somebody_looks_into_when_it_appears(terminals: Callable[[], Terminal]) -> None:
    """ModemManager has a new port for some seconds."""
    old, new = terminals(), terminals()
    now = [old.name]
    time = TestTime()
    board = open_board(place(lambda: now[0]), time=time)
    now[0] = new.name
    somebody = SerialTransport(new.name, 115_200)
    time.events[3.0] = somebody.close
    board.reopen()
    assert 3.0 <= time.now() < 3.5
    board.close()


def test_a_bare_connection_has_no_rate_to_change(native_firmware: Path) -> None:
    with SharedPort(native_firmware, "socket") as shared:
        board = open_board(place(lambda: shared.url))
        assert isinstance(board, Recoverable)
        assert not isinstance(board, Retunable)
        converse(board)
        shared.drop()
        board.reopen()
        converse(board)
        board.close()


def test_reopening_resets_a_board_that_hangs_and_lets_its_bootloader_be(native_firmware: Path) -> None:
    with SharedPort(native_firmware, "rfc2217") as shared:
        time = TestTime()
        board = open_board(place(lambda: shared.url, settle_s=2.0), time=time)
        assert time.slept == [2.0], "who knows whether opening has reset it"
        board.close()
        board.reopen()
        assert time.slept[-1] == 2.0
        board.close()


def test_a_power_cycle(terminals: Callable[[], Terminal]) -> None:
    old, new = terminals(), terminals()
    now = [old.name]
    time = TestTime()
    without = open_board(place(lambda: now[0]), time=time)
    assert without.power_cycle() is False
    without.close()

    def cycle() -> None:
        # nobody may have the port open while its board is turned off
        SerialTransport(old.name, 115_200).close()
        old.unplug()
        now[0] = new.name

    board = open_board(place(lambda: now[0], power_cycle=cycle, settle_s=1.5), time=time)
    assert board.power_cycle() is True
    assert time.slept == [1.5]
    os.write(new.ours, b"hello")
    assert board.read(5.0)
    board.close()


def test_a_port_without_lines_is_not_waited_for(terminals: Callable[[], Terminal]) -> None:
    terminal = terminals()
    time = TestTime()
    board = open_board(place(lambda: terminal.name, settle_s=9.0), time=time)
    board.reopen()
    assert time.slept == [], "a pseudo terminal resets nothing"
    board.close()


def test_a_terminal_that_vanishes_while_it_is_reset(
    terminals: Callable[[], Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = SerialTransport(terminals().name, 115_200)

    def vanish(_: object) -> None:
        raise serial.SerialException(5, "Input/output error")

    monkeypatch.setattr(type(line._port), "_update_dtr_state", vanish)
    with pytest.raises(LineLostError):
        line.reset()
    line.close()
