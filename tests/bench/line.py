# SPDX-License-Identifier: Apache-2.0
"""A serial line in simulated time, with the firmware's own C at its far end.

Both directions run at once, ten bits a byte. The host's operating system takes what is written at once and
feeds it to the line; what comes back is there as soon as its last bit is, or when a USB bridge hands it on.
Computing takes no time at either end, but for what the model is told to take, so what is measured is the
protocol and the line.
"""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path
from typing import Final

from tests.link.memory_device import FIRMWARE, WARNINGS

DEVICE: Final = Path(__file__).resolve().parent / "device"
BITS_PER_BYTE: Final = 10

#: What an FTDI bridge collects before it hands a packet on without waiting: 64 bytes, two are its status.
PACKET_BYTES: Final = 62

_FIRMWARE_C: Final = [
    *sorted((FIRMWARE / "lib" / "link").glob("*.c")),
    *(path for path in sorted((FIRMWARE / "src").glob("*.c")) if path.name != "main.c"),
]
_NS: Final = 1_000_000_000


class LineDevice:
    """One end of the line: our firmware, or what stands in its place, in simulated time.

    Args:
        library: from `compile_device`. Its state is the library's: one device of each at a time.
        baud: of the line.
    """

    def __init__(self, library: Path, baud: int) -> None:
        self._library = library_of(library)
        self.byte_ns: Final = round(BITS_PER_BYTE * _NS / baud)
        self._library.line_start(self.byte_ns)

    @property
    def rx_lost(self) -> int:
        """Bytes that found the receive ring full."""
        lost: int = self._library.qr_port_rx_lost()
        return lost

    def feed(self, data: bytes, first_ns: int) -> None:
        """Bytes one behind the other, the first of which has arrived at `first_ns`."""
        if not self._library.line_feed(data, len(data), first_ns):
            raise ValueError(f"{len(data)} bytes are more than the line remembers")

    def run(self, until_ns: int, enough: int) -> list[int]:
        """Run up to a moment, or until `enough` bytes were sent. When each has arrived that is not taken."""
        self._library.line_run(until_ns, enough)
        return list(self._library.line_sent_at()[: self._library.line_sent()])

    def take(self, count: int) -> bytes:
        """The first `count` bytes that it has sent."""
        data = ctypes.string_at(self._library.line_sent_bytes(), count)
        self._library.line_take(count)
        return data


class LineTransport:
    """The host's end of the line, and the host's clock (HostTime).

    Args:
        device: the other end.
        baud: of the line.
        turnaround_s: how often a USB bridge hands on what it has received, counted from when it last did, as
            an FTDI bridge's latency timer works; 0: every byte at once. A full packet goes on at once.
    """

    def __init__(self, device: LineDevice, *, baud: int, turnaround_s: float = 0.0) -> None:
        self.device: Final = device
        self.baud: int | None = baud
        self.wire_bytes = 0
        """Both directions together."""
        self._turnaround_ns = round(turnaround_s * _NS)
        self._handed_on_ns = 0
        self._now_ns = 0
        self._sent_until_ns = 0

    def now(self) -> float:
        """See HostTime."""
        return self._now_ns / _NS

    def sleep(self, seconds: float) -> None:
        """See HostTime."""
        self._now_ns += max(0, round(seconds * _NS))

    def write(self, data: bytes) -> None:
        """See Transport."""
        byte_ns = self.device.byte_ns
        begin_ns = max(self._now_ns, self._sent_until_ns)
        self._sent_until_ns = begin_ns + len(data) * byte_ns
        self.wire_bytes += len(data)
        self.device.feed(data, begin_ns + byte_ns)

    def read(self, timeout_s: float) -> bytes:
        """See Transport."""
        until_ns = self._now_ns + max(0, round(timeout_s * _NS))
        arrived = self.device.run(until_ns, 1)
        ready_ns = arrived[0] if arrived else until_ns
        if arrived and self._turnaround_ns:
            ready_ns = self._handing_on_ns(arrived[0])
            arrived = self.device.run(min(ready_ns, until_ns), PACKET_BYTES)
            if len(arrived) >= PACKET_BYTES:
                ready_ns = min(ready_ns, arrived[PACKET_BYTES - 1])
        if not arrived or ready_ns > until_ns:
            self._now_ns = until_ns
            return b""
        self._now_ns = max(self._now_ns, ready_ns)
        count = sum(moment <= self._now_ns for moment in arrived)
        if self._turnaround_ns:
            count = min(count, PACKET_BYTES)
            self._handed_on_ns = ready_ns
        self.wire_bytes += count
        return self.device.take(count)

    def close(self) -> None:
        """See Transport."""

    def _handing_on_ns(self, arrived_ns: int) -> int:
        """When the bridge's timer, which runs on while there is nothing, next runs out after `arrived_ns`."""
        periods = -(-(arrived_ns - self._handed_on_ns) // self._turnaround_ns)
        return self._handed_on_ns + max(1, periods) * self._turnaround_ns


def library_of(path: Path) -> ctypes.CDLL:
    """The shared object with the types of port_line.h."""
    library = ctypes.CDLL(str(path))
    library.line_start.argtypes = [ctypes.c_uint64]
    library.line_feed.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
    library.line_run.argtypes = [ctypes.c_uint64, ctypes.c_size_t]
    library.line_run.restype = None
    library.line_sent.restype = ctypes.c_size_t
    library.line_sent_bytes.restype = ctypes.c_void_p
    library.line_sent_at.restype = ctypes.POINTER(ctypes.c_uint64)
    library.line_take.argtypes = [ctypes.c_size_t]
    library.line_take.restype = None
    library.qr_port_rx_lost.restype = ctypes.c_uint16
    return library


def compile_device(
    folder: Path, *, inputs: int, outputs: int, frame_bytes: int, ring_bytes: int, run_ns: int = 0
) -> Path:
    """Our firmware with a model of `inputs` to `outputs` bytes that takes `run_ns`, as a shared object."""
    name = f"bench-{inputs}-{outputs}-{frame_bytes}-{run_ns}.so"
    defines = {"INPUT_BYTES": inputs, "OUTPUT_BYTES": outputs, "RUN_NS": run_ns}
    limits = {"QR_FRAME_BYTES": frame_bytes, "QR_RX_RING_BYTES": ring_bytes}
    return _compile(folder / name, _FIRMWARE_C, **defines, **limits)


def compile_hex_device(folder: Path, *, inputs: int, outputs: int) -> Path:
    """The hex scheme's device with the same model, which takes no time."""
    defines = {"INPUT_BYTES": inputs, "OUTPUT_BYTES": outputs, "RUN_NS": 0}
    return _compile(folder / f"hex-{inputs}-{outputs}.so", [DEVICE / "hex_device.c"], **defines)


def _compile(output: Path, sources: list[Path], **defines: int) -> Path:
    if output.exists():
        return output
    folders = (DEVICE, FIRMWARE / "include", FIRMWARE / "lib" / "link", FIRMWARE / "src")
    board = ["-DQR_PORT_NATIVE", '-DQR_BOARD="native"']
    flags = [f"-D{key}={value}" for key, value in defines.items()]
    names = [*sources, DEVICE / "model.c", DEVICE / "port_line.c"]
    command = ["gcc", *WARNINGS, "-O1", "-shared", "-fPIC", *(f"-I{path}" for path in folders)]
    subprocess.run(
        [*command, *board, *flags, *map(str, names), "-o", str(output)],
        check=True,
        capture_output=True,
        text=True,
    )
    return output
