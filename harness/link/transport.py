# SPDX-License-Identifier: Apache-2.0
"""Bytes to and from a device: the only I/O of the link."""

from __future__ import annotations

import contextlib
import os
import selectors
from typing import Final, Protocol, runtime_checkable

from harness.errors import TargetError

#: A peer that takes no byte for this long will not take any more.
WRITE_TIMEOUT_S: Final = 30.0

_CHUNK_BYTES: Final = 65536


class Transport(Protocol):
    """A two-way line of bytes."""

    @property
    def baud(self) -> int | None:
        """Bits per second; None for a line without a rate of its own."""

    def write(self, data: bytes) -> None:
        """Send all of `data`.

        Raises:
            TargetError, LineLostError: the process at the other end, or the board, is gone.
            HangError: a board takes no bytes any more.
        """

    def read(self, timeout_s: float) -> bytes:
        """Whatever has arrived, waiting at most `timeout_s` for the first byte; b"" on time-out.

        Raises:
            TargetError, LineLostError: the peer is gone, and all that it sent has been read.
        """

    def close(self) -> None:
        """Release the line. May be called twice."""


@runtime_checkable
class Recoverable(Protocol):
    """A transport whose device may go away and come back."""

    def reopen(self) -> None:
        """Drop the line and find the device again, wherever it is now; it may have been reset by that.

        The line begins anew at the rate that it had first.

        Raises:
            LineLostError: it is not back within its time.
        """

    def power_cycle(self) -> bool:
        """Run the user's power-cycle command and `reopen`; False: there is none.

        Raises:
            ConfigError: the command failed.
            LineLostError: the board is not back within its time.
        """


@runtime_checkable
class Retunable(Protocol):
    """A transport whose rate can be changed while it is open."""

    def set_baud(self, baud: int) -> None:
        """Go on at `baud` bits per second. What was written before has left at the old rate.

        Raises:
            UnavailableError: the port cannot do that; it goes on at the old rate.
            LineLostError: the board is gone.
        """


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
