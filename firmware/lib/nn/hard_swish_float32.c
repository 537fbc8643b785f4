/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_float.h"

/* see nn_unary.h */
void nn_hard_swish_float32(const float *input, float *output, nn_dim count)
{
    const struct nn_range_float32 gate = {0.0f, 6.0f};
    for (nn_dim i = 0; i < count; i++) {
        output[i] = input[i] * nn_clamp(input[i] + 3.0f, &gate) / 6.0f;
    }
}
