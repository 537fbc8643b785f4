/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_fixed_point.h"

static int32_t sum_at(const int16_t *x, const struct nn_reduction *r)
{
    uint32_t sum = 0;
    for (nn_dim i = 0; i < r->reduced[0]; i++, x += r->reduced_stride[0]) {
        const int16_t *plane = x;
        for (nn_dim j = 0; j < r->reduced[1]; j++, plane += r->reduced_stride[1]) {
            const int16_t *line = plane;
            for (nn_dim k = 0; k < r->reduced[2]; k++, line += r->reduced_stride[2]) {
                sum += (uint32_t)*line;
            }
        }
    }
    return (int32_t)sum;
}

/* see nn_reduce.h */
void nn_sum_int16(const int16_t *input, int16_t *output, NN_FLASH struct nn_reduction *axes,
                  NN_FLASH struct nn_requant *scale, int16_t output_zero_point)
{
    const struct nn_reduction r = *axes;
    for (nn_dim i = 0; i < r.kept[0]; i++) {
        for (nn_dim j = 0; j < r.kept[1]; j++) {
            const int16_t *x = input + i * r.kept_stride[0] + j * r.kept_stride[1];
            for (nn_dim k = 0; k < r.kept[2]; k++, x += r.kept_stride[2]) {
                const int32_t sum = nn_add_wrapping(sum_at(x, &r), scale->bias);
                const int32_t y = nn_scale(sum, scale->multiplier, scale->shift);
                *output++ = nn_clamp_int16(nn_add_wrapping(y, output_zero_point), INT16_MIN, INT16_MAX);
            }
        }
    }
}
