/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_fixed_point.h"

/* see nn_layers.h */
void nn_fully_connected_int16(const int16_t *input, int16_t *output, NN_FLASH int8_t *weights,
                              NN_FLASH struct nn_requant_int16 *channels, nn_dim rows,
                              nn_dim inputs, nn_dim outputs,
                              NN_FLASH struct nn_range_int16 *range)
{
    const struct nn_range_int16 r = *range;
    for (nn_dim row = 0; row < rows; row++, input += inputs) {
        NN_FLASH int8_t *w = weights;
        for (nn_dim c = 0; c < outputs; c++, w += inputs) {
            *output++ = nn_requantize_int16(nn_dot_int16(input, w, inputs), &channels[c], &r);
        }
    }
}
