/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_float.h"

/* see nn_layers.h */
void nn_fully_connected_float32(const float *input, float *output, NN_FLASH float *weights,
                                NN_FLASH float *bias, nn_dim rows, nn_dim inputs, nn_dim outputs,
                                NN_FLASH struct nn_range_float32 *range)
{
    const struct nn_range_float32 r = *range;
    for (nn_dim row = 0; row < rows; row++, input += inputs) {
        NN_FLASH float *w = weights;
        for (nn_dim c = 0; c < outputs; c++) {
            const float *x = input;
            float sum = 0.0f;
            for (nn_dim i = 0; i < inputs; i++) {
                sum += *x++ * *w++;
            }
            *output++ = nn_clamp(sum + bias[c], &r);
        }
    }
}
