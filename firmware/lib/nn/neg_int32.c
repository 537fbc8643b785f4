/* SPDX-License-Identifier: Apache-2.0 */
#include "nn.h"

/* see nn_unary.h */
void nn_neg_int32(const int32_t *input, int32_t *output, nn_dim count)
{
    for (nn_dim i = 0; i < count; i++) {
        output[i] = (int32_t)(0 - (uint32_t)input[i]);
    }
}
