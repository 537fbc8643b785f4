# SPDX-License-Identifier: Apache-2.0
"""One process at a time: a lock file that a dead owner never leaves locked."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from harness.errors import QuantrigError


class FileLock:
    """An flock on `path`, held from construction to `release`; the kernel releases it with its process.

    The file holds the owner's process id and is removed on release.

    Raises:
        busy: somebody else, in this process or another, holds it; the message names the owner.
        OSError: the file cannot be made or written; nothing is held then.
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
        try:
            os.ftruncate(fd, 0)
            os.write(fd, f"{os.getpid()}\n".encode())
        except OSError:
            self.release()
            raise

    def release(self) -> None:
        # A file that cannot be removed locks nobody out: only the open descriptor does.
        with contextlib.suppress(OSError):
            self.path.unlink()
        os.close(self._fd)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until nobody else, in this process or another, is in a block like this one, then enter it.

    The lock ends with its holder, however that ends. The empty file `path` stays: removing it would let
    one in who waits for the old file while another has locked the new one.
    """
    import fcntl  # see FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
