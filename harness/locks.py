# SPDX-License-Identifier: Apache-2.0
"""One process at a time: a lock file that a dead owner never leaves locked."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from harness.errors import QuantrigError


class FileLock:
    """An flock on `path`, held from construction to `release`; the kernel releases it with its process.

    The file holds the owner's process id and is removed on release.

    Raises:
        busy: somebody else, in this process or another, holds it; the message names the owner.
    """

    def __init__(self, path: Path, *, what: str, busy: type[QuantrigError]) -> None:
        # Not at the top: Windows lacks it, and `--help` works there.
        import fcntl

        self.path: Path = path
        """Where the file is now: to be set anew when its folder is renamed."""
        while True:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                owner = os.read(fd, 100).decode("ascii", "replace").strip() or "unknown"
                os.close(fd)
                fix = "Wait until it has ended, or end it."
                raise busy(f"{what} by process {owner}.", fix=fix) from error
            # The owner removes its file when it ends; a lock on a removed file locks nobody out.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(fd), path.stat()):
                    break
            os.close(fd)
        self._fd = fd
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        self.path.unlink(missing_ok=True)
        os.close(self._fd)
