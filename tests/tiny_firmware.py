# SPDX-License-Identifier: Apache-2.0
"""The smallest firmware that the bench accepts: four int8 values in, four out, written by hand."""

from __future__ import annotations

import hashlib
from pathlib import Path

from harness.boards import Board, load_boards
from harness.build import Firmware, build
from harness.compiler import GeneratedSource

BOARDS = load_boards()

CONFIG = """\
#define QR_MODEL_ABI_GENERATED 2
#define QR_ARENA_BYTES {arena}
#define QR_MODEL_INFO_BYTES 30
#define QR_MODEL_INPUTS 1
#define QR_MODEL_OUTPUTS 1
"""

MODEL = """\
#include "model.h"

uint8_t qr_arena[QR_ARENA_BYTES];
const struct qr_io qr_model_inputs[1] QR_FLASH = {{{{0, 4}}}};
const struct qr_io qr_model_outputs[1] QR_FLASH = {{{{4, 4}}}};
const uint8_t qr_model_sha256[32] QR_FLASH = {{{sha}}};
const uint8_t qr_model_info[QR_MODEL_INFO_BYTES] QR_FLASH = {{
    1, 1,
    1, 1, 4, 0, 0, 0, 0, 0, 128, 63, 0, 0, 0, 0,
    1, 1, 4, 0, 0, 0, 0, 0, 128, 63, 0, 0}};
static const uint8_t qr_model_weights[{weights}] QR_FLASH = {{1, 2, 3, 4}};
{extra}
void qr_model_reset(void)
{{
}}

void qr_model_invoke(void)
{{
    static uint8_t calls; /* keeps the table: the compiler cannot know what is read */

    calls++;
    for (uint8_t i = 0; i < 4; i++) {{
        uint16_t at = (uint16_t)(i + 4 * (calls == 0)) % sizeof qr_model_weights;

        qr_arena[4 + i] = (uint8_t)(qr_arena[i] + QR_FLASH_U8(&qr_model_weights[at]));
    }}
}}
"""

#: Bytes of a model without weights: two tables of 8 bytes, the SHA-256, the tensor table.
TABLE_BYTES = 8 + 8 + 32 + 30


def tiny_source(*, arena: int = 8, weights: int = 16, extra: str = "", name: str = "tiny") -> GeneratedSource:
    """A model with `arena` bytes of arena and `weights` bytes of weights; adds 1, 2, 3, 4 to its input."""
    digest = hashlib.sha256(f"{arena} {weights} {name}".encode())
    text = MODEL.format(weights=weights, sha=", ".join(map(str, digest.digest())), extra=extra)
    return GeneratedSource(
        files={"model.c": text, "model_config.h": CONFIG.format(arena=arena)},
        arena_bytes=arena,
        model_bytes=weights,
        model_sha256=digest.hexdigest(),
    )


def tiny_firmware(board: Board, cache: Path) -> Firmware:
    """The tiny model, built for the board."""
    return build(tiny_source(), board, case_id=f"tiny/{board.name}", cache=cache)
