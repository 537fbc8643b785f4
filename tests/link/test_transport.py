# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import errno
import os
import select
import subprocess
import sys
import termios
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from harness.errors import LineLostError, NoBoardError, PortBusyError, TargetError, UnavailableError
from harness.link import PipeTransport, SerialTransport, Session
from harness.link.transport import Transport, open_pty
from tests.link.memory_device import FAKE_BYTES, fake_inputs, fake_outputs


def close_if_open(descriptor: int) -> None:
    """For tests that close the peer's end themselves; no other file is opened in between."""
    with contextlib.suppress(OSError):
        os.close(descriptor)


@pytest.fixture
def pipes() -> Iterator[tuple[PipeTransport, int, int]]:
    """A transport, and the other ends: what it wrote can be read, what is written it reads."""
    from_host, to_device = os.pipe()
    from_device, to_host = os.pipe()
    transport = PipeTransport(to_device, from_device)
    yield transport, from_host, to_host
    transport.close()
    for end in (from_host, to_host):
        close_if_open(end)


def test_bytes_pass(pipes: tuple[PipeTransport, int, int]) -> None:
    transport, from_host, to_host = pipes
    assert transport.baud is None
    transport.write(b"\0ask\xff")
    assert os.read(from_host, 100) == b"\0ask\xff"
    os.write(to_host, b"\0answer")
    assert transport.read(1.0) == b"\0answer"


def test_a_read_waits_no_longer_than_told(pipes: tuple[PipeTransport, int, int]) -> None:
    started = time.monotonic()
    assert pipes[0].read(0.05) == b""
    assert 0.04 < time.monotonic() - started < 5.0
    assert pipes[0].read(0.0) == b""
    assert pipes[0].read(-1.0) == b""


def test_what_the_peer_sent_before_its_end_is_read_first(pipes: tuple[PipeTransport, int, int]) -> None:
    transport, _, to_host = pipes
    os.write(to_host, b"last words")
    os.close(to_host)
    assert transport.read(1.0) == b"last words"
    with pytest.raises(TargetError, match="process ended"):
        transport.read(1.0)


def test_writing_to_a_peer_that_ended(pipes: tuple[PipeTransport, int, int]) -> None:
    transport, from_host, _ = pipes
    os.close(from_host)
    with pytest.raises(TargetError, match="process ended"):
        transport.write(b"x")


def test_a_slow_peer_gets_everything(pipes: tuple[PipeTransport, int, int]) -> None:
    transport, from_host, _ = pipes
    sent = bytes(range(256)) * 2000
    received = bytearray()

    def take() -> None:
        while len(received) < len(sent):
            received.extend(os.read(from_host, 4096))

    reader = threading.Thread(target=take)
    reader.start()
    transport.write(sent)
    reader.join(30)
    assert bytes(received) == sent


