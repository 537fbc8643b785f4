/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_fixed_point.h"

/* Head room that both operands get before they are scaled to one scale. */
#define ADD_SHIFT 20

/* see nn.h */
void nn_add_int8(const int8_t *a, const int8_t *b, int8_t *output, nn_dim count, nn_dim period,
                 NN_FLASH struct nn_add_int8 *params)
{
    const struct nn_add_int8 p = *params;
    for (nn_dim i = 0, j = 0; i < count; i++) {
        const int32_t a_wide = ((int32_t)a[i] - p.a_zero_point) * ((int32_t)1 << ADD_SHIFT);
        const int32_t b_wide = ((int32_t)b[j] - p.b_zero_point) * ((int32_t)1 << ADD_SHIFT);
        const int32_t sum = nn_scale(a_wide, p.a_multiplier, p.a_shift) +
                            nn_scale(b_wide, p.b_multiplier, p.b_shift);
        const int32_t y = nn_scale(sum, p.output_multiplier, p.output_shift);
        output[i] = nn_clamp_int8(y + p.output_zero_point, p.min, p.max);
        j = (nn_dim)(j + 1 == period ? 0 : j + 1);
    }
}
