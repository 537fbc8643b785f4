/* SPDX-License-Identifier: Apache-2.0 */
#include "nn.h"

/* see nn_binary.h */
void nn_maximum_int32(const int32_t *a, const int32_t *b, int32_t *output,
                      NN_FLASH struct nn_axis_pair *axes, uint8_t rank)
{
    const struct nn_axis_pair run = axes[0];
    struct nn_pair_walk at = {0};
    do {
        const int32_t *x = a + at.a, *y = b + at.b;
        for (nn_dim i = 0; i < run.size; i++, x += run.a_stride, y += run.b_stride) {
            *output++ = *x > *y ? *x : *y;
        }
    } while (nn_next_run(&at, axes, rank));
}
