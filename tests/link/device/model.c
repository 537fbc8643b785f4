/* SPDX-License-Identifier: Apache-2.0
 *
 * One or two int8 inputs, as many int8 outputs in the same places: the input is consumed, and a second run
 * without new inputs would show in the outputs and in `fake_runs`.
 */
#include "model.h"

#define U32(n) (n) & 255, (n) / 256 & 255, 0, 0 /* sizes below 64 Ki, also for 16-bit int */
#define HALF 0, 0, 0, 63 /* scale 0.5 */

uint8_t qr_arena[QR_ARENA_BYTES];
uint32_t fake_runs;
uint32_t fake_resets;
static uint8_t state; /* added to every output where FAKE_STATE is 1: inferences since the last reset */
uint64_t fake_ticks; /* a number that follows from the inputs alone: the test port's clock shows it */

#if FAKE_BYTES_1
#define PLACES {FAKE_BYTES_1, FAKE_BYTES_0}, {0, FAKE_BYTES_1}
#define TABLE(second) 1, 1, U32(FAKE_BYTES_0), HALF, U32(0), 1, 1, U32(FAKE_BYTES_1), HALF, U32(second)
#else
#define PLACES {0, FAKE_BYTES_0}
#define TABLE(second) 1, 1, U32(FAKE_BYTES_0), HALF, U32(0)
#endif

const struct qr_io qr_model_inputs[QR_MODEL_INPUTS] QR_FLASH = {PLACES};
const struct qr_io qr_model_outputs[QR_MODEL_OUTPUTS] QR_FLASH = {PLACES};
const uint8_t qr_model_sha256[32] QR_FLASH = {0xde, 0xad, 0xbe, 0xef};

const uint8_t qr_model_info[QR_MODEL_INFO_BYTES] QR_FLASH = {
    FAKE_TENSORS, FAKE_TENSORS, TABLE(7), TABLE(14),
};

void qr_model_reset(void)
{
    state = 0;
    fake_resets++;
}

void qr_model_invoke(void)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < QR_ARENA_BYTES; i++) {
        sum = sum * 31 + qr_arena[i] + 1;
        qr_arena[i] = (uint8_t)(qr_arena[i] * 2 + FAKE_STATE * state);
    }
    state++;
#ifdef FAKE_TICKS_BELOW
    sum %= FAKE_TICKS_BELOW;
#endif
    fake_ticks = sum;
    fake_runs++;
}

#ifdef QR_MODEL_STEPS
/* Step n is over with output byte n. */
void qr_model_step(uint16_t step)
{
    qr_arena[step] = (uint8_t)(qr_arena[step] * 2);
    fake_runs++;
}
#endif
