/* SPDX-License-Identifier: Apache-2.0 */
#include "nn.h"

/* see nn_unary.h */
void nn_prelu_float32(const float *input, const float *alpha, float *output,
                      NN_FLASH struct nn_axis_pair *axes, uint8_t rank)
{
    const struct nn_axis_pair run = axes[0];
    struct nn_pair_walk at = {0};
    do {
        const float *x = input + at.a, *slope = alpha + at.b;
        for (nn_dim i = 0; i < run.size; i++, x += run.a_stride, slope += run.b_stride) {
            *output++ = *x >= 0.0f ? *x : *x * *slope;
        }
    } while (nn_next_run(&at, axes, rank));
}
