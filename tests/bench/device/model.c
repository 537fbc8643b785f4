/* SPDX-License-Identifier: Apache-2.0
 *
 * Every output byte is the sum of every OUTPUT_BYTES-th input byte, plus its place, modulo 256. It takes RUN_NS
 * of the line's time.
 */
#include "model.h"
#include "port_line.h"

#define U32(n) (n) & 255, (n) / 256 & 255, 0, 0

uint8_t qr_arena[QR_ARENA_BYTES];
const struct qr_io qr_model_inputs[QR_MODEL_INPUTS] = {{0, INPUT_BYTES}};
const struct qr_io qr_model_outputs[QR_MODEL_OUTPUTS] = {{INPUT_BYTES, OUTPUT_BYTES}};
const uint8_t qr_model_sha256[32] = {0};
const uint8_t qr_model_info[QR_MODEL_INFO_BYTES] = {
    1, 1,
    1, 1, U32(INPUT_BYTES), 0, 0, 0, 0, U32(0),
    1, 1, U32(OUTPUT_BYTES), 0, 0, 0, 0, U32(0),
};

void qr_model_reset(void)
{
}

void qr_model_invoke(void)
{
    uint8_t *output = qr_arena + INPUT_BYTES;

    line_compute(RUN_NS);
    for (uint32_t i = 0; i < OUTPUT_BYTES; i++)
        output[i] = (uint8_t)i;
    for (uint32_t i = 0; i < INPUT_BYTES; i++)
        output[i % OUTPUT_BYTES] += qr_arena[i];
}
