/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_fixed_point.h"

/* see nn_unary.h */
void nn_leaky_relu_int16(const int16_t *input, int16_t *output, nn_dim count,
                         NN_FLASH struct nn_leaky_relu_int16 *params)
{
    const struct nn_leaky_relu_int16 p = *params;
    for (nn_dim i = 0; i < count; i++) {
        int32_t y;
        if (input[i] >= 0) {
            y = nn_scale(input[i], p.multiplier, p.shift);
        } else {
            y = nn_scale(input[i], p.slope_multiplier, p.slope_shift);
            y = p.slope_is_negative ? (int32_t)(0 - (uint32_t)y) : y;
        }
        output[i] = nn_clamp_int16(y, INT16_MIN, INT16_MAX);
    }
}
