# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Renode that plays its transcripts and runs a real firmware behind a real pty.

It obeys the command line and the script that the harness writes, as far as they go: the firmware comes from
the script's LoadELF, the pty from its CreateUartPtyTerminal, the hooks' texts from its AddHook. What
executes the firmware is the program named in the configuration (QEMU, or the firmware itself where it is
one of this computer); its ticks are what the hooks count. `mode` says what goes wrong.

Configured by JSON in $FAKE_RENODE: {"mode": ..., "version": ..., "device": [argument, ...]} with "{elf}".
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, NoReturn

from harness.link.frames import Deframer, Frame
from harness.link.messages import InferDone

TRANSCRIPTS = Path(__file__).parent / "renode_transcripts"

#: The inference at which a mode strikes: after three of warm-up.
STRIKES_AT = 5

#: Hook lines that are wrong, by mode, as functions of the counts.
WRONG_LINES = {
    "no-hook": "",
    "no-begin": "{time} [INFO] cpu: qr-end {end}\n",
    "no-end": "{time} [INFO] cpu: qr-begin {begin}\n",
    "two-begins": "{time} [INFO] cpu: qr-begin {begin}\n" * 2 + "{time} [INFO] cpu: qr-end {end}\n",
    "twice": "{time} [INFO] cpu: qr-begin {begin}\n{time} [INFO] cpu: qr-end {end}\n" * 2,
    "backwards": "{time} [INFO] cpu: qr-begin {end}\n{time} [INFO] cpu: qr-end {begin}\n",
    "garbled": "{time} [INFO] cpu: qr-beg{time} [INFO] cpu: qr-end {end}\nin {begin}\n",
    "no-number": "{time} [INFO] cpu: qr-begin {{0}}\n{time} [INFO] cpu: qr-end {{0}}\n",
    "too-many": "{time} [INFO] cpu: qr-begin {begin}\n{time} [INFO] cpu: qr-end 1{end}\n",
}


