# SPDX-License-Identifier: Apache-2.0
"""Entry of the platform: PlatformIO runs it inside SCons for every environment on this platform.

Reads three variables beside PlatformIO's own: QR_MODEL_DIR, the folder of the generated model (required),
QR_STAMP, the command that writes the digest into the linked program, and QR_IMAGE, an image to upload
instead of the one just built (both optional).
"""

from __future__ import annotations

import sys
from pathlib import Path

from SCons.Script import Default, DefaultEnvironment

env = DefaultEnvironment()
home = Path(env.PioPlatform().get_dir())
sys.path[:0] = [str(home / "builder"), str(home)]
env.Replace(QR_LDSCRIPTS=str(home / "ldscripts"))

import qr_image  # noqa: E402
import qr_link  # noqa: E402
import qr_sources  # noqa: E402
import qr_stamp  # noqa: E402
import qr_toolchain  # noqa: E402
import qr_upload  # noqa: E402

qr_toolchain.configure(env)
board = env.BoardConfig()
qr_sources.collect(env, board.get("build.port"), board.get("build.shared", ""))
elf = qr_link.program(env)
qr_stamp.after_link(env)
image = qr_image.make(env, elf)
qr_upload.target(env, image)
Default([image])
