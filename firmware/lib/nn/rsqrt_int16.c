/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_inverse_sqrt.h"

/* Bits of fraction between the two scalings. */
#define HEAD_ROOM 20

/* see nn_unary.h */
void nn_rsqrt_int16(const int16_t *input, int16_t *output, nn_dim count, int32_t multiplier,
                    int8_t shift)
{
    for (nn_dim i = 0; i < count; i++) {
        if (input[i] <= 0) {
            output[i] = INT16_MAX;
            continue;
        }
        const struct nn_inverse inverse = nn_inverse_square_root(input[i]);
        const int32_t wide = nn_scale(1, inverse.multiplier, (int8_t)(inverse.shift + HEAD_ROOM));
        output[i] = nn_clamp_int16(nn_scale(wide, multiplier, shift), INT16_MIN, INT16_MAX);
    }
}
