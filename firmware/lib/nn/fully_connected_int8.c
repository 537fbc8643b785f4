/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_fixed_point.h"

/* see nn_layers.h */
void nn_fully_connected_int8(const int8_t *input, int8_t *output, NN_FLASH int8_t *weights,
                             NN_FLASH struct nn_requant *channels, nn_dim rows, nn_dim inputs,
                             nn_dim outputs, NN_FLASH struct nn_range_int8 *range)
{
    const struct nn_range_int8 r = *range;
    for (nn_dim row = 0; row < rows; row++, input += inputs) {
        NN_FLASH int8_t *w = weights;
        for (nn_dim c = 0; c < outputs; c++) {
            const int8_t *x = input;
            /* unsigned: sums wrap */
            uint32_t sum = (uint32_t)channels[c].bias;
            for (nn_dim i = 0; i < inputs; i++) {
                sum += (uint32_t)(int16_t)((int16_t)*x++ * (int16_t)*w++);
            }
            *output++ = nn_requantize((int32_t)sum, &channels[c], &r);
        }
    }
}
