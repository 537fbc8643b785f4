# SPDX-License-Identifier: Apache-2.0
"""Bytes to and from a device: the only I/O of the link."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import time
from typing import Final, Protocol, runtime_checkable

import serial

from harness.errors import PortBusyError, TargetError, UnavailableError

#: A peer that takes no byte for this long will not take any more.
WRITE_TIMEOUT_S: Final = 30.0

_CHUNK_BYTES: Final = 65536

#: How often a serial read looks at its deadline. Changing pyserial's own timeout costs a system call or
#: two per read; waiting in slices of a fixed one does not, and a byte that arrives ends the slice.
_SERIAL_SLICE_S: Final = 0.05


class Transport(Protocol):
    """A two-way line of bytes."""

    @property
    def baud(self) -> int | None:
        """Bits per second; None for a line without a rate of its own."""

    def write(self, data: bytes) -> None:
        """Send all of `data`. Raises TargetError when the peer is gone."""

    def read(self, timeout_s: float) -> bytes:
        """Whatever has arrived, waiting at most `timeout_s` for the first byte; b"" on time-out.

        Raises TargetError when the peer is gone and all that it sent has been read.
        """

    def close(self) -> None:
        """Release the line. May be called twice."""


@runtime_checkable
class Recoverable(Protocol):
    """A transport whose device may go away and come back."""

    def reopen(self) -> None:
        """Drop the line and find the device again, wherever it is now; it may have been reset by that.

        Raises:
            LineLostError: it is not back within its time.
        """

    def power_cycle(self) -> bool:
        """Run the user's power-cycle command and wait for the board; False: there is none."""


@runtime_checkable
class Retunable(Protocol):
    """A transport whose rate can be changed while it is open."""

    def set_baud(self, baud: int) -> None:
        """Go on at `baud` bits per second. What was written before has left at the old rate."""


@runtime_checkable
class SectionCounter(Protocol):
    """A transport whose other end counts the timed section by itself, better than the device can."""

    def section_ticks(self, device_ticks: int) -> int:
        """Ticks of the section that the device has just answered for; asked once for every section.

        Args:
            device_ticks: what the device counted.

        Raises:
            TargetError: there is no count, or it does not agree with the device's.
        """


class HasFileno(Protocol):
    """An open file, pipe end or socket."""

    def fileno(self) -> int: ...

    def close(self) -> None: ...


