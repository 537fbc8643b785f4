# SPDX-License-Identifier: Apache-2.0
"""simavr: an ATmega328P or ATmega2560 to the cycle, through our runner in firmware/simavr.

The runner links a GPL library, so it is a program of its own, compiled on the user's machine when it
is first needed and kept in the cache under the digest of its source and of the library.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from harness import children, pio, toolchains
from harness.boards import Board
from harness.build import Firmware
from harness.desk import Attachment
from harness.errors import BuildError, UnavailableError
from harness.link.transport import Transport
from harness.resources import cache_dir, resource
from harness.targets.process import start

_PACKAGES: Final = "libsimavr-dev libelf-dev"
_LIBRARIES: Final = ("simavr", "elf")


def clock(board: Board) -> str | None:
    """See Target."""
    return "cycles"


def label(board: Board) -> str:
    """See Target."""
    return "CPU cycles of a simulated chip; simavr's counts agree with the data sheet, no silicon took part."


def unavailable(board: Board, *, port: Attachment | None = None) -> str | None:
    """See Target."""
    if "simavr" not in board.emulators:
        return f"boards.yaml names no simavr chip for {board.title}."
    if shutil.which("gcc") is None:
        return "gcc, which compiles the simavr runner, not found: `apt-get install gcc libc6-dev`."
    missing = [f"lib{name}" for name in _LIBRARIES if _library(name) is None]
    if missing:
        return f"{' and '.join(missing)} not found: `apt-get install {_PACKAGES}`."
    return toolchains.unavailable(board)


def versions() -> dict[str, str]:
    """See Target."""
    library = _library("simavr") if shutil.which("gcc") else None
    if library is None:
        return {}
    description = library.parent / "pkgconfig" / "simavr.pc"
    text = description.read_text(encoding="utf-8") if description.is_file() else ""
    found = re.search(r"^Version: *(\S+)", text, re.MULTILINE)
    return {"simavr": f"{found[1] if found else 'unknown version'} ({library.resolve().name})"}


@functools.cache
def _library(name: str) -> Path | None:
    """Where the host's compiler finds a library to link with."""
    told = children.run(["gcc", f"-print-file-name=lib{name}.so"], timeout_s=30).output.strip()
    return Path(told) if Path(told).is_absolute() and Path(told).exists() else None


def runner(log: Path | None = None, *, cache: Path | None = None) -> Path:
    """The compiled runner, made now if the cache has none for this source and this library.

    Raises:
        BuildError: the compiler refused it.
        UnavailableError: the library or the compiler is missing.
    """
    source = resource("firmware") / "simavr" / "qr_simavr.c"
    state = hashlib.sha256(source.read_bytes())
    for name in _LIBRARIES:
        library = _library(name)
        if library is None:
            raise UnavailableError(f"lib{name} not found.", fix=f"`apt-get install {_PACKAGES}`.")
        status = library.stat()
        state.update(f"{library.resolve()} {status.st_size} {status.st_mtime_ns}".encode())
    program = (cache or cache_dir()) / "tools" / f"qr_simavr-{state.hexdigest()[:16]}"
    pio.remove_stale_drafts(program.parent)
    if not program.exists() or not program.stat().st_size:  # a power cut can leave it empty
        _compile(source, program, log)
    return program


def _compile(source: Path, program: Path, log: Path | None) -> None:
    """Compile beside the final name and rename: others may be doing the same."""
    program.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=pio.DRAFT_PREFIX, dir=program.parent)
    os.close(handle)
    draft = Path(name)
    try:
        libraries = [f"-l{library}" for library in _LIBRARIES]
        command: list[str | Path] = ["gcc", "-std=gnu11", "-O2", "-o", draft, source, *libraries]
        done = children.run(command, timeout_s=120, log=log)
        if done.returncode != 0:
            first = next((line for line in done.output.splitlines() if "error" in line), "no message")
            raise BuildError(
                f"The simavr runner does not compile: {first.strip()}",
                cause="libsimavr is of another version than the runner expects (1.6 or 1.7).",
                fix=f"`apt-get install {_PACKAGES}`.",
            )
        draft.rename(program)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def open(  # noqa: A001 - the name that every target has
    firmware: Firmware, board: Board, *, log: Path, port: Attachment | None = None
) -> Iterator[Transport]:
    """See Target."""
    if reason := unavailable(board):
        raise UnavailableError(reason)
    with start([runner(log), "--mcu", board.emulators["simavr"]["mcu"], firmware.elf], log=log) as transport:
        yield transport
