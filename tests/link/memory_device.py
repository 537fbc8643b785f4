# SPDX-License-Identifier: Apache-2.0
"""The firmware's own C, compiled for the host, as the other end of the line in the tests of the link."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.link.frames import Deframer, Frame

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
DEVICE = Path(__file__).resolve().parent / "device"

#: Sizes of the fake model's two int8 inputs; output = 2 x input.
FAKE_BYTES = (16, 5)

INCLUDES = [
    f"-I{path}" for path in (FIRMWARE / "include", FIRMWARE / "lib" / "link", FIRMWARE / "src", DEVICE)
]
WARNINGS = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wmissing-prototypes"]
CORE = [
    *sorted((FIRMWARE / "lib" / "link").glob("*.c")),
    *(FIRMWARE / "src" / f"{name}.c" for name in ("bench", "card", "pattern", "rate", "sample", "steps")),
    DEVICE / "model.c",
]


def compile_c(output: Path, sources: list[Path], *flags: str, compiler: str = "gcc") -> Path:
    """Compile and link the device end with `sources`; a warning fails the test."""
    names = [str(path) for path in (*CORE, *sources)]
    board = ["-DQR_PORT_NATIVE", '-DQR_BOARD="native"']
    subprocess.run(
        [compiler, *WARNINGS, *INCLUDES, *board, *flags, *names, "-o", str(output)],
        check=True,
        capture_output=True,
        text=True,
    )
    return output


def compile_library(folder: Path, **defines: int) -> Path:
    """The device end as a shared object, with macros such as QR_FRAME_BYTES=124 or FAKE_BYTES_0=300."""
    name = "device" + "".join(f"-{key}-{value}" for key, value in sorted(defines.items())) + ".so"
    flags = [f"-D{key}={value}" for key, value in defines.items()]
    return compile_c(folder / name, [DEVICE / "port_memory.c"], "-O2", "-shared", "-fPIC", *flags)


def compile_native(folder: Path) -> Path:
    """The firmware as a process, with the fake model."""
    sources = [FIRMWARE / "src" / "main.c", FIRMWARE / "src" / "ports" / "native.c"]
    return compile_c(folder / "native", sources, "-O2")


class MemoryDevice:
    """A device in this process. Its state is the library's: one at a time, `restart` gives a fresh one."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.device_serve.restype = ctypes.c_size_t
        self._library.device_encode.restype = ctypes.c_size_t
        self._library.device_output_bytes.restype = ctypes.c_size_t
        self._library.device_output.restype = ctypes.POINTER(ctypes.c_uint8)
        self.restart()

    def restart(self) -> bytes:
        """As after a reset. Returns what it says as it starts."""
        self._library.device_serve(b"", ctypes.c_size_t(0))
        self._library.qr_bench_init()
        self._runs.value = 0
        self._baud.value = 0
        self._lost.value = 0
        self._ticks.value = 0
        return self._sent()

    @property
    def runs(self) -> int:
        """Inferences since the restart."""
        return self._runs.value

    @property
    def baud(self) -> int:
        """The rate that it was told; 0 is the one after reset."""
        return self._baud.value

    def lose(self, count: int) -> None:
        """Its port loses so many bytes more."""
        self._lost.value += count

    def fault(self, pc: int, lr: int, syndrome: int) -> bytes:
        """What its fault handler sends."""
        self._library.device_serve(b"", ctypes.c_size_t(0))
        arguments = (ctypes.c_uint32(number) for number in (pc, lr, syndrome))
        self._library.qr_bench_fault(*arguments)
        return self._sent()

    def serve(self, data: bytes) -> bytes:
        """What the device sends on receiving `data`."""
        count = self._library.device_serve(data, ctypes.c_size_t(len(data)))
        return ctypes.string_at(self._library.device_output(), count)

    def encode(self, kind: int, sequence: int, body: bytes) -> bytes:
        """A frame as the device would send it."""
        count = self._library.device_encode(kind, sequence, body, len(body))
        return ctypes.string_at(self._library.device_output(), count)

    def decode(self, data: bytes) -> bytes | int:
        """Header and body of the first frame that the device accepts in `data`, or its last event."""
        frame = ctypes.create_string_buffer(65536)
        count: int = self._library.device_decode(data, ctypes.c_size_t(len(data)), frame)
        return frame.raw[:count] if count >= 5 else count

    def _sent(self) -> bytes:
        return ctypes.string_at(self._library.device_output(), self._library.device_output_bytes())

    @property
    def _runs(self) -> ctypes.c_uint32:
        return ctypes.c_uint32.in_dll(self._library, "fake_runs")

    @property
    def _baud(self) -> ctypes.c_uint32:
        return ctypes.c_uint32.in_dll(self._library, "fake_baud")

    @property
    def _lost(self) -> ctypes.c_uint16:
        return ctypes.c_uint16.in_dll(self._library, "fake_rx_lost")

    @property
    def _ticks(self) -> ctypes.c_uint64:
        return ctypes.c_uint64.in_dll(self._library, "fake_ticks")


