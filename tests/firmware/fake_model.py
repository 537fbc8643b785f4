# SPDX-License-Identifier: Apache-2.0
"""A model that does nothing but take time: its input says how long, its output is the input reversed."""

from __future__ import annotations

import struct

from harness.compiler import GeneratedSource

BYTES = 16

_CONFIG = f"""\
#ifndef QR_MODEL_CONFIG_H
#define QR_MODEL_CONFIG_H
#define QR_MODEL_ABI_GENERATED 2
#define QR_ARENA_BYTES {2 * BYTES}
#define QR_MODEL_INFO_BYTES 30
#define QR_MODEL_INPUTS 1
#define QR_MODEL_OUTPUTS 1
#endif
"""

# a loop of `input[0..3]` turns, then up to 15 single instructions: every phase of a timer can be hit
_MODEL = f"""\
#include "model.h"
/* before */
uint8_t qr_arena[QR_ARENA_BYTES] __attribute__((aligned(4)));
const struct qr_io qr_model_inputs[QR_MODEL_INPUTS] QR_FLASH = {{{{0, {BYTES}}}}};
const struct qr_io qr_model_outputs[QR_MODEL_OUTPUTS] QR_FLASH = {{{{{BYTES}, {BYTES}}}}};
const uint8_t qr_model_sha256[32] QR_FLASH = {{7}};
const uint8_t qr_model_info[QR_MODEL_INFO_BYTES] QR_FLASH = {{
    1, 1, 1, 1, {BYTES}, 0, 0, 0, 0, 0, 128, 63, 0, 0, 0, 0, 1, 1, {BYTES}, 0, 0, 0, 0, 0, 128, 63}};
void qr_model_reset(void)
{{
}}

void qr_model_invoke(void)
{{
    uint32_t turns = qr_arena[0] | (uint32_t)qr_arena[1] << 8 | (uint32_t)qr_arena[2] << 16 |
                     (uint32_t)qr_arena[3] << 24;

    /* inside */
    while (turns--)
        __asm__ volatile("" ::: "memory");
    if (qr_arena[4] & 1)
        __asm__ volatile("nop" ::: "memory");
    if (qr_arena[4] & 2)
        __asm__ volatile("nop\\n\\tnop\\n\\tnop" ::: "memory");
    if (qr_arena[4] & 4)
        __asm__ volatile("nop\\n\\tnop\\n\\tnop\\n\\tnop\\n\\tnop" ::: "memory");
    for (uint8_t i = 0; i < {BYTES}; i++)
        qr_arena[{BYTES} + i] = qr_arena[{BYTES - 1} - i];
}}
"""


def source(*, before: str = "", inside: str = "", arena_bytes: int = 2 * BYTES) -> GeneratedSource:
    """The model, with more C text before it and in its function, and, if wanted, a larger arena."""
    config = _CONFIG.replace(f"ARENA_BYTES {2 * BYTES}", f"ARENA_BYTES {arena_bytes}")
    model = _MODEL.replace("/* before */", before).replace("/* inside */", inside)
    return GeneratedSource(
        files={"model.c": model, "model_config.h": config},
        arena_bytes=arena_bytes,
        model_bytes=0,
        model_sha256="07" + 31 * "00",
    )


def work(turns: int, extra: int = 0) -> bytes:
    """An input tensor that keeps the model busy for so many turns."""
    return struct.pack("<IB", turns, extra).ljust(BYTES, b"\x5a")
