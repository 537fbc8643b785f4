/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_float.h"

/* see nn.h */
void nn_add_float32(const float *a, const float *b, float *output, nn_dim count, nn_dim period,
                    NN_FLASH struct nn_range_float32 *range)
{
    const struct nn_range_float32 r = *range;
    for (nn_dim i = 0, j = 0; i < count; i++) {
        output[i] = nn_clamp(a[i] + b[j], &r);
        j = (nn_dim)(j + 1 == period ? 0 : j + 1);
    }
}
