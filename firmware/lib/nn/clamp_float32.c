/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_float.h"

/* see nn_unary.h */
void nn_clamp_float32(const float *input, float *output, nn_dim count,
                      NN_FLASH struct nn_range_float32 *range)
{
    const struct nn_range_float32 r = *range;
    for (nn_dim i = 0; i < count; i++) {
        output[i] = nn_clamp(input[i], &r);
    }
}
