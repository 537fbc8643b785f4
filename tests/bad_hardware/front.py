# SPDX-License-Identifier: Apache-2.0
"""Bad hardware behind a real port: a pseudo terminal or a TCP socket that comes and goes with the board."""

from __future__ import annotations

import ctypes
import errno
import os
import pty
import select
import socket
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from harness.errors import LineLostError
from tests.bad_hardware.bad_line import BadLine

#: How long the front looks at one side before it looks at the other.
_GLANCE_S = 0.001

_IN_OPEN = 0x20


class _Terminal:
    """A pseudo terminal; its other end is the port."""

    def __init__(self) -> None:
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self.url = os.ttyname(slave)
        os.close(slave)
        # closed and opened again may be a matter of microseconds: the kernel remembers
        libc = ctypes.CDLL(None, use_errno=True)
        self._watch = libc.inotify_init1(os.O_NONBLOCK)
        assert libc.inotify_add_watch(self._watch, os.fsencode(self.url), _IN_OPEN) >= 0

    def was_opened(self) -> bool:
        """Whether somebody has opened the port since the last question."""
        with suppress(BlockingIOError):
            return bool(os.read(self._watch, 4096))
        return False

    def receive(self) -> bytes | None:
        """What the host has sent; None while nobody has the port open."""
        if not select.select([self._master], [], [], _GLANCE_S)[0]:
            return b""
        try:
            return os.read(self._master, 4096)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return None

    def send(self, data: bytes) -> None:
        with suppress(OSError):
            os.write(self._master, data)

    def close(self) -> None:
        os.close(self._watch)
        os.close(self._master)


class _Socket:
    """A listening socket that takes one connection at a time."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        self._line: socket.socket | None = None
        self._new = False

    def was_opened(self) -> bool:
        """See _Terminal."""
        new, self._new = self._new, False
        return new

    def receive(self) -> bytes | None:
        """See _Terminal."""
        if self._line is None:
            if select.select([self._listener], [], [], _GLANCE_S)[0]:
                self._line = self._listener.accept()[0]
                self._new = True
                return b""
            return None
        if not select.select([self._line], [], [], _GLANCE_S)[0]:
            return b""
        data = b""
        with suppress(OSError):
            data = self._line.recv(4096)
        if not data:
            self._line.close()
            self._line = None
            return None
        return data

    def send(self, data: bytes) -> None:
        if self._line is not None:
            with suppress(OSError):
                self._line.sendall(data)

    def close(self) -> None:
        self._listener.close()
        if self._line is not None:
            self._line.close()


PORTS: dict[str, type[_Terminal] | type[_Socket]] = {"terminal": _Terminal, "socket": _Socket}


class Front:
    """Carries bytes between a port and a bad line; the port vanishes with the board and returns elsewhere."""

    def __init__(self, line: BadLine, kind: str) -> None:
        self._line, self._kind = line, kind
        self._port: _Terminal | _Socket | None = PORTS[kind]()
        self._stopped = threading.Event()
        self.names: list[str] = []
        """Under which the board was to be found, one after the other."""

    def find(self) -> str | None:
        """The board's URL; None while it is away."""
        port = self._port
        return port.url if port is not None else None

    def run(self) -> None:
        """Carry bytes until it is stopped."""
        while not self._stopped.is_set():
            try:
                self._carry()
            except LineLostError:
                self._return_elsewhere()
        if self._port is not None:
            self._port.close()

    def stop(self) -> None:
        """End `run`."""
        self._stopped.set()

    def _carry(self) -> None:
        assert self._port is not None
        if self._port.url not in self.names:
            self.names.append(self._port.url)
        data = self._port.receive()
        if self._port.was_opened():
            self._line.reopen()
        if data is None:
            self._stopped.wait(_GLANCE_S)
            return
        if data:
            self._line.write(data)
        if said := self._line.read(_GLANCE_S):
            self._port.send(said)

    def _return_elsewhere(self) -> None:
        assert self._port is not None
        # made first: a name that was given back would be given out again
        elsewhere = PORTS[self._kind]()
        self._port.close()
        self._port = None
        with suppress(LineLostError):
            self._line.reopen()
        self._port = elsewhere


@contextmanager
def front(line: BadLine, kind: str) -> Iterator[Front]:
    """Serve `line` on a port of the kind `terminal` or `socket` while the context lasts."""
    made = Front(line, kind)
    thread = threading.Thread(target=made.run, name="front")
    thread.start()
    try:
        yield made
    finally:
        made.stop()
        thread.join()
