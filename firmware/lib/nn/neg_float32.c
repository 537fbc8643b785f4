/* SPDX-License-Identifier: Apache-2.0 */
#include "nn.h"

/* see nn_unary.h */
void nn_neg_float32(const float *input, float *output, nn_dim count)
{
    for (nn_dim i = 0; i < count; i++) {
        output[i] = -input[i];
    }
}
