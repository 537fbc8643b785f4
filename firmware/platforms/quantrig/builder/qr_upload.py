# SPDX-License-Identifier: Apache-2.0
"""`pio run -t upload`: an Uno or Mega through its bootloader, an STM32 through an ST-Link.

QR_IMAGE names the image to write when it is not the one that this build made: the harness flashes the very
file that it filed under the firmware's digest. QR_PROBE is the serial number of the debug probe to use, where
there may be several.
"""

from __future__ import annotations

import os
from typing import Any

AVRDUDE = (
    'avrdude -p $BOARD_MCU -c {} -b $UPLOAD_SPEED -P "$UPLOAD_PORT" -D $UPLOADERFLAGS'
    ' -U "flash:w:$QR_IMAGE:i"'
)
#: How each is told the probe; openocd 0.11 and 0.12 both know this word.
PROBE_OPTIONS = {"stlink": '--serial "{}"', "openocd": '-c "hla_serial {}"'}
BOOTLOADERS = ("arduino", "wiring")
COMMANDS = {
    **{protocol: AVRDUDE.format(protocol) for protocol in BOOTLOADERS},
    "stlink": 'st-flash $QR_PROBE $UPLOADERFLAGS --reset write "$QR_IMAGE" 0x08000000',
    "openocd": (
        "openocd $UPLOADERFLAGS -f interface/stlink.cfg $QR_PROBE -f target/stm32f4x.cfg"
        ' -c "program {$QR_IMAGE} 0x08000000 verify reset exit"'
    ),
}


def target(env: Any, image: Any) -> None:
    """Registers the upload target for the board's protocol; boards without one get none."""
    protocol = env.subst("$UPLOAD_PROTOCOL") or env.BoardConfig().get("upload.protocol", "")
    if protocol not in COMMANDS:
        return
    probe = os.environ.get("QR_PROBE")
    env.Replace(
        UPLOADCMD=COMMANDS[protocol],
        QR_IMAGE=os.environ.get("QR_IMAGE") or "$SOURCE",
        QR_PROBE=PROBE_OPTIONS.get(protocol, "").format(probe) if probe else "",
    )
    actions = [env.VerboseAction("$UPLOADCMD", "Uploading $QR_IMAGE")]
    if protocol in BOOTLOADERS:
        actions.insert(0, env.VerboseAction(env.AutodetectUploadPort, "Looking for the serial port"))
    env.AddPlatformTarget("upload", image, actions, "Upload")
