# SPDX-License-Identifier: Apache-2.0
"""A firmware in a process of this computer, with its serial port on the process's stdin and stdout."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness import children
from harness.errors import TargetError
from harness.link.transport import PipeTransport, Transport

_TAIL_BYTES = 4096

#: A program's pipes are closed a moment before its exit code is known.
_END_S = 1.0


@contextmanager
def start(argv: Sequence[str | os.PathLike[str]], *, log: Path | None) -> Iterator[Transport]:
    """Run the program while the context lasts; its stderr goes to `log`.

    Raises:
        TargetError: from within the context, when the program ended: with its exit code and last words.
    """
    with ExitStack() as stack:
        stderr = stack.enter_context(log.open("ab")) if log else children.DEVNULL
        child = stack.enter_context(
            children.spawn(argv, stdin=children.PIPE, stdout=children.PIPE, stderr=stderr)
        )
        if child.stdin is None or child.stdout is None:
            raise RuntimeError("asked for pipes, got none")
        transport = PipeTransport(child.stdin, child.stdout)
        stack.callback(transport.close)
        try:
            yield transport
        except TargetError as error:
            try:
                code = child.wait(_END_S)
            except TimeoutError:
                raise error from None
            name = Path(os.fspath(argv[0])).name
            words = _last_words(log)
            raise TargetError(
                error.what,
                cause=f"{name} ended with exit code {code}{': ' + words if words else ''}.",
                fix=f"See {log}." if log else "",
            ) from error


def _last_words(log: Path | None) -> str:
    """The last two lines of the log that are not empty."""
    if log is None:
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").split("\n")
    return "; ".join([line.strip() for line in lines if line.strip()][-2:])
