/* SPDX-License-Identifier: Apache-2.0 */
#include "nn.h"

/* see nn_convert.h */
void nn_cast_integer(const uint8_t *input, uint8_t *output, nn_dim count,
                     NN_FLASH struct nn_integer_form *from, uint8_t output_bytes)
{
    const struct nn_integer_form form = *from;
    const uint8_t kept = form.bytes < output_bytes ? form.bytes : output_bytes;
    for (nn_dim n = 0; n < count; n++) {
        /* from the end where the output is wider */
        const nn_dim i = form.bytes < output_bytes ? (nn_dim)(count - 1 - n) : n;
        const uint8_t *x = input + (int32_t)i * form.bytes;
        uint8_t *y = output + (int32_t)i * output_bytes;
        const uint8_t above = form.is_signed && (x[form.bytes - 1] & 0x80) ? 0xFF : 0;
        for (uint8_t b = output_bytes; b-- > kept;) {
            y[b] = above;
        }
        if (kept < output_bytes) {
            for (uint8_t b = kept; b-- > 0;) {
                y[b] = x[b];
            }
        } else {
            for (uint8_t b = 0; b < kept; b++) {
                y[b] = x[b];
            }
        }
    }
}
