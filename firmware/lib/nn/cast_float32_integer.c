/* SPDX-License-Identifier: Apache-2.0 */
#include "nn.h"

/* see nn_convert.h */
void nn_cast_float32_integer(const float *input, uint8_t *output, nn_dim count, uint8_t output_bytes)
{
    for (nn_dim i = 0; i < count; i++, output += output_bytes) {
        const float x = input[i];
        /* 2^31 is a float, 2^31 - 1 is none; nothing is cast that would not fit, or is no number */
        uint32_t y = x > -2147483648.0f && x < 2147483648.0f ? (uint32_t)(int32_t)x : 0x80000000u;
        for (uint8_t b = 0; b < output_bytes; b++, y >>= 8) {
            output[b] = (uint8_t)y;
        }
    }
}
