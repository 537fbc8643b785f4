/* SPDX-License-Identifier: Apache-2.0 */
#include "nn.h"

/* see nn_unary.h */
void nn_lookup_int8(const int8_t *input, int8_t *output, nn_dim count, NN_FLASH int8_t *table)
{
    for (nn_dim i = 0; i < count; i++) {
        output[i] = table[(uint8_t)(input[i] + 128)];
    }
}
