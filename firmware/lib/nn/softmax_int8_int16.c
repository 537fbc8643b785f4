/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_reciprocal.h"

/* see nn_normalize.h */
void nn_softmax_int8_int16(const int8_t *input, int16_t *output, nn_dim rows, nn_dim depth,
                           NN_FLASH int32_t *exponentials, nn_dim entries)
{
    for (nn_dim n = 0; n < rows; n++, input += depth, output += depth) {
        const struct nn_softmax_row row = nn_softmax_row(input, depth, exponentials, entries);
        const uint8_t exponent = (uint8_t)(row.exponent - 16);
        for (nn_dim i = 0; i < depth; i++) {
            const int16_t below = (int16_t)(row.largest - input[i]);
            int32_t y = INT16_MIN;
            if (below < entries) {
                y += nn_divide_by_power_of_two(nn_multiply_high(row.scale, exponentials[below]),
                                               exponent);
            }
            output[i] = (int16_t)(y > INT16_MAX ? INT16_MAX : y);
        }
    }
}
