# SPDX-License-Identifier: Apache-2.0
"""What the bad lines lead to under virtual time: the device end in this process, or a native process."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios
from contextlib import suppress
from pathlib import Path
from typing import Final

from harness import children
from harness.link.host_time import HostTime
from tests.link.memory_device import FIRMWARE, MemoryDevice, compile_c

STILL_CLOCK: Final = Path(__file__).resolve().parent / "still_clock.c"
MAGIC: Final = b"quantrig-ident-1"

#: An inference of the fake model takes less than so many ticks: 4 ms by the counter of the device in memory.
TICKS_BELOW: Final = 64_000

#: The digest of a firmware that is not the one just built.
STRANGERS_DIGEST: Final = "5a" * 32


def with_digest(firmware: Path, output: Path, digest: str) -> Path:
    """A copy of a compiled device end that says it is the firmware `digest`."""
    data = firmware.read_bytes()
    at = data.index(MAGIC) + len(MAGIC)
    output.write_bytes(data[:at] + bytes.fromhex(digest) + data[at + 32 :])
    output.chmod(firmware.stat().st_mode)
    return output


def compile_still(folder: Path) -> Path:
    """The native firmware with the fake model and a clock that only shows the fake model's ticks."""
    sources = [FIRMWARE / "src" / "main.c", FIRMWARE / "src" / "ports" / "native.c", STILL_CLOCK]
    return compile_c(
        folder / "still",
        sources,
        "-O2",
        f"-DFAKE_TICKS_BELOW={TICKS_BELOW}",
        "-Dclock_gettime=still_clock_gettime",
    )


class MemoryBoard:
    """A Device in this process. Where its rate is not the line's, either hears nothing but noise.

    Args:
        start_baud: the rate after reset, where rates matter.
        inference_s: how long the model runs, by the host's time.
    """

    def __init__(
        self,
        device: MemoryDevice,
        stranger: MemoryDevice,
        *,
        time: HostTime,
        start_baud: int = 0,
        inference_s: float = 0.0,
    ) -> None:
        self._usual, self._other = device, stranger
        self.device = device
        self._time = time
        self._start_baud = self._line_baud = start_baud
        self._inference_s = inference_s
        self._sent: list[tuple[float, bytes]] = []
        self.reset()

    @property
    def baud(self) -> int:
        """The device's rate."""
        return self.device.baud or self._start_baud

    def send(self, data: bytes) -> None:
        """See Device."""
        runs = self.device.runs
        heard = self.baud == self._line_baud
        said = self.device.serve(data if heard else _garbled(data))
        if not heard:
            said = _garbled(said)
        ran_s = (self.device.runs - runs) * self._inference_s
        if ran_s:
            # the first of its frames is RUNNING, and a delimiter stands before and behind each
            first = said.index(0, 1) + 1
            self._sent += [(self._time.now(), said[:first]), (self._time.now() + ran_s, said[first:])]
        elif said:
            self._sent.append((self._time.now(), said))

    def receive(self, timeout_s: float) -> bytes:
        """See Device."""
        due = self._sent[0][0] - self._time.now() if self._sent else timeout_s
        self._time.sleep(min(due, timeout_s))
        if not self._sent or due > timeout_s:
            return b""
        return self._sent.pop(0)[1]

    def reset(self, *, stranger: bool = False) -> None:
        """See Device."""
        self.device = self._other if stranger else self._usual
        said = self.device.restart()
        self._sent = [(self._time.now(), said if self.baud == self._line_baud else _garbled(said))]

    def set_baud(self, baud: int) -> None:
        """See Device."""
        self._line_baud = baud or self._start_baud


def _garbled(data: bytes) -> bytes:
    """What bytes look like at another rate: long runs of zeros stay zeros."""
    return bytes(byte and (byte ^ 0x35 | 1) for byte in data)


class NativeBoard:
    """A Device that is a process, for which no virtual time passes as long as it has something to do.

    So a schedule does the same in every run, however busy this computer is: all that the process makes of
    what it was sent has arrived before a time-out can.
    """

    #: How long to look away from a process that is at work.
    _GLANCE_S: Final = 0.0002

    def __init__(self, firmware: Path, stranger: Path, *, time: HostTime) -> None:
        self._usual, self._other = firmware, stranger
        self._time = time
        self._child: children.Child | None = None
        self.starts = 0
        self.reset()

    def send(self, data: bytes) -> None:
        """See Device."""
        left = memoryview(data)
        while left:
            left = left[os.write(self._stdin, left) :]

    def receive(self, timeout_s: float) -> bytes:
        """See Device."""
        sent = self._settle()
        if not sent:
            self._time.sleep(timeout_s)
        return sent

    def reset(self, *, stranger: bool = False) -> None:
        """See Device."""
        self.close()
        firmware = self._other if stranger else self._usual
        self._child = children.spawn([firmware], stdin=children.PIPE, stdout=children.PIPE)
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._stdin, self._stdout = self._child.stdin.fileno(), self._child.stdout.fileno()
        self._pid = self._wait_for_start(firmware)
        self.starts += 1

    def set_baud(self, baud: int) -> None:
        """See Device."""

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            self._child.kill()

    def _wait_for_start(self, firmware: Path) -> int:
        """The process id of the program, which the supervisor starts."""
        assert self._child is not None
        supervisor = self._child.pid
        while self._child.poll() is None:
            with suppress(OSError):
                for pid in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split():
                    if Path(f"/proc/{pid}/exe").readlink() == firmware.resolve():
                        return int(pid)
            select.select([], [], [], self._GLANCE_S)
        raise AssertionError(f"{firmware} did not start")

    def _settle(self) -> bytes:
        """All that the process says before it has nothing more to do."""
        said = bytearray()
        while True:
            # in this order: who waits with nothing left to read has said everything
            waits = not self._unread() and self._sleeps()
            if select.select([self._stdout], [], [], 0 if waits else self._GLANCE_S)[0]:
                data = os.read(self._stdout, 65536)
                assert data, "the device's process ended"
                said += data
            elif waits:
                return bytes(said)

    def _unread(self) -> int:
        (count,) = struct.unpack("i", fcntl.ioctl(self._stdin, termios.FIONREAD, b"\0\0\0\0"))
        return int(count)

    def _sleeps(self) -> bool:
        return Path(f"/proc/{self._pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"S"
