/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_arithmetic.h"

/* see nn_binary.h */
void nn_mul_int16(const int16_t *a, const int16_t *b, int16_t *output,
                  NN_FLASH struct nn_axis_pair *axes, uint8_t rank,
                  NN_FLASH struct nn_product *params)
{
    const struct nn_product p = *params;
    const struct nn_axis_pair run = axes[0];
    struct nn_pair_walk at = {0};
    do {
        const int16_t *x = a + at.a, *y = b + at.b;
        for (nn_dim i = 0; i < run.size; i++, x += run.a_stride, y += run.b_stride) {
            *output++ = (int16_t)nn_product_output(*x, *y, &p);
        }
    } while (nn_next_run(&at, axes, rank));
}
