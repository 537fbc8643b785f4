# SPDX-License-Identifier: Apache-2.0
"""Lines to boards: a serial port of this computer, one that another computer shares, a bare TCP connection.

Opening a port usually resets the board: DTR or RTS is wired to its reset, and both go up when the port is
opened, down when it is closed. What resets is the change. So both are left up, on closing too (HUPCL off):
after the first opening the board runs on, whoever opens the port. Down before opening would be no better:
Linux raises both in open() itself, and boards with native USB say nothing until DTR is up.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import warnings
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import serial

from harness.errors import HangError, LineLostError, NoBoardError, PortBusyError, UnavailableError
from harness.link.host_time import SYSTEM, HostTime
from harness.link.transport import WRITE_TIMEOUT_S

#: How often a serial read looks at its deadline. Changing pyserial's own timeout costs a system call or
#: two per read; waiting in slices of a fixed one does not, and a byte that arrives ends the slice.
_SERIAL_SLICE_S: Final = 0.05

_CONNECT_S: Final = 5.0

#: How long DTR and RTS are down for a reset.
_PULSE_S: Final = 0.05

_CHUNK_BYTES: Final = 65536


try:
    import termios
except ImportError:  # Windows
    _PORT_ERRORS: tuple[type[Exception], ...] = (OSError, ValueError)
else:
    _PORT_ERRORS = (OSError, ValueError, termios.error)


class SerialTransport:
    """A board on a serial port, opened for ourselves alone.

    Args:
        url: a device such as /dev/ttyACM0 or COM3, or rfc2217://host:port.
        baud: bits per second.
        lines_down: take DTR and RTS down: for boards that these hold in reset.

    Raises:
        PortBusyError: somebody else holds the port.
        NoBoardError: there is no such port.
        UnavailableError: this user may not open it, or it cannot do that rate.
    """

    def __init__(self, url: str, baud: int, *, lines_down: bool = False, time: HostTime = SYSTEM) -> None:
        self._url = url
        self._time = time
        self.baud = baud
        #: rfc2217: its client has a time-out of its own and refuses another
        patience = None if url.startswith("rfc2217://") else WRITE_TIMEOUT_S
        try:
            self._port = serial.serial_for_url(
                url, do_not_open=True, baudrate=baud, timeout=_SERIAL_SLICE_S, write_timeout=patience
            )
            self._port.exclusive = True
            if lines_down:
                self._port.dtr = self._port.rts = False
            with warnings.catch_warnings():
                # pyserial's RFC 2217 client starts its thread in the way of Python 2
                warnings.simplefilter("ignore", DeprecationWarning)
                self._port.open()
        except (OSError, ValueError) as error:
            raise _cannot_open(url, error) from error
        self.resets_on_open: Final = _keep_lines_up(self._port)
        """Opening may have reset the board: the lines may have been down before."""

    def write(self, data: bytes) -> None:
        """See Transport."""
        try:
            self._port.write(data)
        except serial.SerialTimeoutException as error:
            raise _takes_nothing(self._url) from error
        except OSError as error:
            raise _lost(self._url) from error

    def read(self, timeout_s: float) -> bytes:
        """See Transport."""
        deadline = self._time.now() + timeout_s
        while True:
            try:
                waiting = self._port.in_waiting
                if waiting or self._time.now() < deadline:
                    data: bytes = self._port.read(max(1, waiting))
                else:
                    return b""
            except (OSError, TypeError) as error:
                # pyserial's read of a port that vanished may trip over its own closed descriptor
                raise _lost(self._url) from error
            if data:
                return data

    def set_baud(self, baud: int) -> None:
        """See Retunable."""
        try:
            self._port.flush()
        except _PORT_ERRORS as error:
            raise _lost(self._url) from error
        try:
            self._port.baudrate = baud
        except _PORT_ERRORS as error:
            with contextlib.suppress(*_PORT_ERRORS):
                self._port.baudrate = self.baud
            raise UnavailableError(f"{self._url} cannot do {baud} baud: {error}.") from error
        self.baud = baud

    def reset(self) -> bool:
        """Reset the board by its lines; False: this port has none. Most boards heed one of the two.

        DTR first, down and up: on an ESP32's circuit that ends in a start of the program, not of the
        bootloader.

        Raises:
            LineLostError: the board is gone.
        """
        up = bool(self._port.dtr)
        try:
            for state in (not up, up):
                self._port.dtr = state
                self._port.rts = state
                self._time.sleep(_PULSE_S)
            self._port.reset_input_buffer()
        except OSError as error:
            if error.errno in (errno.ENOTTY, errno.EINVAL):
                return False
            raise _lost(self._url) from error
        return True

    def close(self) -> None:
        """See Transport."""
        with contextlib.suppress(OSError):
            self._port.close()


def _keep_lines_up(port: Any) -> bool:
    """Let DTR and RTS stay as they are when the port is closed; True: they may have come up just now."""
    descriptor = getattr(port, "fd", None)
    if descriptor is None:
        return True
    try:
        settings = termios.tcgetattr(descriptor)
        # the settings of a port outlive its closing: off means that the last one who closed it left them up
        came_up = bool(settings[2] & termios.HUPCL)
        settings[2] &= ~termios.HUPCL
        termios.tcsetattr(descriptor, termios.TCSANOW, settings)
    except termios.error:
        return True
    return came_up


class SocketTransport:
    """A board behind a bare TCP connection, `socket://host:port`: ser2net's raw mode, a simulator.

    Args:
        baud: the rate at the far end, which nobody can ask for: it only says how long to wait.

    Raises:
        NoBoardError: nobody listens there.
    """

    resets_on_open: Final = False

    def __init__(self, url: str, baud: int) -> None:
        self._url = url
        self.baud: Final = baud
        parts = urlsplit(url)
        try:
            self._socket = socket.create_connection((parts.hostname, parts.port), timeout=_CONNECT_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        except (OSError, ValueError) as error:
            raise _nobody_listens(url, str(error)) from error

    def reset(self) -> bool:
        """A TCP connection has no lines."""
        return False

    def write(self, data: bytes) -> None:
        """See Transport."""
        try:
            self._socket.settimeout(WRITE_TIMEOUT_S)
            self._socket.sendall(data)
        except TimeoutError as error:
            raise _takes_nothing(self._url) from error
        except OSError as error:
            raise _lost(self._url) from error

    def read(self, timeout_s: float) -> bytes:
        """See Transport."""
        try:
            self._socket.settimeout(max(0.0, timeout_s))
            data = self._socket.recv(_CHUNK_BYTES)
        except (BlockingIOError, TimeoutError):
            return b""
        except OSError as error:
            raise _lost(self._url) from error
        if not data:
            raise _lost(self._url)
        return data

    def close(self) -> None:
        """See Transport."""
        with contextlib.suppress(OSError):
            self._socket.close()


Line = SerialTransport | SocketTransport
"""A line to a board."""


def open_line(url: str, baud: int, *, lines_down: bool = False, time: HostTime = SYSTEM) -> Line:
    """Open whatever the URL names; see the two classes."""
    if url.startswith("socket://"):
        return SocketTransport(url, baud)
    return SerialTransport(url, baud, lines_down=lines_down, time=time)


def _lost(url: str) -> LineLostError:
    if "://" in url:
        return LineLostError(
            f"The board on {url} is gone.",
            cause="The far end closed the connection: its program ended, or lost the board.",
            fix="Look at the program that shares the port, then run again.",
        )
    return LineLostError(
        f"The board on {url} is gone.",
        cause="It was unplugged, or its USB bridge reset.",
        fix="Check the cable, then run again.",
    )


def _nobody_listens(url: str, said: str) -> NoBoardError:
    return NoBoardError(
        f"{url} cannot be opened: {said}.",
        cause="Nobody listens there.",
        fix="Start the program that shares the board's port, then run again.",
    )


def _takes_nothing(url: str) -> HangError:
    return HangError(
        f"The board on {url} has taken no byte for {WRITE_TIMEOUT_S:.0f} s.",
        cause="Its USB interface or the program that shares its port hangs.",
        fix="Reset the board, or give its power-cycle command in hardware-map.yaml.",
    )


def _cannot_open(url: str, error: Exception) -> PortBusyError | UnavailableError:
    number = getattr(error, "errno", None)
    text = str(error)
    # pyserial wraps flock()'s refusal in a message; Windows says "Access is denied" to a second opener
    if number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in text or "PermissionError(13" in text:
        return PortBusyError(
            f"{url} is busy{_holders(url)}.",
            cause="Another program holds the serial port (a serial monitor, an IDE, another sweep).",
            fix="Close that program, then run again.",
        )
    if number == errno.EACCES:
        return UnavailableError(
            f"{url} cannot be opened: permission denied.",
            cause="This user may not use serial ports.",
            fix="Run `sudo usermod -aG dialout $USER`, then log in anew.",
        )
    if isinstance(error, ValueError):
        return UnavailableError(f"{url} cannot be opened: {text}.")
    # pyserial says the name of the port once more, and the number of the error twice
    said = re.sub(r"(?i)^.*could not open port .*?: (?=\[Errno )", "", text)
    if "://" in url:
        return _nobody_listens(url, said)
    return NoBoardError(
        f"{url} cannot be opened: {said}.",
        cause="The board is not plugged in, or has another name.",
        fix="Run `quantrig boards` to see what is plugged in.",
    )


def _holders(device: str) -> str:
    """`: open in process 17 (minicom)`, where this user may see that."""
    real, found = os.path.realpath(device), []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(_leads_to(real, entry) for entry in (process / "fd").iterdir()):
                found.append(f"process {process.name} ({(process / 'comm').read_text().strip()})")
    return f": open in {' and '.join(sorted(found))}" if found else ""


def _leads_to(real: str, entry: Path) -> bool:
    """Whether a descriptor is that of the file; one that was closed meanwhile is not."""
    try:
        return str(entry.readlink()) == real
    except OSError:
        return False