class FakeRenode:
    """One emulation."""

    def __init__(self, mode: str, device: list[str], folder: Path) -> None:
        self.mode, self.device, self.folder = mode, device, folder
        self.hooks: list[str] = []
        self.elf = self.link = ""
        self.master = -1
        self.executed = 1000
        self.ticks = 0
        self.inferences = 0
        self.process: subprocess.Popen[bytes] | None = None

    def play(self, name: str, **values: object) -> None:
        self.say((TRANSCRIPTS / f"{name}.txt").read_bytes().decode(), **values)

    def say(self, text: str, **values: object) -> None:
        now = time.strftime("%H:%M:%S.0000")
        sys.stdout.buffer.write(text.format(folder=self.folder, time=now, **values).encode())
        sys.stdout.buffer.flush()

    # --- the script ---------------------------------------------------------------------------------

    def carry_out(self, script: str) -> None:
        for line in script.splitlines():
            if found := re.fullmatch(r'emulation CreateUartPtyTerminal "line" "(.*)" true', line):
                self.link = found[1]
            elif found := re.fullmatch(r"sysbus LoadELF @(.*)", line):
                self.elf = found[1]
            elif found := re.fullmatch(r'cpu AddHook 0x[0-9a-f]{8} "self\.InfoLog\(\'(.*)\', .*\)"', line):
                self.hooks.append(found[1])
        assert self.hooks == ["qr-begin {0}", "qr-end {0}"], self.hooks
        description = (self.folder / "board.repl").read_text()
        assert description.startswith('using "platforms/boards/'), description
        assert "https:" not in description + script
        if self.mode == "no-pty":
            return
        self.master, slave = pty.openpty()
        # as mono leaves it: with echo and with line ends turned, kept open so that nobody hangs up
        Path(self.link).symlink_to(os.ttyname(slave))

    # --- the firmware -------------------------------------------------------------------------------

    def start(self) -> None:
        self.play("started")
        self.say("{time} [INFO] cpu: qr-end 812\n{time} [INFO] cpu: qr-end 830\n")  # the port calibrates
        argv = [word.replace("{elf}", self.elf) for word in self.device]
        Path(self.elf).chmod(0o700)
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.process = process
        threading.Thread(target=self.to_device, args=(process.stdin,), daemon=True).start()
        threading.Thread(target=self.from_device, args=(process.stdout,), daemon=True).start()

    def to_device(self, stdin: IO[bytes]) -> None:
        while data := os.read(self.master, 4096):
            stdin.write(data)

    def from_device(self, stdout: IO[bytes]) -> None:
        frames = Deframer()
        while data := stdout.read(4096):
            frames.feed(data)
            late = False
            while (frame := frames.next_frame()) is not None:
                if isinstance(frame, Frame) and frame.type == InferDone.TYPE:
                    late = self.section(InferDone.parse(frame.body).ticks) or late
            os.write(self.master, data)
            if late:
                time.sleep(0.04)
                self.play("section", begin=self.executed, end=self.executed + self.ticks)

    def section(self, ticks: int) -> bool:
        """The hooks of one timed section; True: only after the answer."""
        # on this computer the clock may stand still for a model as small as the tests'
        ticks = ticks or 1
        self.executed += 7000
        self.ticks = ticks
        self.inferences += 1
        if self.mode == "late":
            return True
        strikes = self.inferences == STRIKES_AT
        values = {"begin": self.executed, "end": self.executed + ticks}
        if strikes and self.mode in WRONG_LINES:
            self.say(WRONG_LINES[self.mode], **values)
        elif strikes and self.mode == "crash":
            self.play("crash")
            self.end(1)
        elif strikes and self.mode == "abort":
            self.play("abort")
            threading.Event().wait()
        elif self.mode == "noisy":
            self.say("(quantrig) \x1b[s\x1b[J\x1b[u")
            self.play("section", **values)
            self.say("{time} [WARNING] usart2: Unhandled read from offset 0x10.\n" * 20)
        else:
            off = {"rounded": 19, "wide": 81}.get(self.mode, 0)
            self.play("section", begin=self.executed, end=self.executed + ticks + off)
        return False

    def end(self, code: int) -> NoReturn:
        if self.process is not None:
            self.process.kill()
        if self.link:
            Path(self.link).unlink(missing_ok=True)
        os._exit(code)

    def obey(self) -> None:
        """The monitor: commands until the end of stdin."""
        for line in sys.stdin:
            if line == "start\n":
                self.start()
            elif line == "quit\n" and self.mode != "stubborn":
                if self.mode == "one-more":
                    self.play("section", begin=self.executed + 7000, end=self.executed + 7010)
                self.play("quit")
                self.end(0)
            elif line != "quit\n":
                self.say("No such command or device: " + line)
        if self.mode == "stubborn":
            threading.Event().wait()
        self.end(0)


def main() -> None:
    setting = json.loads(os.environ["FAKE_RENODE"])
    parser = argparse.ArgumentParser()
    parser.add_argument("--version", action="store_true")
    for flag in ("--disable-xwt", "--console", "--plain"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--pid-file", type=Path)
    parser.add_argument("script", type=Path, nargs="?")
    given = parser.parse_args()
    if given.version:
        name = setting.get("version", "1.16.1")
        sys.stdout.write(
            (TRANSCRIPTS / f"version-{name}.txt").read_text() if name else "Segmentation fault\n"
        )
        return
    assert all((given.disable_xwt, given.console, given.plain))
    mode = setting["mode"]
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    given.pid_file.write_text(str(os.getpid()))
    history = re.fullmatch(r"\[general\]\nhistory-path = (.*)\n", given.config.read_text())
    assert history is not None
    renode = FakeRenode(mode, setting["device"], given.script.parent)
    renode.play("banner")
    if mode == "exits":
        renode.end(0)
    if mode == "refused":
        renode.play("refused")
    elif mode != "silence":
        renode.carry_out(given.script.read_text())
        renode.play("script")
    renode.obey()


if __name__ == "__main__":
    main()
