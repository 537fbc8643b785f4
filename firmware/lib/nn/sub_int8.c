/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_arithmetic.h"

/* How far the operands are shifted up before they are brought to one scale. */
#define HEAD_ROOM 20

/* see nn_binary.h */
void nn_sub_int8(const int8_t *a, const int8_t *b, int8_t *output,
                 NN_FLASH struct nn_axis_pair *axes, uint8_t rank, NN_FLASH struct nn_sum *params)
{
    const struct nn_sum p = *params;
    const struct nn_axis_pair run = axes[0];
    struct nn_pair_walk at = {0};
    do {
        const int8_t *x = a + at.a, *y = b + at.b;
        for (nn_dim i = 0; i < run.size; i++, x += run.a_stride, y += run.b_stride) {
            const int32_t difference = nn_scaled_a(*x, HEAD_ROOM, &p) - nn_scaled_b(*y, HEAD_ROOM, &p);
            *output++ = (int8_t)nn_sum_output(difference, &p);
        }
    } while (nn_next_run(&at, axes, rank));
}