def test_a_peer_that_takes_nothing_is_given_up(
    pipes: tuple[PipeTransport, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.link.transport.WRITE_TIMEOUT_S", 0.05)
    with pytest.raises(TargetError, match="taken no byte"):
        pipes[0].write(bytes(1 << 22))


def test_closing_twice(pipes: tuple[PipeTransport, int, int]) -> None:
    pipes[0].close()
    pipes[0].close()


def session_with(transport: Transport) -> None:
    session = Session(transport)
    assert session.hello().counter == "monotonic"
    for sample in range(20):
        reply = session.infer(fake_inputs(sample, FAKE_BYTES))
        assert reply.outputs == fake_outputs(fake_inputs(sample, FAKE_BYTES))
    assert session.stats.retries == 0


def test_the_native_firmware_over_pipes(native_firmware: Path) -> None:
    process = subprocess.Popen([native_firmware], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        transport = PipeTransport(process.stdin, process.stdout)
        session_with(transport)
        # the process ends by itself when its stdin does
        transport.close()
        assert process.wait(10) == 0


def test_the_native_firmware_killed_in_the_middle(native_firmware: Path) -> None:
    process = subprocess.Popen([native_firmware], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        session = Session(PipeTransport(process.stdin, process.stdout))
        session.hello()
        process.kill()
        process.wait(10)
        with pytest.raises(TargetError, match="process ended"):
            session.infer(fake_inputs(1))


def test_the_native_firmware_ends_when_nobody_reads_it(native_firmware: Path) -> None:
    process = subprocess.Popen([native_firmware], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.close()
        process.stdin.write(b"\5junk\0")
        assert process.wait(10) != 0


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """A pseudo terminal: its other end, and the path of the serial port that it plays."""
    other, port = os.openpty()
    tty.setraw(port)
    yield other, os.ttyname(port)
    os.close(port)
    close_if_open(other)


def test_a_serial_port(terminal: tuple[int, str]) -> None:
    other, path = terminal
    transport = SerialTransport(path, 57_600)
    assert transport.baud == 57_600
    transport.write(b"\0ask\r\n\xff")
    assert os.read(other, 100) == b"\0ask\r\n\xff"
    os.write(other, b"\0\x11\x13answer")
    received = b""
    while len(received) < 9:
        received += transport.read(5.0)
    assert received == b"\0\x11\x13answer"
    assert transport.read(0.0) == b""
    started = time.monotonic()
    assert transport.read(0.1) == b""
    assert time.monotonic() - started >= 0.1
    transport.close()


def test_the_native_firmware_over_a_serial_port(native_firmware: Path, terminal: tuple[int, str]) -> None:
    other, path = terminal
    with subprocess.Popen([native_firmware], stdin=other, stdout=other) as process:
        transport = SerialTransport(path, 115200)
        session_with(transport)
        transport.close()
        process.kill()


def test_a_pseudo_terminal_passes_every_byte_as_it_is() -> None:
    """Whatever it was set to: as it is made it echoes, waits for whole lines, acts on control characters."""
    other, port = os.openpty()
    settings = termios.tcgetattr(port)
    everything = 0x7FFFFFFF & ~termios.HUPCL
    settings[0], settings[3] = settings[0] | termios.INLCR | termios.PARMRK, settings[3] & everything
    termios.tcsetattr(port, termios.TCSANOW, settings)
    path = os.ttyname(port)
    transport = open_pty(path)
    os.close(port)
    data = bytes(range(256))
    transport.write(data)
    assert os.read(other, 1000) == data
    os.write(other, data)
    received = b""
    while len(received) < len(data):
        received += transport.read(5.0)
    assert received == data
    assert not select.select([other], [], [], 0.05)[0], "an echo"
    assert transport.baud is None
    os.close(other)
    with pytest.raises(TargetError, match="process ended"):
        transport.read(5.0)
    transport.close()
    transport.close()


def test_a_pseudo_terminal_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_pty(tmp_path / "line")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="ioctl"):
        open_pty(tmp_path / "file")


def test_a_busy_port_is_named(terminal: tuple[int, str]) -> None:
    path = terminal[1]
    holder = SerialTransport(path, 115200)
    with pytest.raises(PortBusyError, match=f"{path} is busy") as caught:
        SerialTransport(path, 115200)
    assert caught.value.exit_code == 4
    assert f"process {os.getpid()} (" in caught.value.what
    assert "Close that program" in caught.value.fix
    holder.close()
    SerialTransport(path, 115200).close()


def test_who_has_a_busy_port_is_found_among_descriptors_that_close(
    terminal: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = SerialTransport(terminal[1], 115200)
    entries = Path.iterdir

    def with_a_closed_one(folder: Path) -> Iterator[Path]:
        yield folder / "4294967295"
        yield from entries(folder)

    monkeypatch.setattr(Path, "iterdir", with_a_closed_one)
    with pytest.raises(PortBusyError, match=f"process {os.getpid()} "):
        SerialTransport(terminal[1], 115200)
    holder.close()


def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    gone = str(tmp_path / "ttyACM7")
    with pytest.raises(UnavailableError, match="cannot be opened") as caught:
        SerialTransport(gone, 115200)
    assert caught.value.what == f"{gone} cannot be opened: [Errno 2] No such file or directory: '{gone}'."
    assert "quantrig boards" in caught.value.fix


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (serial.SerialException(errno.EBUSY, "Device or resource busy"), PortBusyError),
        (serial.SerialException(errno.EACCES, "Permission denied"), UnavailableError),
        (serial.SerialException("could not open port 'COM3': PermissionError(13, 'Denied')"), PortBusyError),
        (serial.SerialException("could not open port 'COM3': FileNotFoundError(2, '')"), NoBoardError),
    ],
)
def test_why_a_port_does_not_open(
    failure: Exception, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    with pytest.raises(kind) as caught:
        SerialTransport("COM3", 115200)
    if getattr(failure, "errno", None) == errno.EACCES:
        assert "dialout" in str(caught.value)


def test_a_board_that_is_unplugged(terminal: tuple[int, str]) -> None:
    other, path = terminal
    transport = SerialTransport(path, 115200)
    os.close(other)
    with pytest.raises(LineLostError, match=f"board on {path} is gone"):
        transport.read(1.0)
    with pytest.raises(LineLostError, match="gone"):
        transport.write(bytes(1 << 16))
    transport.close()


def test_the_link_loads_neither_numpy_nor_tensorflow() -> None:
    code = "import sys, harness.link; print({'numpy', 'tensorflow', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
