/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_fixed_point.h"

/* see nn_unary.h */
void nn_abs_int16(const int16_t *input, int16_t *output, nn_dim count, int32_t multiplier,
                  int8_t shift)
{
    for (nn_dim i = 0; i < count; i++) {
        const int32_t x = input[i];
        const int32_t y = nn_scale(x < 0 ? -x : x, multiplier, shift);
        output[i] = nn_clamp_int16(y, INT16_MIN, INT16_MAX);
    }
}
