/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_sigmoid.h"

/* see nn_unary.h */
void nn_tanh_int16(const int16_t *input, int16_t *output, nn_dim count, int16_t multiplier,
                   uint8_t shift, NN_FLASH uint16_t *table)
{
    const int32_t half = shift ? (int32_t)1 << (shift - 1) : 0;
    for (nn_dim i = 0; i < count; i++) {
        output[i] = nn_tanh_q15(((int32_t)input[i] * multiplier + half) >> shift, table);
    }
}
