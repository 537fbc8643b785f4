/* SPDX-License-Identifier: Apache-2.0 */
#include "pattern.h"

#include <string.h>

#include "model.h"

#define DTYPE_FLOAT32 0
#define DTYPE_INT32 4
#define DTYPE_INT64 5
#define DTYPE_BOOL 6

/* Xorshift of 32 bits: three shifts, no table and no multiplication. */
static uint32_t next(uint32_t state)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

/* Four bytes of an input of that type, of which so many bytes are left. */
static uint32_t value(uint8_t dtype, uint32_t state, uint32_t left)
{
    if (dtype == DTYPE_FLOAT32)
        /* sign, one of the four binades below 1, mantissa: no arithmetic that the model might not link */
        return (state & 0x80000000) | (0x3d800000 + (state >> 6 & 0x01ffffff));
    if (dtype == DTYPE_INT32)
        return state >> 31;
    if (dtype == DTYPE_INT64)
        return left & 4 ? 0 : state >> 31;
    if (dtype == DTYPE_BOOL)
        return state & 0x01010101;
    return state;
}

static void fill(uint8_t *to, uint32_t bytes, uint8_t dtype)
{
    uint32_t state = 0x9e3779b9;

    while (bytes) {
        uint8_t part = bytes < 4 ? (uint8_t)bytes : 4;
        uint32_t four;

        state = next(state);
        four = value(dtype, state, bytes);
        memcpy(to, &four, part);
        to += part;
        bytes -= part;
    }
}

/* see pattern.h */
void qr_pattern_fill(void)
{
    const uint8_t *tensor = qr_model_info + 2; /* the table of model.h */

    for (uint8_t i = 0; i < QR_MODEL_INPUTS; i++) {
        fill(qr_arena + QR_FLASH_U32(&qr_model_inputs[i].offset), QR_FLASH_U32(&qr_model_inputs[i].bytes),
             QR_FLASH_U8(tensor));
        tensor += 2 + 4 * QR_FLASH_U8(tensor + 1) + 8;
    }
}
