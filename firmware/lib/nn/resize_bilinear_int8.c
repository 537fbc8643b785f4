/* SPDX-License-Identifier: Apache-2.0 */
#include "nn.h"

#define ONE ((int32_t)1 << 10)
#define UNIT ((int32_t)1 << 20)

static int8_t blend(const int8_t *top, const int8_t *bottom, const struct nn_blend *column,
                    int16_t weight)
{
    /* 8 bits times two weights that sum to 2^10 each: 28 bits are enough */
    const int32_t above = top[column->low] * (ONE - column->weight) +
                          top[column->high] * (int32_t)column->weight;
    const int32_t below = bottom[column->low] * (ONE - column->weight) +
                          bottom[column->high] * (int32_t)column->weight;
    const int32_t sum = (int32_t)above * (ONE - weight) + (int32_t)below * weight;
    return (int8_t)((sum + (sum > 0 ? UNIT / 2 : -UNIT / 2)) / UNIT);
}

/* see nn_move.h */
void nn_resize_bilinear_int8(const int8_t *input, int8_t *output, NN_FLASH struct nn_blend *rows,
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
