/* SPDX-License-Identifier: Apache-2.0 */
#include "nn.h"

/* see nn_unary.h */
void nn_relu6_int16(const int16_t *input, int16_t *output, nn_dim count, int16_t min, int16_t max)
{
    for (nn_dim i = 0; i < count; i++) {
        output[i] = input[i] < min ? min : input[i] > max ? max : input[i];
    }
}
