# SPDX-License-Identifier: Apache-2.0
"""A board on the desk, played by simavr behind a pseudo terminal, and the avrdude that flashes it.

PlatformIO, the port, its locks and the conversation are real; what is flashed is what runs.
"""

from __future__ import annotations

import os
import stat
import subprocess
import threading
import time
import tty
from pathlib import Path
from typing import Self

from harness.targets.simavr import runner

#: Takes the port and the image from its arguments, as avrdude does; `hold` in its folder makes it wait.
AVRDUDE = """\
#!/bin/sh
echo "$QUANTRIG_TEST_MARK $@" >> "{folder}/calls"
while [ $# -gt 1 ]; do
  case "$1" in
    -P) port=$(basename "$(readlink -f "$2")") ;;
    -U) image=${{2#flash:w:}}; image=${{image%:i}} ;;
  esac
  shift
done
case "$1" in flash:w:*) image=${{1#flash:w:}}; image=${{image%:i}} ;; esac
touch "{folder}/uploading-$port"
{extra}
while [ -e "{folder}/hold" ]; do sleep 0.02; done
echo "$image" > "{folder}/flash-$port.part"
mv "{folder}/flash-$port.part" "{folder}/flash-$port"
while [ -e "{folder}/flash-$port" ]; do sleep 0.01; done
rm "{folder}/uploading-$port"
"""

#: An upload that only ends when another board is being flashed at the same time.
TOGETHER = """\
tries=0
while [ "$(ls "{folder}" | grep -c ^uploading- )" -lt 2 ] && [ ! -e "{folder}/together" ]; do
  tries=$((tries + 1)); [ $tries -gt 1500 ] && exit 1; sleep 0.02
done
touch "{folder}/together"
"""


def avrdude(folder: Path, *, extra: str = "") -> Path:
    """Makes the program; its folder is to come first on PATH."""
    program = folder / "bin" / "avrdude"
    program.parent.mkdir(exist_ok=True)
    program.write_text(AVRDUDE.format(folder=folder, extra=extra.format(folder=folder)))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program.parent


class DeskBoard:
    """An Uno whose flash is empty at first.

    Args:
        folder: the avrdude's.
    """

    def __init__(self, folder: Path) -> None:
        self._runner = runner()
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        self.port = os.ttyname(self._theirs)
        """The name of its serial port."""
        self._flash = folder / f"flash-{Path(self.port).name}"
        self._process: subprocess.Popen[bytes] | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._live)

    def _live(self) -> None:
        while not self._over.is_set():
            if self._flash.exists():
                image = Path(self._flash.read_text().strip())
                self._stop()
                self._process = subprocess.Popen(
                    [self._runner, "--mcu", "atmega328p", image.with_suffix(".elf")],
                    stdin=self._ours,
                    stdout=self._ours,
                )
                self._flash.unlink()
            time.sleep(0.01)

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._stop()
        os.close(self._ours)
        os.close(self._theirs)
