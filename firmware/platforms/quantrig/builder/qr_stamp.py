# SPDX-License-Identifier: Apache-2.0
"""Writes the firmware's digest into the program as soon as it is linked, before any image is made of it.

QR_STAMP is the command that does it (the ELF's path is added to it); the harness sets it. Without one, as
in a build by hand, the digest stays zero, and the harness will not measure such a firmware.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import Any


def after_link(env: Any) -> None:
    """Stamps `$BUILD_DIR/${PROGNAME}.elf` when it has been linked; on upstream platforms alike."""
    if os.environ.get("QR_STAMP"):
        env.AddPostAction("$BUILD_DIR/${PROGNAME}.elf", env.VerboseAction(_stamp, "Stamping $TARGET"))


def _stamp(target: Any, source: Any, env: Any) -> int:
    """SCons action: run the command on the program."""
    return subprocess.run([*shlex.split(os.environ["QR_STAMP"]), str(target[0])], check=False).returncode
