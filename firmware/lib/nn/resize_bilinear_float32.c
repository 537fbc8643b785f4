/* SPDX-License-Identifier: Apache-2.0 */
#include "nn.h"

/* see nn_move.h; the four products are summed in the order of the reference */
void nn_resize_bilinear_float32(const float *input, float *output,
                                NN_FLASH struct nn_blend_float32 *rows,
                                NN_FLASH struct nn_blend_float32 *columns,
                                NN_FLASH struct nn_resize *shape)
{
    const struct nn_resize s = *shape;
    for (nn_dim batch = 0; batch < s.batches; batch++) {
        for (nn_dim y = 0; y < s.out_height; y++) {
            const float *top = input + rows[y].low, *bottom = input + rows[y].high;
            const float down = rows[y].weight;
            for (nn_dim x = 0; x < s.out_width; x++) {
                const nn_dim low = columns[x].low, high = columns[x].high;
                const float right = columns[x].weight;
                for (nn_dim c = 0; c < s.depth; c++) {
                    *output++ = top[low + c] * (1.0f - down) * (1.0f - right) +
                                bottom[low + c] * down * (1.0f - right) +
                                top[high + c] * (1.0f - down) * right +
                                bottom[high + c] * down * right;
                }
            }
        }
        input += s.image;
    }
}
