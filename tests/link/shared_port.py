# SPDX-License-Identifier: Apache-2.0
"""A serial port that another computer shares: bare TCP or RFC 2217, a program of this computer behind it."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any, Self

from serial import rfc2217


class FakePort:
    """What the server's end of RFC 2217 sets: a port whose changes are written down."""

    def __init__(self, largest_baud: int) -> None:
        self._largest_baud = largest_baud
        self._baud = 9600
        self.bauds: list[int] = []
        self.lines: list[tuple[str, bool]] = []
        """Changes of DTR and RTS."""
        self.bytesize, self.parity, self.stopbits = 8, "N", 1
        self.cts = self.dsr = self.ri = self.cd = False
        self.xonxoff = self.rtscts = self.break_condition = False

    @property
    def baudrate(self) -> int:
        return self._baud

    @baudrate.setter
    def baudrate(self, value: int) -> None:
        if value > self._largest_baud:
            raise ValueError(f"{value} is too fast")
        self._baud = value
        self.bauds.append(value)

    def _set_dtr(self, state: bool) -> None:
        self.lines.append(("dtr", state))

    def _set_rts(self, state: bool) -> None:
        self.lines.append(("rts", state))

    dtr = property(fset=_set_dtr)
    rts = property(fset=_set_rts)

    def reset_input_buffer(self) -> None: ...

    def reset_output_buffer(self) -> None: ...


class _Connection:
    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer

    def write(self, data: bytes) -> None:
        self._peer.sendall(data)


class SharedPort:
    """Serves one client after the other while the context lasts.

    Args:
        program: what is behind the port.
        speak: "rfc2217" or "socket".
    """

    def __init__(self, program: Path, speak: str, *, largest_baud: int = 1_000_000) -> None:
        self.speak = speak
        self.port = FakePort(largest_baud)
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{speak}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._peer: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        # ValueError: what was closed meanwhile has no descriptor to wait for
        with contextlib.suppress(OSError, ValueError):
            while True:
                self._peer, _ = self._listener.accept()
                with contextlib.suppress(OSError, ValueError), self._peer:
                    self._pass_bytes(self._peer)

    def _pass_bytes(self, peer: socket.socket) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        device_out = self._process.stdout.fileno()
        server: Any = rfc2217.PortManager  # its stubs want a whole serial port for what it only sets
        manager = server(self.port, _Connection(peer)) if self.speak == "rfc2217" else None
        while True:
            sources: list[Any] = [peer, device_out]
            ready, _, _ = select.select(sources, [], [])
            if peer in ready:
                data = peer.recv(4096)
                if not data:
                    return
                self._process.stdin.write(b"".join(manager.filter(data)) if manager else data)
            if device_out in ready:
                data = os.read(device_out, 4096)
                if not data:
                    return
                peer.sendall(b"".join(manager.escape(data)) if manager else data)

    def drop(self) -> None:
        """Cut the client off, as a server that is restarted does."""
        assert self._peer is not None
        self._peer.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._process.kill()
        self._process.communicate()
        if self._peer is not None:
            self._peer.close()
        self._thread.join(10)
