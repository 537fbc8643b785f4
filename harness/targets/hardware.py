# SPDX-License-Identifier: Apache-2.0
"""A real board on a serial port: flashed through PlatformIO, then spoken to. Never faked."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from harness import children, pio, toolchains
from harness.boards import Board, Upload
from harness.build import Firmware
from harness.desk import Attachment, absence
from harness.errors import UnavailableError, UploadError
from harness.link import SerialTransport, Transport
from harness.resources import cache_dir, resource

#: Upload protocol -> the program that PlatformIO starts, and Debian's package of it.
UPLOADERS: Final[dict[str, tuple[str, str]]] = {
    "arduino": ("avrdude", "avrdude"),
    "stlink": ("st-flash", "stlink-tools"),
    "openocd": ("openocd", "openocd"),
    "wiring": ("avrdude", "avrdude"),
}

#: These want to be told the port.
_SERIAL_PROTOCOLS: Final = ("arduino", "wiring")

#: A board with native USB is away for this long after it has been flashed.
_RETURN_S: Final = 10.0

_UPLOAD_TIMEOUT_S: Final = 180.0

#: Cases of one board wait here for each other. Other programs are told apart by the port's own lock.
_ports: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


def clock(board: Board) -> str | None:
    """See Target."""
    # a Cortex-M0 has no cycle counter: the Arduino port counts microseconds there
    return "wall" if board.port == "arduino" and board.cpu.startswith("cortex-m0") else "cycles"


def label(board: Board) -> str:
    """See Target."""
    if clock(board) == "wall":
        return "Microseconds of the board itself, which has no cycle counter."
    return "CPU cycles of the board itself, counted by its own timer."


def unavailable(board: Board, *, port: Attachment | None = None) -> str | None:
    """See Target."""
    if board.upload is None:
        return f"boards.yaml does not tell how {board.title} is flashed (key `upload`)."
    if not board.upstream:
        program, package = UPLOADERS[board.upload.protocol]
        if shutil.which(program) is None:
            return f"{program}, which flashes {board.title}, not found: `apt-get install {package}`."
    if reason := toolchains.unavailable(board):
        return reason
    return absence(board, port)


def versions() -> dict[str, str]:
    """See Target."""
    found = {}
    for program, option in (("avrdude", "-?"), ("st-flash", "--version"), ("openocd", "--version")):
        if shutil.which(program):
            shown = children.run([program, option], timeout_s=30).output
            number = re.search(r"v?\d+\.\d+[\w.+-]*", shown)
            found[program] = number[0] if number else "unknown version"
    return found


@contextmanager
def open(  # noqa: A001 - the name that every target has
    firmware: Firmware, board: Board, *, log: Path, port: Attachment | None = None
) -> Iterator[Transport]:
    """See Target."""
    reason = unavailable(board, port=port)
    if reason or port is None or port.url is None or board.baud is None or board.upload is None:
        raise UnavailableError(reason or f"{board.title} has no serial port.")
    with _ports[port.url]:
        # the same lock as for talking, so nobody is flashed in the middle of somebody's measurement
        SerialTransport(port.url, board.baud).close()
        _upload(firmware, board, board.upload, port.url, log)
        transport = _reopened(port.url, board.baud)
        try:
            time.sleep(board.reset.settle_s)
            yield transport
        finally:
            transport.close()


def _reopened(port: str, baud: int) -> Transport:
    """The port once it is there again: with native USB it goes away with the program that made it."""
    deadline = time.monotonic() + _RETURN_S
    while True:
        try:
            return SerialTransport(port, baud)
        except UnavailableError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.2)


def _upload(firmware: Firmware, board: Board, upload: Upload, port: str, log: Path) -> None:
    """Flash the very image that was built and stamped."""
    arguments = ["-t", "upload"]
    if board.upstream or upload.protocol in _SERIAL_PROTOCOLS:
        arguments += ["--upload-port", port]
    template = pio.prepare(resource("firmware"), cache_dir())
    with TemporaryDirectory(prefix="quantrig-upload-") as work:
        if board.upstream:
            # those platforms upload what lies in their own folder, and must not make it anew
            arguments += ["-t", "nobuild", "--disable-auto-clean"]
            output = Path(work) / "build" / pio.ENVIRONMENT
            output.mkdir(parents=True)
            for file in firmware.folder.glob("*.*"):
                if file.is_file():
                    shutil.copy2(file, output)
        done = pio.run(
            template,
            board,
            *arguments,
            work=Path(work),
            model=firmware.model,
            log=log,
            timeout_s=_UPLOAD_TIMEOUT_S,
            variables={"QR_IMAGE": str(firmware.image)},
        )
    if done.returncode != 0:
        words = _complaint(done.output, "" if board.upstream else f"{UPLOADERS[upload.protocol][0]} ")
        raise UploadError(
            f"{board.title} on {port} was not flashed: {words}",
            cause="It is not plugged in there, its bootloader did not answer, or it needs another uploader.",
            fix=f"Check cable and port (`quantrig boards`); the whole output is in {log}.",
        )


#: Not the uploader's own words: what SCons and PlatformIO say because of them, and the command itself.
_FRAME: Final = re.compile(r"\*\*\* \[|=+ \[|scons: ")


def _complaint(output: str, command: str) -> str:
    """The uploader's first line that sounds like trouble.

    It speaks after its own command line; but two pipes lead here, so its words may overtake that line, and
    what follows from them may overtake its words.
    """
    before, shown, after = output.rpartition(f"\n{command}" if command else "\nUploading ")
    late, early = ([line for line in text.splitlines() if not _FRAME.match(line)] for text in (after, before))
    words = late[1:] if shown else late
    trouble = [
        line for line in words + early if re.search(r"error|fail|cannot|can't|unable|not found", line, re.I)
    ]
    return next((line.strip() for line in trouble + words if line.strip()), "no message")