class PipeTransport:
    """A device that is a child process: its stdin and stdout, as unbuffered files or as descriptors.

    Both become non-blocking and belong to the transport, which closes them.
    """

    baud: Final = None

    def __init__(self, stdin: int | HasFileno, stdout: int | HasFileno) -> None:
        self._stdin, self._stdout = stdin, stdout
        self._in, self._out = _descriptor(stdin), _descriptor(stdout)
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)
        self._writable = selectors.DefaultSelector()
        self._writable.register(self._in, selectors.EVENT_WRITE)
        self._readable = selectors.DefaultSelector()
        self._readable.register(self._out, selectors.EVENT_READ)
        self._closed = False

    def write(self, data: bytes) -> None:
        """See Transport."""
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._in, left) :]
            except BlockingIOError:
                if not self._writable.select(WRITE_TIMEOUT_S):
                    raise TargetError(
                        f"The device's process has taken no byte for {WRITE_TIMEOUT_S:.0f} s.",
                        cause="It hangs, or its firmware does not read its serial port.",
                        fix="Look at the log of the case.",
                    ) from None
            except OSError as error:
                raise _process_ended() from error

    def read(self, timeout_s: float) -> bytes:
        """See Transport."""
        if not self._readable.select(max(0.0, timeout_s)):
            return b""
        try:
            data = os.read(self._out, _CHUNK_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise _process_ended() from error
        if not data:
            raise _process_ended()
        return data

    def close(self) -> None:
        """See Transport."""
        if self._closed:
            return
        self._closed = True
        self._writable.close()
        self._readable.close()
        for end in (self._stdin, self._stdout):
            with contextlib.suppress(OSError):
                os.close(end) if isinstance(end, int) else end.close()


def open_pty(path: str | os.PathLike[str]) -> PipeTransport:
    """A device behind a pseudo-terminal, made raw first: by default it would echo and turn line ends.

    Raises:
        OSError: there is no such terminal.
    """
    import termios  # there is none on Windows, where real boards work all the same

    terminal = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        _, _, _, _, _, _, characters = termios.tcgetattr(terminal)
        characters[termios.VMIN], characters[termios.VTIME] = 1, 0
        # every flag named, none kept: whoever made the terminal may have left anything in them
        flags = [0, 0, termios.CS8 | termios.CREAD | termios.CLOCAL, 0]
        rates = [termios.B115200, termios.B115200]
        termios.tcsetattr(terminal, termios.TCSANOW, [*flags, *rates, characters])
    except termios.error as error:
        os.close(terminal)
        raise OSError(*error.args) from error
    return PipeTransport(os.dup(terminal), terminal)


def _descriptor(end: int | HasFileno) -> int:
    return end if isinstance(end, int) else end.fileno()


def _process_ended() -> TargetError:
    return TargetError(
        "The device's process ended in the middle of the conversation.",
        cause="The emulator or the native firmware crashed or was killed.",
        fix="Look at the log of the case.",
    )


class SerialTransport:
    """A board on a serial port, opened for ourselves alone.

    Args:
        url: a device such as /dev/ttyACM0 or COM3, or any URL that pyserial knows.
        baud: bits per second.

    Raises:
        PortBusyError: somebody else holds the port.
        UnavailableError: there is no such port, or this user may not open it.
    """

    def __init__(self, url: str, baud: int) -> None:
        self._url = url
        self.baud: Final = baud
        try:
            self._port = serial.serial_for_url(
                url, baudrate=baud, timeout=_SERIAL_SLICE_S, write_timeout=WRITE_TIMEOUT_S, exclusive=True
            )
        except (OSError, ValueError) as error:
            raise _cannot_open(url, error) from error

    def write(self, data: bytes) -> None:
        """See Transport."""
        try:
            self._port.write(data)
        except OSError as error:
            raise self._lost() from error

    def read(self, timeout_s: float) -> bytes:
        """See Transport."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                waiting = self._port.in_waiting
                if waiting or time.monotonic() < deadline:
                    data: bytes = self._port.read(max(1, waiting))
                else:
                    return b""
            except (OSError, TypeError) as error:
                # pyserial's read of a port that vanished may trip over its own closed descriptor
                raise self._lost() from error
            if data:
                return data

    def close(self) -> None:
        """See Transport."""
        with contextlib.suppress(OSError):
            self._port.close()

    def _lost(self) -> TargetError:
        return TargetError(
            f"The board on {self._url} is gone.",
            cause="It was unplugged, or its USB bridge reset.",
            fix="Check the cable, then run again.",
        )


def _cannot_open(url: str, error: Exception) -> PortBusyError | UnavailableError:
    number = getattr(error, "errno", None)
    text = str(error)
    # pyserial wraps flock()'s refusal in a message; Windows says "Access is denied" to a second opener
    if number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in text or "PermissionError(13" in text:
        return PortBusyError(
            f"{url} is busy.",
            cause="Another program holds the serial port (a serial monitor, an IDE, another sweep).",
            fix="Close that program, then run again.",
        )
    if number == errno.EACCES:
        return UnavailableError(
            f"{url} cannot be opened: permission denied.",
            cause="This user may not use serial ports.",
            fix="Run `sudo usermod -aG dialout $USER`, then log in anew.",
        )
    return UnavailableError(
        f"{url} cannot be opened: {text}.",
        cause="The board is not plugged in, or has another name.",
        fix="Run `quantrig boards` to see what is plugged in.",
    )