Fault = Callable[[bytes], bytes]


class MemoryTransport:
    """A line to a MemoryDevice without time: a read with nothing to read is a time-out at once.

    Args:
        to_device, to_host: what the line makes of the bytes of one write, or of all that one write
            made the device send.
    """

    baud: int | None = None

    def __init__(
        self, device: MemoryDevice, *, to_device: Fault | None = None, to_host: Fault | None = None
    ) -> None:
        self.device = device
        self.to_device = to_device or bytes
        self.to_host = to_host or bytes
        self.now_s = 0.0
        self.longest_write = 0
        self._arrived = b""

    def now(self) -> float:
        """Seconds; a read that finds nothing lets its time-out pass. The transport is its own HostTime."""
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def write(self, data: bytes) -> None:
        self.longest_write = max(self.longest_write, len(data))
        self._arrived += self.to_host(self.device.serve(self.to_device(data)))

    def read(self, timeout_s: float) -> bytes:
        if not self._arrived:
            self.now_s += max(0.0, timeout_s)
        data, self._arrived = self._arrived, b""
        return data

    def close(self) -> None:
        pass


class FlipOnce:
    """Changes the byte at `position` of everything that passes."""

    def __init__(self, position: int, change: Callable[[int], int]) -> None:
        self._left = position
        self._change = change

    def __call__(self, data: bytes) -> bytes:
        position, self._left = self._left, self._left - len(data)
        if not 0 <= position < len(data):
            return data
        changed = bytearray(data)
        changed[position] = self._change(changed[position])
        return bytes(changed)


def replies_in(data: bytes) -> list[Frame]:
    deframer = Deframer()
    deframer.feed(data)
    found = []
    while (frame := deframer.next_frame()) is not None:
        assert isinstance(frame, Frame)
        found.append(frame)
    return found


def is_infer(data: bytes) -> bool:
    """Whether a write is an INFER, sent for the first time or again."""
    return data.lstrip(b"\0")[1:2] == b"\3"


def fake_inputs(sample: int, sizes: Mapping[int, int] | tuple[int, ...] = FAKE_BYTES) -> list[bytes]:
    """Inputs that differ from sample to sample and hold zeros."""
    return [bytes((7 * sample + 3 * i) % 256 * (i % 3 > 0) for i in range(size)) for size in sizes]


def fake_outputs(inputs: list[bytes]) -> tuple[bytes, ...]:
    """What the fake model makes of them."""
    return tuple(bytes(2 * value % 256 for value in data) for data in inputs)


def fake_ticks(inputs: list[bytes]) -> int:
    """What the fake clock shows for them."""
    total = 0
    for value in b"".join(reversed(inputs)):
        total = (total * 31 + value + 1) % 2**64
    return total
