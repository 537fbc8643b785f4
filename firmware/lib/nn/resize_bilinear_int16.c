/* SPDX-License-Identifier: Apache-2.0 */
#include "nn.h"

#define ONE ((int32_t)1 << 10)
/* 16 bits times two weights that sum to 2^10 each: 36 bits */
#define UNIT ((int64_t)1 << 20)

static int32_t mix(int16_t low, int16_t high, int16_t weight)
{
    return low * (ONE - weight) + high * (int32_t)weight;
}

/* see nn_move.h */
void nn_resize_bilinear_int16(const int16_t *input, int16_t *output, NN_FLASH struct nn_blend *rows,
                             NN_FLASH struct nn_blend *columns, NN_FLASH struct nn_resize *shape)
{
    const struct nn_resize s = *shape;
    for (nn_dim batch = 0; batch < s.batches; batch++) {
        for (nn_dim y = 0; y < s.out_height; y++) {
            /* field by field: avr-gcc 5.4 takes a structure copied in a loop from RAM, not flash */
            const int16_t *top = input + rows[y].low, *bottom = input + rows[y].high;
            const int16_t down = rows[y].weight;
            for (nn_dim x = 0; x < s.out_width; x++) {
                const nn_dim low = columns[x].low, high = columns[x].high;
                const int16_t right = columns[x].weight;
                for (nn_dim c = 0; c < s.depth; c++) {
                    const int32_t above = mix(top[low + c], top[high + c], right);
                    const int32_t below = mix(bottom[low + c], bottom[high + c], right);
                    const int64_t sum = (int64_t)above * (ONE - down) + (int64_t)below * down;
                    *output++ = (int16_t)((sum + (sum > 0 ? UNIT / 2 : -UNIT / 2)) / UNIT);
                }
            }
        }
        input += s.image;
    }
}
