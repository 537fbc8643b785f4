/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_float.h"

/* see nn_binary.h */
void nn_mul_float32(const float *a, const float *b, float *output,
                    NN_FLASH struct nn_axis_pair *axes, uint8_t rank,
                    NN_FLASH struct nn_range_float32 *range)
{
    const struct nn_range_float32 r = *range;
    const struct nn_axis_pair run = axes[0];
    struct nn_pair_walk at = {0};
    do {
        const float *x = a + at.a, *y = b + at.b;
        for (nn_dim i = 0; i < run.size; i++, x += run.a_stride, y += run.b_stride) {
            *output++ = nn_clamp(*x * *y, &r);
        }
    } while (nn_next_run(&at, axes, rank));
}
