/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_arithmetic.h"

/* see nn_unary.h */
void nn_prelu_int16(const int16_t *input, const int8_t *alpha, int16_t *output,
                    NN_FLASH struct nn_axis_pair *axes, uint8_t rank,
                    NN_FLASH struct nn_prelu *params)
{
    const struct nn_prelu p = *params;
    const struct nn_axis_pair run = axes[0];
    struct nn_pair_walk at = {0};
    do {
        const int16_t *x = input + at.a;
        const int8_t *slope = alpha + at.b;
        for (nn_dim i = 0; i < run.size; i++, x += run.a_stride, slope += run.b_stride) {
            const int32_t y = nn_prelu_output((int32_t)*x - p.input_zero_point, *slope, &p);
            *output++ = nn_clamp_int16(nn_add_wrapping(y, p.output_zero_point), INT16_MIN, INT16_MAX);
        }
    } while (nn_next_run(&at, axes, rank));
}
