/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_inverse_sqrt.h"

/* see nn_normalize.h */
void nn_l2_normalization_int8(const int8_t *input, int8_t *output, nn_dim rows, nn_dim depth,
                              int8_t input_zero_point)
{
    for (nn_dim row = 0; row < rows; row++, input += depth, output += depth) {
        int32_t squares = 0;
        for (nn_dim i = 0; i < depth; i++) {
            const int32_t x = (int32_t)input[i] - input_zero_point;
            squares += x * x;
        }
        const struct nn_inverse inverse = nn_inverse_square_root(squares);
        for (nn_dim i = 0; i < depth; i++) {
            const int32_t x = (int32_t)input[i] - input_zero_point;
            /* 7 bits are the output's scale of 1/128 */
            const int32_t y = nn_scale(x, inverse.multiplier, (int8_t)(inverse.shift + 7));
            output[i] = nn_clamp_int8(y, INT8_MIN, INT8_MAX);
        }
    }
}
