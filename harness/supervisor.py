# SPDX-License-Identifier: Apache-2.0
"""Runs one program and ends it, children included, as soon as the process that asked for it is gone.

Started by `children.spawn` as `python -I -S supervisor.py FD PROGRAM ARGUMENTS...`, leader of a new
session; it imports nothing of the package and little else, so it is up in about 10 ms. FD is one end
of a socket pair whose other end only the harness holds: end-of-file there means that the harness has
ended, however it ended, SIGKILL included. A parent-death signal would be Linux only, would fire when
the *thread* that forked ends, and would not reach grandchildren (pio -> scons -> gcc).

When the program ends by itself, its exit code goes out on FD as one line. In both cases the whole
process group is killed, this process included, so nothing that the program started stays behind.
"""

from __future__ import annotations

import _thread
import os
import select
import signal
import sys

#: How often the parent's process id is looked at. Only matters when somebody else inherited the
#: harness's end of the socket (a fork without exec), so that its end-of-file never comes.
_PARENT_CHECK_S = 1.0


def _end_group() -> None:
    os.killpg(0, signal.SIGKILL)


def _watch(fd: int, parent: int) -> None:
    """End everything once `fd` is at end-of-file or the parent has changed."""
    while os.getppid() == parent:
        ready, _, _ = select.select([fd], [], [], _PARENT_CHECK_S)
        if ready and not os.read(fd, 1):
            break
    _end_group()


def _become(program: list[str]) -> None:
    """Turn this freshly forked process into `program`; exits with 127 when that fails, as a shell does."""
    # Python ignores SIGPIPE; a program that is started must find it as usual.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvp(program[0], program)  # noqa: S606 - no shell is wanted
    except OSError as error:
        os.write(2, f"quantrig: cannot start {program[0]}: {error.strerror}\n".encode())
    os._exit(127)


def main() -> None:
    """See the module's text; never returns."""
    fd = int(sys.argv[1])
    parent = os.getppid()
    os.set_inheritable(fd, False)
    # Forked before the thread starts: a fork with threads around is unsafe.
    child = os.fork()
    if child == 0:
        _become(sys.argv[2:])
    # The program alone holds its standard streams, or their readers would wait for us too.
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    _thread.start_new_thread(_watch, (fd, parent))
    _, status = os.waitpid(child, 0)
    try:
        os.write(fd, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    finally:
        _end_group()


if __name__ == "__main__":
    main()
