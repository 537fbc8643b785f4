/* SPDX-License-Identifier: Apache-2.0 */
#include "nn.h"

/* The four products are summed in the order of the reference. */
static float blend(const float *top, const float *bottom, const struct nn_blend_float32 *column,
                   float weight)
{
    return top[column->low] * (1.0f - weight) * (1.0f - column->weight) +
           bottom[column->low] * weight * (1.0f - column->weight) +
           top[column->high] * (1.0f - weight) * column->weight +
           bottom[column->high] * weight * column->weight;
}

/* see nn_move.h */
void nn_resize_bilinear_float32(const float *input, float *output,
                                NN_FLASH struct nn_blend_float32 *rows,
                                NN_FLASH struct nn_blend_float32 *columns,
                                NN_FLASH struct nn_resize *shape)
{
    const struct nn_resize s = *shape;
    for (nn_dim batch = 0; batch < s.batches; batch++) {
        for (nn_dim y = 0; y < s.out_height; y++) {
            const struct nn_blend_float32 row = rows[y];
            for (nn_dim x = 0; x < s.out_width; x++) {
                const struct nn_blend_float32 column = columns[x];
                for (nn_dim c = 0; c < s.depth; c++) {
                    *output++ = blend(input + row.low + c, input + row.high + c, &column, row.weight);
                }
            }
        }
        input += s.image;
    }
}
