# SPDX-License-Identifier: Apache-2.0
"""Renode's console: what it says, read along in a thread, and what follows from it.

`Lines` is the parser and does no I/O; `Monitor` feeds it from a running program.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from harness import children
from harness.errors import QuantrigError, TargetError
from harness.targets.renode_script import BEGIN, END, READY

#: A script that fails does not change Renode's exit code: these sentences of the monitor tell.
_REFUSALS: Final = (
    "There was an error executing command",
    "No such command or device",
    "Could not find file",
    "Could not tokenize here",
    "Bad parameters for command",
    "No such variable",
    "Failed to download",
    "Peripheral not found",
)

_EVENT: Final = re.compile(rf"\bcpu: ({BEGIN}|{END}) (0x[0-9A-Fa-f]+|[0-9]+)$")
_MARK: Final = re.compile(rf"\b(?:{BEGIN}|{END})\b")
_PROMPT: Final = re.compile(r"^(?:\([\w-]+\) ?)+")

#: Control sequences that a terminal would act on.
_CONTROL: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f]")

#: How long the rest of a complaint may take to arrive.
_COMPLAINT_S: Final = 0.3

#: `quit` takes half a second; a Renode that does not obey is killed.
QUIT_S: Final = 5.0

#: Its pipes are closed a moment before its exit code is known.
_END_S: Final = 1.0

_KEPT_LINES: Final = 40
_CHUNK_BYTES: Final = 65536

_Error = TypeVar("_Error", bound=QuantrigError)


class Lines:
    """What the lines mean so far: has the script ended or failed, which sections were counted.

    Not locked: one thread at a time.
    """

    def __init__(self) -> None:
        self.ready = False
        self.refusal: list[str] = []
        """The monitor's complaint about the script, with what followed."""
        self.sections: deque[int] = deque()
        """Instructions of each timed section, the oldest first."""
        self.odd: str | None = None
        """The first line about a section that cannot be right."""
        self._begin: int | None = None
        self._fatal: list[str] = []
        self._last: deque[str] = deque(maxlen=_KEPT_LINES)

    def feed(self, raw: str) -> None:
        """Take one line without its end."""
        # a prompt waits without a line end for whatever comes next
        line = _PROMPT.sub("", _CONTROL.sub("", raw)).rstrip()
        if not line:
            return
        self._last.append(line)
        # an unhandled exception: its reason stands in the next line, before a long trace
        if line.startswith("Fatal error") or len(self._fatal) == 1:
            self._fatal.append(line)
        if not self.ready:
            # no firmware runs before that: a mark can only be our own script, quoted in a complaint
            if self.refusal or any(words in line for words in _REFUSALS):
                self.refusal.append(line.strip())
            elif line.endswith(READY):
                self.ready = True
        elif _MARK.search(line):
            self._section(line)

    def _section(self, line: str) -> None:
        event = _EVENT.search(line)
        # the port times empty sections too, at start and in STATUS: their end has no beginning
        if self._begin is None and BEGIN not in line:
            return
        if event is None or (event[1] == BEGIN) != (self._begin is None):
            self.odd = self.odd or line
            return
        count = int(event[2], 0)
        if self._begin is None:
            self._begin = count
        elif count <= self._begin:
            self.odd = self.odd or line
        else:
            self.sections.append(count - self._begin)
            self._begin = None

    def last_words(self) -> str:
        """The last two lines that matter: errors if there are any, else what is not marked as information."""
        said = [line.strip() for line in self._last if not _MARK.search(line)]
        others = [line for line in said if "[INFO]" not in line]
        return self.errors() or "; ".join((others or said)[-2:])

    def errors(self) -> str:
        """The reason of a crash, else the last two errors in the log; empty when there are none."""
        if self._fatal:
            return " ".join(self._fatal[:2])
        return "; ".join([line.strip() for line in self._last if "[ERROR]" in line][-2:])


def _nonsense(line: str) -> str:
    return f"Renode's count of a timed section makes no sense: {line!r}."


