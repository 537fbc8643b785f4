/* SPDX-License-Identifier: Apache-2.0 */
#include "nn.h"

/* see nn_unary.h */
void nn_leaky_relu_float32(const float *input, float *output, nn_dim count, float alpha)
{
    for (nn_dim i = 0; i < count; i++) {
        output[i] = input[i] > 0.0f ? input[i] : input[i] * alpha;
    }
}
