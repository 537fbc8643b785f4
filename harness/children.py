# SPDX-License-Identifier: Apache-2.0
"""Children that never outlive us: every compiler, emulator and uploader is started here.

Each runs under a small supervisor (`supervisor.py`, which tells how) in a session of its own. It ends,
with everything it started, when it is killed here, when it ends by itself, and when the harness ends
for whatever reason, SIGKILL included. Works the same on Linux and macOS and from any thread; a
program that moves itself into another session (a daemon) is out of reach.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from harness.errors import UnavailableError

PIPE: Final = subprocess.PIPE
DEVNULL: Final = subprocess.DEVNULL
STDOUT: Final = subprocess.STDOUT

_SUPERVISOR: Final = Path(__file__).resolve().parent / "supervisor.py"


@dataclass(frozen=True, kw_only=True, slots=True)
class CompletedRun:
    """How a program that `run` started ended, and what it wrote to stdout and stderr together."""

    argv: tuple[str, ...]
    returncode: int
    """Negative: ended by that signal."""
    output: str
    seconds: float
    timed_out: bool


def package_environment() -> dict[str, str]:
    """Our environment, with this very package first on the Python path of a child, wherever it starts."""
    package = str(Path(__file__).resolve().parents[1])
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH")))),
    }


class Child:
    """A running program. Owned by one thread, except that any thread may `kill` it.

    A context manager: leaving it kills the program. The pipes are unbuffered.
    """

    def __init__(self, process: subprocess.Popen[bytes], life: socket.socket) -> None:
        self._process = process
        self._life = life
        self.returncode: int | None = None
        """None while it runs; negative when a signal ended it."""

    @property
    def pid(self) -> int:
        """Process id of the supervisor, which is also the id of the program's process group."""
        return self._process.pid

    @property
    def stdin(self) -> IO[bytes] | None:
        """Where the program reads from, if asked for with PIPE."""
        return self._process.stdin

    @property
    def stdout(self) -> IO[bytes] | None:
        """What the program writes, if asked for with PIPE."""
        return self._process.stdout

    @property
    def stderr(self) -> IO[bytes] | None:
        """The program's messages, if asked for with PIPE."""
        return self._process.stderr

    def poll(self) -> int | None:
        """The exit code, or None while the program runs."""
        if self.returncode is None and self._process.poll() is not None:
            return self._finish()
        return self.returncode

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the end and return the exit code.

        Raises:
            TimeoutError: it still runs after `timeout_s`.
        """
        if self.returncode is not None:
            return self.returncode
        # The exit code's arrival or end-of-file wakes us at once; Popen's own timed wait polls.
        self._life.settimeout(timeout_s)
        try:
            self._life.recv(1, socket.MSG_PEEK)
        except ConnectionError:
            pass
        except BlockingIOError:
            raise TimeoutError("the program still runs") from None
        self._process.wait()
        return self._finish()

    def kill(self) -> None:
        """End the program and everything it started, now; harmless when it has ended."""
        if self.returncode is None:
            if self._process.poll() is None:
                _kill_group(self.pid)
            self._process.wait()
            self._finish()
        for pipe in (self.stdin, self.stdout, self.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _finish(self) -> int:
        """Read what the supervisor, which has ended, reported."""
        self._life.settimeout(0)
        try:
            report = self._life.recv(32)
        except OSError:
            report = b""
        self._life.close()
        if not report:
            # Without a report the supervisor itself was killed: by us, or by somebody else, in which
            # case the program may still run. The group's id cannot be reused while it has members.
            _kill_group(self.pid)
        self.returncode = int(report) if report else -signal.SIGKILL
        return self.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()


def _kill_group(group: int) -> None:
    # PermissionError: what macOS says of a group that holds only zombies.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def spawn(
    argv: Sequence[str | os.PathLike[str]],
    *,
    stdin: int | IO[bytes] | None = DEVNULL,
    stdout: int | IO[bytes] | None = DEVNULL,
    stderr: int | IO[bytes] | None = DEVNULL,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Child:
    """Start a program; streams as for `subprocess.Popen`, and by default connected to nothing.

    Args:
        argv: the program, looked up on PATH (of `env`, if given), and its arguments.
        env: the whole environment; None passes ours on.

    Raises:
        UnavailableError: there is no such program.
    """
    words = [os.fspath(word) for word in argv]
    path = env.get("PATH") if env is not None else None
    program = shutil.which(words[0], path=path)
    if program is None:
        raise UnavailableError(
            f"The program {words[0]} was not found.",
            cause="It is not installed, or its folder is not on PATH.",
            fix="`quantrig doctor` names the command that installs it.",
        )
    ours, theirs = socket.socketpair()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SUPERVISOR), str(theirs.fileno()), program, *words[1:]],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=env,
            cwd=cwd,
            bufsize=0,
            start_new_session=True,
            pass_fds=(theirs.fileno(),),
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return Child(process, ours)


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    timeout_s: float,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> CompletedRun:
    """Run a program to its end; its output is returned and, with `log`, appended to that file.

    After `timeout_s` it is killed and the result says so. Output that is not UTF-8 is replaced.

    Raises:
        UnavailableError: there is no such program.
    """
    started = time.monotonic()
    timed_out = False
    # A file, not a pipe: nobody has to read along, and the log is complete whatever happens to us.
    with log.open("a+b") if log else tempfile.TemporaryFile() as sink:
        begin = sink.seek(0, os.SEEK_END)
        with spawn(argv, stdout=sink, stderr=STDOUT, env=env, cwd=cwd) as child:
            try:
                returncode = child.wait(timeout_s)
            except TimeoutError:
                returncode, timed_out = -signal.SIGKILL, True
        sink.seek(begin)
        output = sink.read().decode("utf-8", "replace")
    return CompletedRun(
        argv=tuple(os.fspath(word) for word in argv),
        returncode=returncode,
        output=output,
        seconds=time.monotonic() - started,
        timed_out=timed_out,
    )
