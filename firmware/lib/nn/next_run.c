/* SPDX-License-Identifier: Apache-2.0 */
#include "nn.h"

/* see nn_binary.h */
uint8_t nn_next_run(struct nn_pair_walk *at, NN_FLASH struct nn_axis_pair *axes, uint8_t rank)
{
    for (uint8_t i = 1; i < rank; i++) {
        const struct nn_axis_pair axis = axes[i];
        if (++at->index[i] < axis.size) {
            at->a = (nn_dim)(at->a + axis.a_stride);
            at->b = (nn_dim)(at->b + axis.b_stride);
            return 1;
        }
        at->index[i] = 0;
        at->a = (nn_dim)(at->a - (axis.size - 1) * axis.a_stride);
        at->b = (nn_dim)(at->b - (axis.size - 1) * axis.b_stride);
    }
    return 0;
}
