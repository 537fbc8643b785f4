/* SPDX-License-Identifier: Apache-2.0 */
#include "nn.h"

static float sum_at(const float *x, const struct nn_reduction *r)
{
    float sum = 0.0f;
    for (nn_dim i = 0; i < r->reduced[0]; i++, x += r->reduced_stride[0]) {
        const float *plane = x;
        for (nn_dim j = 0; j < r->reduced[1]; j++, plane += r->reduced_stride[1]) {
            const float *line = plane;
            for (nn_dim k = 0; k < r->reduced[2]; k++, line += r->reduced_stride[2]) {
                sum += *line;
            }
        }
    }
    return sum;
}

/* see nn_reduce.h */
void nn_sum_float32(const float *input, float *output, NN_FLASH struct nn_reduction *axes,
                    float divisor)
{
    const struct nn_reduction r = *axes;
    for (nn_dim i = 0; i < r.kept[0]; i++) {
        for (nn_dim j = 0; j < r.kept[1]; j++) {
            const float *x = input + i * r.kept_stride[0] + j * r.kept_stride[1];
            for (nn_dim k = 0; k < r.kept[2]; k++, x += r.kept_stride[2]) {
                *output++ = sum_at(x, &r) / divisor;
            }
        }
    }
}
