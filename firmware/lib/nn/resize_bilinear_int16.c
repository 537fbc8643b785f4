/* SPDX-License-Identifier: Apache-2.0 */
#include "nn.h"

#define ONE ((int32_t)1 << 10)
#define UNIT ((int64_t)1 << 20)

static int16_t blend(const int16_t *top, const int16_t *bottom, const struct nn_blend *column,
                    int16_t weight)
{
    /* 16 bits times two weights that sum to 2^10 each: 36 bits */
    const int32_t above = top[column->low] * (ONE - column->weight) +
                          top[column->high] * (int32_t)column->weight;
    const int32_t below = bottom[column->low] * (ONE - column->weight) +
                          bottom[column->high] * (int32_t)column->weight;
    const int64_t sum = (int64_t)above * (ONE - weight) + (int64_t)below * weight;
    return (int16_t)((sum + (sum > 0 ? UNIT / 2 : -UNIT / 2)) / UNIT);
}

/* see nn_move.h */
void nn_resize_bilinear_int16(const int16_t *input, int16_t *output, NN_FLASH struct nn_blend *rows,
                             NN_FLASH struct nn_blend *columns, NN_FLASH struct nn_resize *shape)
{
    const struct nn_resize s = *shape;
    for (nn_dim batch = 0; batch < s.batches; batch++) {
        for (nn_dim y = 0; y < s.out_height; y++) {
            const struct nn_blend row = rows[y];
            for (nn_dim x = 0; x < s.out_width; x++) {
                const struct nn_blend column = columns[x];
                for (nn_dim c = 0; c < s.depth; c++) {
                    *output++ = blend(input + row.low + c, input + row.high + c, &column, row.weight);
                }
            }
        }
        input += s.image;
    }
}