class Monitor:
    """A running Renode. A context manager: leaving it quits Renode, or kills it when it does not obey.

    Args:
        child: started with stdin and stdout as pipes.
        log: receives all that it says.
    """

    def __init__(self, child: children.Child, log: Path) -> None:
        if child.stdin is None or child.stdout is None:
            raise ValueError("Renode's console needs pipes")
        self._child, self._stdin, self._log = child, child.stdin, log
        self._lines = Lines()
        self._changed = threading.Condition()
        self._ended = self._counting = False
        # the child's own end is closed when it is killed, perhaps in the middle of a read
        output = os.dup(child.stdout.fileno())
        self._reader = threading.Thread(target=self._read, args=(output,), name="renode", daemon=True)
        self._reader.start()

    def _read(self, output: int) -> None:
        rest = b""
        try:
            with open(output, "rb", buffering=0) as stdout, self._log.open("ab") as log:
                while data := stdout.read(_CHUNK_BYTES):
                    log.write(data)
                    log.flush()
                    *lines, rest = (rest + data).split(b"\n")
                    with self._changed:
                        for line in lines:
                            self._lines.feed(line.decode("utf-8", "replace"))
                        self._changed.notify_all()
        finally:  # a log that cannot be written, too: nobody waits for more in vain
            with self._changed:
                self._lines.feed(rest.decode("utf-8", "replace"))
                self._ended = True
                self._changed.notify_all()

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait until the script has been carried out.

        Raises:
            TargetError: it failed, Renode ended, or `timeout_s` of this computer's time went by.
        """
        lines = self._lines
        with self._changed:
            done = self._changed.wait_for(lambda: lines.ready or lines.refusal or self._ended, timeout_s)
            if lines.ready:
                return
            if lines.refusal:
                self._changed.wait_for(lambda: self._ended, _COMPLAINT_S)
                raise TargetError(
                    f"Renode refused its script: {' '.join(lines.refusal[:3])}",
                    cause="Its platform differs from those of the releases that we know (1.15.2 to 1.16.1).",
                    fix=f"See {self._log}.",
                )
            words = lines.last_words().rstrip(".")
        if done:
            raise self.explain(TargetError("Renode ended before the firmware started."))
        raise TargetError(
            f"Renode was not ready after {timeout_s:g} s.",
            cause=f"It hangs, or this computer is too busy. Its last words: {words or 'none'}.",
            fix=f"See {self._log}.",
        )

    def say(self, command: str) -> None:
        """Give the monitor a command.

        Raises:
            TargetError: Renode is gone.
        """
        try:
            self._stdin.write(f"{command}\n".encode())
        except OSError as error:
            raise self.explain(TargetError("Renode no longer listens.")) from error

    def next_section(self, timeout_s: float) -> int:
        """Instructions of the timed section that ended last, waiting for its line if need be.

        Raises:
            TargetError: there is none, there are several, or the lines make no sense.
        """
        self._counting = True
        lines = self._lines
        with self._changed:
            self._changed.wait_for(lambda: lines.sections or lines.odd or self._ended, timeout_s)
            odd, counts = lines.odd, list(lines.sections)
            lines.sections.clear()
        if odd is None and len(counts) == 1:
            return counts[0]
        if odd is not None:
            what = _nonsense(odd)
        elif counts:
            what = f"Renode counted {len(counts)} timed sections where the device answered for one."
        else:
            what = "Renode logged no instruction count for a timed section."
        raise TargetError(what, cause="A line of its log was lost or broken.", fix=f"See {self._log}.")

    def check_that_all_were_asked_for(self) -> None:
        """To be called after `quit`. A section too many could have shifted every count by one answer.

        Raises:
            TargetError: sections were asked for, and some are left.
        """
        left, odd = len(self._lines.sections), self._lines.odd
        if self._counting and (left or odd):
            raise TargetError(
                _nonsense(odd)
                if odd
                else f"Renode counted {left} timed sections for which the device did not answer.",
                cause="Its log has lines too many, so that counts and answers may not belong together.",
                fix=f"See {self._log}.",
            )

    def explain(self, error: _Error) -> _Error:
        """The same error, with the errors that Renode reported, and with its exit code if it ended."""
        code = None
        with contextlib.suppress(TimeoutError):
            code = self._child.wait(_END_S)
        if code is not None:
            self._reader.join(_END_S)
        with self._changed:
            words = (self._lines.errors() if code is None else self._lines.last_words()).rstrip(".")
        if code is not None:
            cause = f"renode ended with exit code {code}{': ' + words if words else ''}."
        elif words:
            cause = f"{error.cause} Renode reported: {words}.".lstrip()
        else:
            cause = error.cause
        return type(error)(error.what, cause=cause, fix=error.fix or f"See {self._log}.")

    def quit(self) -> None:
        """End Renode: by its own command, which takes its pty along, else by force. May be called twice."""
        with contextlib.suppress(TargetError, TimeoutError):
            if self._child.poll() is None:
                self.say("quit")
                self._child.wait(QUIT_S)
        self._child.kill()
        self._reader.join(_END_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.quit()
