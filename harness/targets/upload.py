# SPDX-License-Identifier: Apache-2.0
"""Gets a firmware onto a board through PlatformIO, and says why it did not get there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from harness import pio
from harness.boards import Board, Upload
from harness.build import Firmware
from harness.children import CompletedRun
from harness.desk import Attachment
from harness.errors import UploadError
from harness.link.host_time import HostTime
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

#: One more than one: a bootloader misses its moment now and then.
_ATTEMPTS: Final = 2

#: Between two attempts; bootloaders give up after one or two seconds.
_PAUSE_S: Final = 2.0


class Remedy(NamedTuple):
    """What an uploader's words mean."""

    words: re.Pattern[str]
    cause: str
    fix: str


def _remedy(words: str, cause: str, fix: str) -> Remedy:
    return Remedy(re.compile(words, re.IGNORECASE), cause, fix)


#: The first that fits counts. avrdude, st-flash, openocd, esptool, and what they all may say.
REMEDIES: Final = (
    _remedy(
        r"permission denied|LIBUSB_ERROR_ACCESS|insufficient permissions",
        "This user may not use the port or the debug probe.",
        "`quantrig doctor` names the group or the udev rule that is missing.",
    ),
    _remedy(
        r"device or resource busy|resource temporarily unavailable|port is busy|LIBUSB_ERROR_BUSY",
        "Another program has the port or the debug probe (a serial monitor, an IDE, ModemManager).",
        "Close that program; `quantrig doctor` tells how ModemManager is kept away.",
    ),
    _remedy(
        r"device signature|wrong signature|chip (is|was) not|wrong chip|This chip is ESP",
        "Another chip is on the port than boards.yaml says.",
        "`quantrig boards` shows what is plugged in where; correct --port or hardware-map.yaml.",
    ),
    _remedy(
        r"not in sync|not responding|stk500\w*_(recv|getsync|cmd)|timeout communicating",
        "The bootloader does not answer: wrong port, another bootloader's rate, or no reset through DTR.",
        "Check the port; press the board's reset button as the upload begins.",
    ),
    _remedy(
        r"couldn't find any st-?link|no st-?link|unable to find|open failed|no device found|no dfu capable",
        "The debug probe or the board's bootloader is not on USB.",
        "Plug it in, or give `probe` in hardware-map.yaml if it is another one.",
    ),
    _remedy(
        r"unable to connect|init mode failed|target voltage|can not connect|unknown chip|chipid|enter swd",
        "The debug probe is there, but the chip does not answer it.",
        "Check the chip's power and the SWD wires; hold the reset button as the upload begins.",
    ),
    _remedy(
        r"failed to connect to esp|wrong boot mode|no serial data received|packet header",
        "The ESP does not enter its bootloader.",
        "Hold the BOOT button as the upload begins, or use a cable and a port that wire DTR and RTS.",
    ),
    _remedy(
        r"verification error|verify failed|mismatch|flash write|failed to erase|write protect",
        "The chip does not keep what is written: worn flash, write protection or weak power.",
        "Try another cable or USB socket, then erase the whole chip once.",
    ),
    _remedy(
        r"no such file or directory|can't open device|cannot open|could not open",
        "The port went away: unplugged, or back under another name.",
        "Check the cable; hardware-map.yaml finds a board by its serial number whatever its port is called.",
    ),
)

_ANYTHING: Final = _remedy(
    "",
    "It is not plugged in there, its bootloader did not answer, or it needs another uploader.",
    "Check cable and port (`quantrig boards`).",
)


def upload(
    firmware: Firmware, board: Board, how: Upload, port: Attachment, *, log: Path, time: HostTime
) -> None:
    """Flash the very image that was built and stamped; one failure is forgiven.

    Raises:
        UploadError: with the uploader's words and the likely cause.
    """
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_S)
        done = _attempt(firmware, board, how, port, log)
        if done.returncode == 0:
            return
    where = f"{board.title} on {port.find() or port.url}"
    see = f"The whole output is in {log}."
    if done.timed_out:
        raise UploadError(
            f"{where} was not flashed within {port.upload_timeout_s:g} s, in {_ATTEMPTS} attempts.",
            cause="The uploader waits for something: the board hangs, or its cable carries no data.",
            fix=f"Reset the board; `upload_timeout_s` in hardware-map.yaml gives it longer. {see}",
        )
    words = complaint(done.output, "" if board.upstream else f"{UPLOADERS[how.protocol][0]} ")
    remedy = likely(words, done.output)
    raise UploadError(
        f"{where} was not flashed in {_ATTEMPTS} attempts: {words.rstrip('.')}.",
        cause=remedy.cause,
        fix=f"{remedy.fix} {see}",
    )


def likely(words: str, output: str) -> Remedy:
    """What the complaint means, else what the rest of the uploader's output does."""
    # long lines are commands, and names of files in them may sound like anything
    spoken = "\n".join(line for line in output.splitlines() if not _FRAME.match(line) and len(line) < 200)
    found = (remedy for text in (words, spoken) for remedy in REMEDIES if remedy.words.search(text))
    return next(found, _ANYTHING)


def _attempt(firmware: Firmware, board: Board, how: Upload, port: Attachment, log: Path) -> CompletedRun:
    arguments = ["-t", "upload"]
    if board.upstream or how.protocol in _SERIAL_PROTOCOLS:
        arguments += ["--upload-port", uploaders_port(port.find() or port.url or "", board)]
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
        return pio.run(
            template,
            board,
            *arguments,
            work=Path(work),
            model=firmware.model,
            log=log,
            timeout_s=port.upload_timeout_s,
            variables={"QR_IMAGE": str(firmware.image), "QR_PROBE": port.probe or ""},
        )


def uploaders_port(url: str, board: Board) -> str:
    """The port as the uploader calls it: avrdude has its own word for a TCP connection."""
    address = url.removeprefix("socket://")
    return f"net:{address}" if address != url and not board.upstream else url


#: Not the uploader's own words: what SCons and PlatformIO say because of them, and the command itself.
_FRAME: Final = re.compile(r"\*\*\* \[|=+ \[|scons: ")


def complaint(output: str, command: str) -> str:
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
